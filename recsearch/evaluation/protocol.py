"""Measures a scorer on the held-out part of prepared data: pairs, whole catalogue, given lists.

The same code measures Keras models and baselines, in the search and at the end, on the held-out
part of the given `PreparedData`.

Dimension letters: B users of a block, N items (with the unknown 0), p positives, m lists.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsearch.data.preparation import EncodedCandidates, PreparedData
from recsearch.data.task import Task
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

CELLS_PER_BLOCK = 2**23  # scores in memory at once while a catalogue is ranked: 32 MiB of float32


@dataclass(frozen=True)
class EvaluationProtocol:
    """The metrics, the users and the method of a measurement: printed next to every number.

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
) -> EvaluationProtocol:
    """Returns how `data.holdout` is measured.

    Items are ranked for users that occur in training. If no held-out user does (a cold-users
    split), they are ranked for the unknown users, except for index 0, which several users share.

    Args:
        data: Its task decides between pairs and ranking.
        metrics: Names, all of the task's kind.
        max_users: Largest number of users to rank for, a seeded sample; None for all.
        seed: Seeds the sample.
        unknown_users: Rank for unknown users too, which slices show separately; see `headline`.
    """
    names = tuple(metrics)
    if data.spec.task is not Task.IMPLICIT:
        return EvaluationProtocol(names, None, f"{len(data.holdout):,} held-out labels")
    unknown_users = unknown_users or data.has_cold_users
    if data.candidates is not None:
        ranked = _is_ranked(data.candidates.user, data, unknown_users)
        text = f"{ranked.sum():,} {data.candidates.description}"
        users = np.unique(data.candidates.user[ranked])
        return EvaluationProtocol(names, users, text + _left_out(int((~ranked).sum()), "lists"))
    ranked = _is_ranked(data.holdout.user, data, unknown_users)
    users = np.unique(data.holdout.user[ranked])
    text = _describe_catalogue(data)
    if max_users is not None and max_users < len(users):
        total = len(users)
        users = np.sort(np.random.default_rng(seed).choice(users, max_users, replace=False))
        text += f", a seeded sample of {max_users:,} of {total:,} users"
    else:
        text += f", all {len(users):,} users with a held-out item"
    return EvaluationProtocol(names, users, text + _left_out(int((~ranked).sum()), "held-out rows"))


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
) -> EvaluationProtocol:
    """Returns how `data.holdout` is measured after each epoch of a trial.

    A catalogue is ranked for at most `max_users`, or for as many as `users_within_budget` says.
    """
    return make_protocol(data, metrics, max_users or users_within_budget(data), seed)


def users_within_budget(data: PreparedData) -> int:
    """Returns for how many users a trial can rank the catalogue in two thirds of an epoch's time.

    The time is computed for NeuMF, the built-in family with the most expensive ranking. A training
    pair costs fifteen times as much as a scored pair (forward, backward, update; one thread), and
    an epoch has five pairs per positive: in two thirds of it, 50 n pairs can be scored, which is
    50 n / N users. Families that only need a dot product spend a few percent of an epoch. The
    number depends only on the data, so all trials are compared on the same users.
    """
    return max(1, 50 * len(data.train) // data.spec.num_items)


def evaluate(scorer: Scorer, data: PreparedData, protocol: EvaluationProtocol) -> dict[str, float]:
    """Returns metric name -> value on the held-out part.

    Raises:
        ValueError: If a score to rank is NaN, or a click's score is not a probability. A rating
            metric of NaN is NaN.
    """
    return measure(scorer, data, protocol).metrics(protocol.metrics)


def measure(scorer: Scorer, data: PreparedData, protocol: EvaluationProtocol) -> HeldOut:
    """Returns the result of each held-out row: the scores of pairs, or ranks.

    Raises:
        ValueError: If a score to rank is NaN, or a click's score is not a probability.
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
    """Returns the best items of the complete catalogue per user, without the user's training items.

    Args:
        scorer: Scores the items.
        data: The popularity of items is counted in its training part.
        users: [U] int32.
        length: Items per list.
        vectors: [N, F] one vector per item, for diversity.

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
    """Returns the rows that the headline metrics are computed from.

    These are all pairs, or the ranks of users that occur in training; the ranks of unknown users
    only if no held-out user occurs in training (a cold-users split).
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
            f"{score.min():g} to {score.max():g}. End the model with a sigmoid."
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
    # Items that do not occur in training are candidates only in a cold-items split.
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
    """Returns the column of each `item` [p], the number of columns, and a function that scores.

    The function scores users [B] in all columns. Candidates are the training items; other items
    share column 0, which is never ranked first. If no held-out item occurs in training, the
    held-out items are the candidates.
    """
    if data.has_cold_items:
        cold = _cold_items(data)
        column = np.where(item > 0, np.searchsorted(cold, item) + 1, 0)
        return column, len(cold) + 1, lambda user: _score_cold(scorer, user, cold)
    column = np.where(is_unknown(item, data.spec.num_items), 0, item)
    return column, data.spec.num_items, lambda user: _score_known(scorer, data, user)


def _cold_items(data: PreparedData) -> NDArray[np.int32]:
    """Returns the held-out items that have an index but do not occur in training, ascending."""
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
