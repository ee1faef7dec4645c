"""Named metrics of plain arrays.

Dimension letters: n labelled pairs, p positives, U units (users or lists).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsearch.metrics.lists import LIST_FAMILIES, Recommended
from recsearch.metrics.names import metrics_of_kind
from recsearch.metrics.rankings import RANKING_FAMILIES, Ranked
from recsearch.metrics.results import PairResults


def pair_metrics(
    names: Sequence[str], label: NDArray[np.float32], score: NDArray[np.float32]
) -> dict[str, float]:
    """Returns the named metrics of labelled pairs of one user; `PairResults` tells users apart.

    Without pairs, or with a score that is not finite, every metric is nan.

    Args:
        names: "rmse", "mae", "auc", "log_loss".
        label: [n]; 0 or 1 for auc and log_loss.
        score: [n], in the unit of the label. Log loss clips it to [1e-7, 1 - 1e-7].

    Raises:
        UsageError: If a name is not that of a metric of pairs.
        ValueError: If the arrays differ in shape, or a label of auc or log_loss is not 0 or 1.
    """
    one = np.zeros(label.shape, dtype=np.int32)
    return PairResults(one, one, label, score).metrics(names)


def per_user_ranking(
    names: Sequence[str],
    ranks: NDArray[np.integer],
    owner: NDArray[np.integer],
    num_relevant: NDArray[np.integer],
) -> dict[str, NDArray[np.float64]]:
    """Returns the named ranking metrics of each unit, [U] float64 in [0, 1]; their mean counts.

    Args:
        names: Such as "ndcg@10"; no cutoff above the `max_rank` with which ranks were made.
        ranks: [p] as told by `rank_positives` or `rank_in_lists`.
        owner: [p] the unit of each rank, from 0 to U - 1.
        num_relevant: [U] all held-out items of each unit, unknown ones too; at least 1.

    Raises:
        UsageError: If a name is not that of a ranking metric.
        ValueError: If a unit has no held-out item, or more ranks than held-out items.
    """
    ranked = Ranked(ranks, owner, num_relevant)
    return {
        metric.name: RANKING_FAMILIES[metric.family].function(ranked, metric.cutoff or 0)
        for metric in metrics_of_kind(names, "ranks")
    }


def mean_ranking(
    names: Sequence[str],
    ranks: NDArray[np.integer],
    owner: NDArray[np.integer],
    num_relevant: NDArray[np.integer],
) -> dict[str, float]:
    """Returns the means over units of `per_user_ranking`; nan if there is no unit."""
    values = per_user_ranking(names, ranks, owner, num_relevant)
    return {name: float(np.mean(v)) if len(v) else float("nan") for name, v in values.items()}


def list_metrics(names: Sequence[str], recommended: Recommended) -> dict[str, float]:
    """Returns the named metrics of recommended lists.

    Args:
        names: Such as "coverage@10".
        recommended: Lists of at least the largest cutoff, padded where they are shorter.

    Raises:
        UsageError: If a name is not that of a metric of lists.
        ValueError: If the lists have fewer places than a cutoff, or if diversity is asked for and
            there are no item vectors.
    """
    metrics = metrics_of_kind(names, "lists")
    places, depth = recommended.items.shape[1], max((m.cutoff or 0 for m in metrics), default=0)
    if depth > places:
        raise ValueError(
            f"Lists must have at least {depth} places. Received {places}. Recommend longer lists, "
            "and pad those that end before with -1."
        )
    return {
        metric.name: LIST_FAMILIES[metric.family].function(recommended.first(metric.cutoff or 0))
        for metric in metrics
    }
