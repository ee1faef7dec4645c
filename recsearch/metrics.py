"""Metrics: of labelled pairs (rating, click) and of ranked positives (implicit).

Ranks count from 1, and a positive loses every tie: its rank is one more than the number of
candidates whose score is at least its own. So a model that scores everything alike gets 0.

Dimension letters: n labelled pairs, B rows (users) of a block, N items, p positives, U users with
at least one positive, m lists of K negatives.
"""

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recsearch.data.interactions import Task
from recsearch.errors import UsageError

Direction = Literal["min", "max"]

PROBABILITY_MARGIN = 1e-7
"""Log loss takes probabilities as at least this far from 0 and from 1."""

CUTOFFS = (5, 10, 20)


@dataclass(frozen=True)
class Metric:
    """What a number means.

    Attributes:
        name: As users write it: "rmse", "ndcg@10".
        direction: "min" if a smaller value is better, else "max".
        source: The paper or library, and the variant.
        family: The name without the cutoff: "ndcg".
        cutoff: How many ranks count; None for metrics of pairs.
    """

    name: str
    direction: Direction
    source: str
    family: str
    cutoff: int | None = None


def find_metric(name: str) -> Metric:
    """Returns the metric of a name such as "rmse" or "ndcg@10".

    Raises:
        UsageError: If there is no such metric; the message names the close ones and lists all.
    """
    if name in _PAIR_METRICS:
        _, direction, source = _PAIR_METRICS[name]
        return Metric(name, direction, source, family=name)
    ranking = re.fullmatch(r"([a-z]+)@([1-9][0-9]{0,5})", name)
    if ranking and ranking[1] in _RANKING_METRICS:
        family = ranking[1]
        source = _RANKING_METRICS[family][1]
        return Metric(name, "max", source, family=family, cutoff=int(ranking[2]))
    raise UsageError(_unknown_metric(name))


def metrics_for(task: Task) -> tuple[str, ...]:
    """Returns the names of the metrics that are reported for a task."""
    if task is Task.RATING:
        return ("rmse", "mae")
    if task is Task.CLICK:
        return ("auc", "log_loss")
    return tuple(f"{family}@{cutoff}" for family in _RANKING_METRICS for cutoff in CUTOFFS)


def default_objective(task: Task) -> str:
    """Returns the name of the metric by which trials of a task are compared."""
    return {Task.RATING: "rmse", Task.CLICK: "auc", Task.IMPLICIT: "ndcg@10"}[task]


def deepest_cutoff(names: Sequence[str]) -> int:
    """Returns the largest cutoff among the named metrics: the `max_rank` to rank with.

    Metrics of pairs have none; without any ranking metric the answer is 0.
    """
    return max((find_metric(name).cutoff or 0 for name in names), default=0)


def pair_metrics(
    names: Sequence[str], label: NDArray[np.float32], score: NDArray[np.float32]
) -> dict[str, float]:
    """Returns the named metrics of labelled pairs.

    Without pairs, or with a score that is not finite, every metric is nan.

    Args:
        names: "rmse", "mae", "auc", "log_loss".
        label: [n]; 0 or 1 for auc and log_loss.
        score: [n], in the unit of the label. Log loss clips it to [1e-7, 1 - 1e-7].

    Raises:
        UsageError: If a name is not that of a metric of pairs.
        ValueError: If the arrays differ in shape, or a label of auc or log_loss is not 0 or 1.
    """
    if label.shape != score.shape:
        raise ValueError(
            f"Labels and scores must have the same shape. Received {label.shape} and {score.shape}."
        )
    for name in names:
        if name not in _PAIR_METRICS:
            raise UsageError(f"{find_metric(name).name} ranks items; it cannot be told of pairs.")
    if label.size == 0 or not np.isfinite(score).all():
        return dict.fromkeys(names, float("nan"))
    exact_label, exact_score = label.astype(np.float64), score.astype(np.float64)
    return {name: _PAIR_METRICS[name][0](exact_label, exact_score) for name in names}


def _rmse(label: NDArray[np.float64], score: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(np.square(score - label))))


def _mae(label: NDArray[np.float64], score: NDArray[np.float64]) -> float:
    return float(np.mean(np.abs(score - label)))


def _auc(label: NDArray[np.float64], score: NDArray[np.float64]) -> float:
    """Returns the share of (1, 0) pairs in the right order; nan if only one label occurs."""
    # scikit-learn takes more than a second to import, which only clicks need to pay.
    from sklearn.metrics import roc_auc_score

    _check_binary(label)
    if label.min() == label.max():
        return float("nan")
    return float(roc_auc_score(label, score))


def _log_loss(label: NDArray[np.float64], score: NDArray[np.float64]) -> float:
    _check_binary(label)
    probability = np.clip(score, PROBABILITY_MARGIN, 1.0 - PROBABILITY_MARGIN)
    likelihood = np.where(label == 1.0, probability, 1.0 - probability)
    return float(-np.mean(np.log(likelihood)))


