"""Measures a scorer on the held-out part of prepared data: pairs, whole catalogue, given lists.

The same code measures Keras models and baselines, in the search and in the end; it sees whatever
hold-out its `PreparedData` has.

Dimension letters: B users of a block, N items (with the unknown 0), p positives, m lists.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsearch.data.interactions import Task
from recsearch.data.preparation import PreparedData
from recsearch.metrics import (
    deepest_cutoff,
    mean_ranking,
    pair_metrics,
    rank_in_lists,
    rank_positives,
)
from recsearch.scorer import Scorer

CELLS_A_BLOCK = 2**23  # scores held at once while a catalogue is ranked: 32 MiB of float32


@dataclass(frozen=True)
class Protocol:
    """What is measured, on whom and how: printed next to every number.

    Attributes:
        metrics: Names of the metrics.
        users: [U] int32 users to rank for, ascending; None where pairs are measured.
        description: In words.
    """

    metrics: tuple[str, ...]
    users: NDArray[np.int32] | None
    description: str


def make_protocol(
    data: PreparedData, metrics: Sequence[str], max_users: int | None = None, seed: int = 0
) -> Protocol:
    """Returns how `data.holdout` is to be measured.

    Args:
        data: Its task decides between pairs and ranking.
        metrics: Names, all of the task's kind.
        max_users: Rank for a seeded sample of at most so many users; None for all.
        seed: Seeds the sample.
    """
    names = tuple(metrics)
    if data.spec.task is not Task.IMPLICIT:
        return Protocol(names, None, f"{len(data.holdout):,} held-out labels")
    if data.candidates is not None:
        width = data.candidates.item.shape[1]
        unknown = int((data.candidates.user == 0).sum())
        count = len(data.candidates.user) - unknown
        text = f"{count:,} given lists of one positive among {width - 1} negatives"
        return Protocol(names, None, text + _left_out(unknown, "lists"))
    users = np.unique(data.holdout.user)
    unknown = int((data.holdout.user == 0).sum())
    users = users[users > 0]
    text = f"whole catalogue ({data.spec.num_items - 1:,} items) without each user's training items"
    if max_users is not None and max_users < len(users):
        total = len(users)
        users = np.sort(np.random.default_rng(seed).choice(users, max_users, replace=False))
        text += f", a seeded sample of {max_users:,} of {total:,} users"
    else:
        text += f", all {len(users):,} users with a held-out item"
    return Protocol(names, users, text + _left_out(unknown, "held-out rows"))


def _left_out(count: int, what: str) -> str:
    return f"; {what} of users unknown in training are left out: {count:,}" if count else ""


def trial_protocol(data: PreparedData, metrics: Sequence[str], seed: int) -> Protocol:
    """Returns how `data.holdout` is measured after each epoch of a trial.

    A catalogue is ranked for as many users as a third of an epoch's time pays for.
    """
    return make_protocol(data, metrics, users_within_budget(data), seed)


def users_within_budget(data: PreparedData) -> int:
    """Returns for how many users a trial may rank the catalogue: a third of an epoch's time.

    A training pair costs at least six times a pair that is only scored (forward, backward, update,
    one thread; six for NeuMF, ten for an MLP alone); an epoch has at least two pairs a positive.
    So a third of an epoch pays for 4 n scored pairs, which is 4 n / N users. It follows from the
    data alone, so that all trials are compared on the same users.
    """
    return max(1, 4 * len(data.train) // data.spec.num_items)


def evaluate(scorer: Scorer, data: PreparedData, protocol: Protocol) -> dict[str, float]:
    """Returns metric name -> value on the held-out part.

    Raises:
        ValueError: If a ranking meets NaN, or a click gets a score that is no probability. A rating
            metric of NaN is NaN.
    """
    if data.spec.task is not Task.IMPLICIT:
        return _measure_pairs(scorer, data, protocol)
    max_rank = deepest_cutoff(protocol.metrics)
    if data.candidates is not None:
        return _rank_lists(scorer, data, protocol, max_rank)
    return _rank_catalogue(scorer, data, protocol, max_rank)


def _measure_pairs(scorer: Scorer, data: PreparedData, protocol: Protocol) -> dict[str, float]:
    score = scorer.score_pairs(data.holdout.user, data.holdout.item)
    if data.spec.task is Task.CLICK and bool(np.any((score < 0) | (score > 1))):
        raise ValueError(
            "For clicks a model's output must be a probability in [0, 1]. Received values from "
            f"{score.min():g} to {score.max():g}. End the model in a sigmoid."
        )
    return pair_metrics(protocol.metrics, data.holdout.label, score)


def _rank_lists(
    scorer: Scorer, data: PreparedData, protocol: Protocol, max_rank: int
) -> dict[str, float]:
    lists = data.candidates
    if lists is None:
        raise ValueError("There are no lists of candidates to rank in.")
    known = lists.user > 0
    user, item = lists.user[known], lists.item[known]
    count, width = item.shape
    pairs = np.repeat(user, width), np.maximum(item, 0).ravel()
    score = scorer.score_pairs(*pairs).reshape(count, width)
    score = np.where(item > 0, score, -np.inf)  # padding and items unknown in training
    ranks = rank_in_lists(score, max_rank)
    owner = np.arange(count)
    return mean_ranking(protocol.metrics, ranks, owner, np.ones(count, np.int64))


def _rank_catalogue(
    scorer: Scorer, data: PreparedData, protocol: Protocol, max_rank: int
) -> dict[str, float]:
    users = protocol.users if protocol.users is not None else np.unique(data.holdout.user)
    known = np.isin(data.holdout.user, users)
    owner = np.searchsorted(users, data.holdout.user[known])
    item = np.asarray(data.holdout.item)[known]
    order = np.argsort(owner, kind="stable")
    owner, item = owner[order], item[order]
    size = max(1, CELLS_A_BLOCK // data.spec.num_items)
    ranks = np.empty(len(owner), np.int32)
    for begin in range(0, len(users), size):
        block = users[begin : begin + size]
        mine = slice(*np.searchsorted(owner, [begin, begin + size]))
        scores = scorer.score_catalogue(block)
        _mask(scores, data, block)
        ranks[mine] = rank_positives(scores, owner[mine] - begin, item[mine], max_rank)
    num_relevant = np.bincount(owner, minlength=len(users))
    return mean_ranking(protocol.metrics, ranks, owner, num_relevant)


def _mask(scores: NDArray[np.float32], data: PreparedData, user: NDArray[np.int32]) -> None:
    """Takes the unknown item and each user's training items out of the scores [B, N], in place."""
    scores[:, 0] = -np.inf
    row, seen = data.seen.rows(user)
    scores[row, seen] = -np.inf
