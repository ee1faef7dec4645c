"""Metrics of plain arrays by name, for the tests of their formulas.

Dimension letters: n labelled pairs, p positives, U units (users or lists).
"""

import numpy as np

from recsearch.metrics import PairResults
from recsearch.metrics.names import metrics_of_kind
from recsearch.metrics.rankings import RANKING_FAMILIES, Ranked


def pair_metrics(names, label, score):
    """Returns the named metrics of the labelled pairs [n] of one user."""
    one = np.zeros(label.shape, dtype=np.int32)
    return PairResults(one, one, label, score).metrics(names)


def per_user_ranking(names, ranks, owner, num_relevant):
    """Returns name -> [U] values, from the ranks [p] of positives, their units and [U] counts."""
    ranked = Ranked(ranks, owner, num_relevant)
    return {
        metric.name: RANKING_FAMILIES[metric.family].function(ranked, metric.cutoff or 0)
        for metric in metrics_of_kind(names, "ranks")
    }


def mean_ranking(names, ranks, owner, num_relevant):
    """Returns the means over units of `per_user_ranking`; nan if there is no unit."""
    values = per_user_ranking(names, ranks, owner, num_relevant)
    return {name: float(np.mean(v)) if len(v) else float("nan") for name, v in values.items()}