def _check_binary(label: NDArray[np.float64]) -> None:
    other = label[(label != 0.0) & (label != 1.0)]
    if len(other):
        raise ValueError(f"Labels of clicks must be 0 or 1. Received {other[0]:g}.")


def rank_positives(
    scores: NDArray[np.float32], row: NDArray[np.integer], item: NDArray[np.integer], max_rank: int
) -> NDArray[np.int32]:
    """Returns the rank of each positive among the candidates of its row, [p] int32.

    A positive's rank is 1 + the non-positive candidates of its row that score at least as much
    + the row's other positives ahead of it. Positives of a row are in order of their score; of
    equal ones the first given is ahead.

    Args:
        scores: [B, N], not changed. What is not to be ranked holds -inf: column 0, seen items.
        row: [p] the row of each positive.
        item: [p] its column. No (row, item) comes twice.
        max_rank: At least 1. Ranks beyond it are told as `max_rank + 1`. So is a positive at -inf:
            an unknown or excluded item is never found, however few the candidates are.

    Raises:
        ValueError: If a score is nan or +inf: such a model has failed, it has no ranks.
    """
    _check_scores(scores)
    others = scores.copy()
    others[row, item] = -np.inf
    # Only the best max_rank others can push a positive up to rank max_rank + 1.
    num_dropped = max(others.shape[1] - max_rank, 0)
    top = np.partition(others, num_dropped, axis=1)[:, num_dropped:]
    own = scores[row, item]
    rank = _rank_within_rows(top, row, own)
    rank[own == -np.inf] = max_rank + 1
    return np.minimum(rank, max_rank + 1).astype(np.int32)


