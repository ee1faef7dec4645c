"""Measures a scorer on the held-out part of prepared data: pairs, whole catalogue, given lists.

The same code measures Keras models and baselines, in the search and in the end; it sees whatever
hold-out its `PreparedData` has.

Dimension letters: B users of a block, N items (with the unknown 0), p positives, m lists.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsearch.data.interactions import Task
from recsearch.data.preparation import EncodedCandidates, PreparedData
from recsearch.data.vocabulary import is_unknown
from recsearch.evaluation.scorer import Scorer, for_held_out
from recsearch.metrics import (
    PairResults,
    RankingResults,
    Recommended,
    deepest_cutoff,
    rank_in_lists,
    rank_positives,
    top_items,
)

HeldOut = PairResults | RankingResults

CELLS_PER_BLOCK = 2**23  # scores held at once while a catalogue is ranked: 32 MiB of float32


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
    data: PreparedData,
    metrics: Sequence[str],
    max_users: int | None = None,
    seed: int = 0,
    *,
    unknown_users: bool = False,
) -> Protocol:
    """Returns how `data.holdout` is to be measured.

    Rankings are made for the users that training knows. Where it knows none of them (a cold-users
    split) they are made for the unknown ones; the index 0, which cannot be told from others, is
    never ranked for.

    Args:
        data: Its task decides between pairs and ranking.
        metrics: Names, all of the task's kind.
        max_users: Rank for a seeded sample of at most so many users; None for all.
        seed: Seeds the sample.
        unknown_users: Rank for unknown users too, which slices then show apart; see `headline`.
    """
    names = tuple(metrics)
    if data.spec.task is not Task.IMPLICIT:
        return Protocol(names, None, f"{len(data.holdout):,} held-out labels")
    unknown_users = unknown_users or data.has_cold_users
    if data.candidates is not None:
        ranked = _is_ranked(data.candidates.user, data, unknown_users)
        text = f"{ranked.sum():,} {data.candidates.description}"
        users = np.unique(data.candidates.user[ranked])
        return Protocol(names, users, text + _left_out(int((~ranked).sum()), "lists"))
    ranked = _is_ranked(data.holdout.user, data, unknown_users)
    users = np.unique(data.holdout.user[ranked])
    text = _describe_catalogue(data)
    if max_users is not None and max_users < len(users):
        total = len(users)
        users = np.sort(np.random.default_rng(seed).choice(users, max_users, replace=False))
        text += f", a seeded sample of {max_users:,} of {total:,} users"
    else:
        text += f", all {len(users):,} users with a held-out item"
    return Protocol(names, users, text + _left_out(int((~ranked).sum()), "held-out rows"))


def _is_ranked(
    user: NDArray[np.int32], data: PreparedData, unknown_users: bool
) -> NDArray[np.bool_]:
    return user > 0 if unknown_users else ~is_unknown(user, data.spec.num_users)


def _describe_catalogue(data: PreparedData) -> str:
    if data.has_cold_items:
        return f"catalogue of the {len(_cold_items(data)):,} held-out items unknown in training"
    return f"whole catalogue ({data.spec.num_items - 1:,} items) without each user's training items"


def _left_out(count: int, what: str) -> str:
    return f"; {what} of users unknown in training are left out: {count:,}" if count else ""


def trial_protocol(
    data: PreparedData, metrics: Sequence[str], seed: int, max_users: int | None = None
) -> Protocol:
    """Returns how `data.holdout` is measured after each epoch of a trial.

    A catalogue is ranked for at most `max_users`, or for as many as `users_within_budget` says.
    """
    return make_protocol(data, metrics, max_users or users_within_budget(data), seed)


def users_within_budget(data: PreparedData) -> int:
    """Returns for how many users a trial may rank the catalogue: two thirds of an epoch's time.

    That is for NeuMF, the dearest of our families to rank with. A training pair costs it fifteen
    times a pair that is only scored (forward, backward, update; one thread), and an epoch has five
    pairs a positive: two thirds of it pay for 50 n scored pairs, which is 50 n / N users. Families
    that need a dot product alone pay a few percent of an epoch. It follows from the data alone, so
    that all trials are compared on the same users.
    """
    return max(1, 50 * len(data.train) // data.spec.num_items)


def evaluate(scorer: Scorer, data: PreparedData, protocol: Protocol) -> dict[str, float]:
    """Returns metric name -> value on the held-out part.

    Raises:
        ValueError: If a ranking meets NaN, or a click gets a score that is no probability. A rating
            metric of NaN is NaN.
    """
    return measure(scorer, data, protocol).metrics(protocol.metrics)


def measure(scorer: Scorer, data: PreparedData, protocol: Protocol) -> HeldOut:
    """Returns what the scorer says of each held-out row: the scores of pairs, or ranks.

    Raises:
        ValueError: If a ranking meets NaN, or a click gets a score that is no probability.
    """
    scorer = for_held_out(scorer, data.spec.num_users, data.spec.num_items)
    if data.spec.task is not Task.IMPLICIT:
        return _measure_pairs(scorer, data)
    max_rank = deepest_cutoff(protocol.metrics)
    users = np.empty(0, np.int32) if protocol.users is None else protocol.users
    if data.candidates is not None:
        return _rank_lists(scorer, data, data.candidates, users, max_rank)
    return _rank_catalogue(scorer, data, users, max_rank)


def recommend(
    scorer: Scorer,
    data: PreparedData,
    users: NDArray[np.int32],
    length: int,
    vectors: NDArray[np.floating] | None = None,
) -> Recommended:
    """Returns the best items of the whole catalogue for each user, without his training items.

    Args:
        scorer: What recommends.
        data: Its training part says how popular items are.
        users: [U] int32.
        length: Places of a list.
        vectors: [N, F] one vector an item, for diversity.

    Raises:
        ValueError: If a score is NaN.
    """
    scorer = for_held_out(scorer, data.spec.num_users, data.spec.num_items)
    size = max(1, CELLS_PER_BLOCK // data.spec.num_items)
    items = np.empty((len(users), length), np.int64)
    for begin in range(0, len(users), size):
        scores = _score_known(scorer, data, users[begin : begin + size])
        items[begin : begin + size] = top_items(scores, length)
    counts = np.bincount(data.seen.items, minlength=data.spec.num_items)
    return Recommended(items, counts, data.spec.num_users - 1, vectors)


def headline(results: HeldOut, data: PreparedData) -> HeldOut:
    """Returns the rows that the headline is told of, where unknown users were ranked for too.

    These are all pairs, and the ranks of the users that training knows; those of the unknown ones
    if it knows none (a cold-users split).
    """
    unknown = is_unknown(results.row_user, data.spec.num_users)
    if isinstance(results, PairResults) or unknown.all():
        return results
    return results.where(~unknown)


def _measure_pairs(scorer: Scorer, data: PreparedData) -> PairResults:
    holdout = data.holdout
    score = scorer.score_pairs(holdout.user, holdout.item)
    if data.spec.task is Task.CLICK and bool(np.any((score < 0) | (score > 1))):
        raise ValueError(
            "For clicks a model's output must be a probability in [0, 1]. Received values from "
            f"{score.min():g} to {score.max():g}. End the model in a sigmoid."
        )
    return PairResults(holdout.user, holdout.item, holdout.label, score)


def _rank_lists(
    scorer: Scorer,
    data: PreparedData,
    lists: EncodedCandidates,
    users: NDArray[np.int32],
    max_rank: int,
) -> RankingResults:
    mine = np.isin(lists.user, users)
    user, item = lists.user[mine], lists.item[mine]
    count, width = item.shape
    # Items that training does not know are candidates in a cold-items split alone.
    ranked = (item > 0) & (data.has_cold_items | (item < data.spec.num_items))
    pairs = np.repeat(user, width), np.where(ranked, item, 0).ravel()
    score = scorer.score_pairs(*pairs).reshape(count, width)
    ranks = rank_in_lists(np.where(ranked, score, -np.inf), max_rank)
    return RankingResults(user, np.arange(count), item[:, 0], ranks, max_rank)


def _rank_catalogue(
    scorer: Scorer, data: PreparedData, users: NDArray[np.int32], max_rank: int
) -> RankingResults:
    mine = np.isin(data.holdout.user, users)
    owner = np.searchsorted(users, data.holdout.user[mine])
    item = np.asarray(data.holdout.item)[mine]
    order = np.argsort(owner, kind="stable")
    owner, item = owner[order], item[order]
    column, num_columns, score = _catalogue(scorer, data, item)
    size = max(1, CELLS_PER_BLOCK // num_columns)
    ranks = np.empty(len(owner), np.int32)
    for begin in range(0, len(users), size):
        scores = score(users[begin : begin + size])
        block = slice(*np.searchsorted(owner, [begin, begin + size]))
        ranks[block] = rank_positives(scores, owner[block] - begin, column[block], max_rank)
    return RankingResults(users, owner, item, ranks, max_rank)


ScoreBlock = Callable[[NDArray[np.int32]], NDArray[np.float32]]


def _catalogue(
    scorer: Scorer, data: PreparedData, item: NDArray[np.int32]
) -> tuple[NDArray[np.integer], int, ScoreBlock]:
    """Returns the column of each `item` [p], how many there are, and what scores users [B] in all.

    Candidates are the training items; items that training does not know share column 0, which is
    never found. Where it knows none of the held-out items, these are the candidates.
    """
    if data.has_cold_items:
        cold = _cold_items(data)
        column = np.where(item > 0, np.searchsorted(cold, item) + 1, 0)
        return column, len(cold) + 1, lambda user: _score_cold(scorer, user, cold)
    column = np.where(is_unknown(item, data.spec.num_items), 0, item)
    return column, data.spec.num_items, lambda user: _score_known(scorer, data, user)


def _cold_items(data: PreparedData) -> NDArray[np.int32]:
    """Returns the held-out items that training does not know but that are told apart, ascending."""
    item = np.unique(data.holdout.item)
    return item[item >= data.spec.num_items]


def _score_cold(
    scorer: Scorer, user: NDArray[np.int32], cold: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Returns [B, 1 + cold items]: nothing in column 0, then the scores of the cold items."""
    scores = np.full((len(user), 1 + len(cold)), -np.inf, np.float32)
    pairs = np.repeat(user, len(cold)), np.tile(cold, len(user))
    scores[:, 1:] = scorer.score_pairs(*pairs).reshape(len(user), len(cold))
    return scores


def _score_known(
    scorer: Scorer, data: PreparedData, user: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Returns [B, N] with -inf for the unknown item and for each user's training items."""
    scores = scorer.score_catalogue(user)
    scores[:, 0] = -np.inf
    row, seen = data.seen.rows(user)
    scores[row, seen] = -np.inf
    return scores
