"""Metrics of ranked positives: the ranks of a user's held-out items among the candidates.

A metric has one value per unit, and its result is the mean over units. A unit is a user whose
held-out items were ranked together, or one list of candidates. Units without a held-out item must
be left out by the caller. With fewer than k candidates, the missing places are misses: precision@k
still divides by k.

Dimension letters: p positives, U units.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsearch.metrics.metric import MetricFamily


@dataclass(frozen=True)
class Ranked:
    """Ranked positives of units with at least one positive each.

    Attributes:
        rank: [p] from 1; a positive that was not found has a rank beyond every cutoff.
        owner: [p] the unit of each positive, from 0 to U - 1.
        num_relevant: [U] all held-out items of each unit, at least 1.

    Raises:
        ValueError: If a unit has no held-out item, or more ranks than held-out items.
    """

    rank: NDArray[np.integer]
    owner: NDArray[np.integer]
    num_relevant: NDArray[np.integer]

    def __post_init__(self) -> None:
        if np.any(self.num_relevant < 1):
            raise ValueError("Each user needs a held-out item. Leave out users without one.")
        if np.any(np.bincount(self.owner, minlength=len(self.num_relevant)) > self.num_relevant):
            raise ValueError(
                "A user has more ranks than held-out items. Count the unknown ones too."
            )

    def sum_by_unit(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns [U]: the sum of `values` [p] over each unit's positives."""
        total = np.bincount(self.owner, weights=values, minlength=len(self.num_relevant))
        return total.astype(np.float64)

    def hits(self, cutoff: int) -> NDArray[np.float64]:
        """Returns [U]: the number of each unit's positives within the cutoff."""
        return self.sum_by_unit((self.rank <= cutoff).astype(np.float64))


def _hit_rate(ranked: Ranked, cutoff: int) -> NDArray[np.float64]:
    return np.minimum(ranked.hits(cutoff), 1.0)


def _recall(ranked: Ranked, cutoff: int) -> NDArray[np.float64]:
    return ranked.hits(cutoff) / ranked.num_relevant


def _precision(ranked: Ranked, cutoff: int) -> NDArray[np.float64]:
    return ranked.hits(cutoff) / cutoff


def _reciprocal_rank(ranked: Ranked, cutoff: int) -> NDArray[np.float64]:
    best = np.zeros(len(ranked.num_relevant))
    np.maximum.at(best, ranked.owner, np.where(ranked.rank <= cutoff, 1.0 / ranked.rank, 0.0))
    return best


def _ndcg(ranked: Ranked, cutoff: int) -> NDArray[np.float64]:
    gains = np.where(ranked.rank <= cutoff, 1.0 / np.log2(1.0 + ranked.rank), 0.0)
    num_ideal = np.minimum(ranked.num_relevant, cutoff)
    ideal = np.cumsum(1.0 / np.log2(np.arange(2, num_ideal.max(initial=1) + 2)))
    ndcg: NDArray[np.float64] = ranked.sum_by_unit(gains) / ideal[num_ideal - 1]
    return ndcg


def _average_precision(ranked: Ranked, cutoff: int) -> NDArray[np.float64]:
    order = np.lexsort((ranked.rank, ranked.owner))
    owner, rank = ranked.owner[order], ranked.rank[order]
    size = np.bincount(owner, minlength=len(ranked.num_relevant))
    hits_so_far = np.arange(1, len(order) + 1) - np.repeat(np.cumsum(size) - size, size)
    precision = np.where(rank <= cutoff, hits_so_far / rank, 0.0)
    total = np.bincount(owner, weights=precision, minlength=len(ranked.num_relevant))
    average: NDArray[np.float64] = total / np.minimum(ranked.num_relevant, cutoff)
    return average


RankingFunction = Callable[[Ranked, int], NDArray[np.float64]]

RANKING_FAMILIES: dict[str, MetricFamily[RankingFunction]] = {
    family.name: family
    for family in (
        MetricFamily(
            "hr",
            "ranks",
            "max",
            "1 if any held-out item is within rank k, else 0",
            "He et al. 2017 (NCF)",
            "any of several held-out items counts, as in RecBole",
            _hit_rate,
        ),
        MetricFamily(
            "ndcg",
            "ranks",
            "max",
            "sum over hits of 1 / log2(rank + 1), divided by the same sum for the ideal order",
            "Järvelin and Kekäläinen 2002",
            "gain 1; ideal over min(k, held-out items) as in He et al. 2020 (LightGCN)",
            _ndcg,
        ),
        MetricFamily(
            "recall",
            "ranks",
            "max",
            "hits within k / held-out items",
            "He et al. 2020 (LightGCN)",
            "divided by all held-out items, also where they are more than k (Liang et al. 2018,"
            " Mult-VAE, divide by min(k, held-out items))",
            _recall,
        ),
        MetricFamily(
            "precision",
            "ranks",
            "max",
            "hits within k / k",
            "RecBole",
            "divided by k, also where there are fewer candidates",
            _precision,
        ),
        MetricFamily(
            "mrr",
            "ranks",
            "max",
            "1 / rank of the first hit within k, else 0",
            "RecBole",
            "only the first of several held-out items counts",
            _reciprocal_rank,
        ),
        MetricFamily(
            "map",
            "ranks",
            "max",
            "sum over hits within k of (hits up to that rank / rank), divided by min(k, relevant)",
            "RecBole",
            "divided by min(k, held-out items), so that the ideal order has 1; trec_eval and ranx"
            " divide by all held-out items, which is the same where they are at most k",
            _average_precision,
        ),
    )
}