def _rank_within_rows(
    other: NDArray[np.float32], row: NDArray[np.integer], own: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Returns the 1-based place of each score `own` [p] in its row with the scores `other` [B, D].

    One sort of both together tells all places; behind equals of `other`, among themselves as given.
    """
    num_rows, depth = other.shape
    all_rows = np.concatenate([np.repeat(np.arange(num_rows), depth), row])
    all_scores = np.concatenate([other.ravel(), own])
    is_positive = np.arange(len(all_rows)) >= other.size
    order = np.lexsort((is_positive, -all_scores, all_rows))
    size = np.bincount(all_rows, minlength=num_rows)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order)) - np.repeat(np.cumsum(size) - size, size)
    rank: NDArray[np.int64] = place[other.size :] + 1
    return rank


def rank_in_lists(scores: NDArray[np.float32], max_rank: int) -> NDArray[np.int32]:
    """Returns the rank of the positive of each list, [m] int32, by the rule of `rank_positives`.

    Args:
        scores: [m, 1 + K], the positive in column 0. What is not to be ranked holds -inf: padding,
            and a negative that repeats the positive.
        max_rank: Ranks beyond it, and a positive at -inf, are told as `max_rank + 1`.

    Raises:
        ValueError: If a score is nan or +inf.
    """
    _check_scores(scores)
    own = scores[:, :1]
    rank: NDArray[np.int64] = 1 + np.sum(scores[:, 1:] >= own, axis=1)
    rank[own[:, 0] == -np.inf] = max_rank + 1
    return np.minimum(rank, max_rank + 1).astype(np.int32)


def _check_scores(scores: NDArray[np.float32]) -> None:
    """Raises ValueError at nan or +inf; nan is not smaller than anything."""
    if scores.size and not scores.max() < np.inf:
        row, column = np.argwhere(~(scores < np.inf))[0]
        raise ValueError(
            f"Scores must be finite, or -inf to exclude an item. Received {scores[row, column]} in"
            f" row {row}, column {column}. The model has diverged; try a smaller learning rate."
        )


@dataclass(frozen=True)
class _Ranked:
    """Ranks [p] of the positives, the users [p] they belong to, and the users' positives [U]."""

    ranks: NDArray[np.integer]
    owner: NDArray[np.integer]
    num_relevant: NDArray[np.integer]

    def sum_by_user(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns [U]: the sum of `values` [p] over each user's positives."""
        total = np.bincount(self.owner, weights=values, minlength=len(self.num_relevant))
        return total.astype(np.float64)

    def hits(self, cutoff: int) -> NDArray[np.float64]:
        """Returns [U]: how many of each user's positives are within the cutoff."""
        return self.sum_by_user((self.ranks <= cutoff).astype(np.float64))


def per_user_ranking(
    names: Sequence[str],
    ranks: NDArray[np.integer],
    owner: NDArray[np.integer],
    num_relevant: NDArray[np.integer],
) -> dict[str, NDArray[np.float64]]:
    """Returns the named ranking metrics of each user, [U] float64 in [0, 1]; their mean counts.

    Users without a held-out item have no value: they are left out before, and U counts the others.
    With fewer than k candidates, missing places are misses: precision@k still divides by k.

    Args:
        names: Such as "ndcg@10"; no cutoff above the `max_rank` with which ranks were made.
        ranks: [p] as told by `rank_positives` or `rank_in_lists`.
        owner: [p] the user of each rank, from 0 to U - 1.
        num_relevant: [U] all held-out items of each user, unknown ones too; at least 1.

    Raises:
        UsageError: If a name is not that of a ranking metric.
        ValueError: If a user has no held-out item, or more ranks than held-out items.
    """
    metrics = [find_metric(name) for name in names]
    ranked = _Ranked(ranks, owner, num_relevant)
    if np.any(num_relevant < 1):
        raise ValueError("Each user needs a held-out item. Leave out the users that have none.")
    if np.any(np.bincount(owner, minlength=len(num_relevant)) > num_relevant):
        raise ValueError("A user has more ranks than held-out items. Count the unknown ones too.")
    values = {}
    for metric in metrics:
        if metric.cutoff is None:
            raise UsageError(f"{metric.name} compares labels; it cannot be told of ranks.")
        values[metric.name] = _RANKING_METRICS[metric.family][0](ranked, metric.cutoff)
    return values


def mean_ranking(
    names: Sequence[str],
    ranks: NDArray[np.integer],
    owner: NDArray[np.integer],
    num_relevant: NDArray[np.integer],
) -> dict[str, float]:
    """Returns the means over users of `per_user_ranking`; nan if there is no user."""
    values = per_user_ranking(names, ranks, owner, num_relevant)
    return {name: float(np.mean(v)) if len(v) else float("nan") for name, v in values.items()}


def _hit_rate(ranked: _Ranked, cutoff: int) -> NDArray[np.float64]:
    return np.minimum(ranked.hits(cutoff), 1.0)


def _recall(ranked: _Ranked, cutoff: int) -> NDArray[np.float64]:
    return ranked.hits(cutoff) / ranked.num_relevant


def _precision(ranked: _Ranked, cutoff: int) -> NDArray[np.float64]:
    return ranked.hits(cutoff) / cutoff


def _reciprocal_rank(ranked: _Ranked, cutoff: int) -> NDArray[np.float64]:
    best = np.zeros(len(ranked.num_relevant))
    np.maximum.at(best, ranked.owner, np.where(ranked.ranks <= cutoff, 1.0 / ranked.ranks, 0.0))
    return best


def _ndcg(ranked: _Ranked, cutoff: int) -> NDArray[np.float64]:
    gains = np.where(ranked.ranks <= cutoff, 1.0 / np.log2(1.0 + ranked.ranks), 0.0)
    num_ideal = np.minimum(ranked.num_relevant, cutoff)
    ideal = np.cumsum(1.0 / np.log2(np.arange(2, num_ideal.max(initial=1) + 2)))
    ndcg: NDArray[np.float64] = ranked.sum_by_user(gains) / ideal[num_ideal - 1]
    return ndcg


PairFunction = Callable[[NDArray[np.float64], NDArray[np.float64]], float]
RankingFunction = Callable[[_Ranked, int], NDArray[np.float64]]

_PAIR_METRICS: dict[str, tuple[PairFunction, Direction, str]] = {
    "rmse": (_rmse, "min", "root of the mean squared error over pairs, not over users"),
    "mae": (_mae, "min", "mean absolute error over pairs, not over users"),
    "auc": (_auc, "max", "scikit-learn roc_auc_score over all pairs; ties count half"),
    "log_loss": (_log_loss, "min", "mean binary cross-entropy, natural log, clipped at 1e-7"),
}

_RANKING_METRICS: dict[str, tuple[RankingFunction, str]] = {
    "hr": (_hit_rate, "He et al. 2017 (NCF): 1 if any held-out item is within k"),
    "ndcg": (
        _ndcg,
        "Järvelin and Kekäläinen 2002: gain 1, discount 1 / log2(rank + 1), ideal over"
        " min(k, held-out items) as in He et al. 2020 (LightGCN)",
    ),
    "recall": (_recall, "hits within k / held-out items, as in He et al. 2020 (LightGCN)"),
    "precision": (_precision, "hits within k / k, as in RecBole"),
    "mrr": (_reciprocal_rank, "1 / rank of the first hit within k, else 0, as in RecBole"),
}


def _unknown_metric(name: str) -> str:
    """Returns the message for a name that is not a metric."""
    known = [*_PAIR_METRICS, *(f"{family}@{k}" for family in _RANKING_METRICS for k in CUTOFFS)]
    close = difflib.get_close_matches(name.lower(), known, n=3)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    listing = ", ".join([*_PAIR_METRICS, *(f"{family}@k" for family in _RANKING_METRICS)])
    return f"A metric must be one of {listing} (k at least 1). Received {name!r}.{hint}"
