"""Metrics of labelled pairs, of ranked positives and of recommended lists.

Modules: `metric` says what a metric is; `pairs`, `rankings` and `lists` hold the formulas, `ranks`
makes ranks of scores, `names` finds metrics by name, `measuring` measures plain arrays. `results`
keeps what was measured row by row, for `slices` and `uncertainty`.
"""

from recsearch.metrics.lists import Recommended
from recsearch.metrics.measuring import list_metrics
from recsearch.metrics.metric import Direction, Metric
from recsearch.metrics.names import (
    CUTOFFS,
    deepest_cutoff,
    default_objective,
    find_metric,
    metrics_for,
)
from recsearch.metrics.pairs import PROBABILITY_MARGIN
from recsearch.metrics.ranks import rank_in_lists, rank_positives, top_items
from recsearch.metrics.results import PairResults, RankingResults, Results
from recsearch.metrics.slices import Slice, popularity_thirds, slice_results
from recsearch.metrics.uncertainty import Comparison, Interval, bootstrap_interval, compare

__all__ = [
    "CUTOFFS",
    "PROBABILITY_MARGIN",
    "Comparison",
    "Direction",
    "Interval",
    "Metric",
    "PairResults",
    "RankingResults",
    "Recommended",
    "Results",
    "Slice",
    "bootstrap_interval",
    "compare",
    "deepest_cutoff",
    "default_objective",
    "find_metric",
    "list_metrics",
    "metrics_for",
    "popularity_thirds",
    "rank_in_lists",
    "rank_positives",
    "slice_results",
    "top_items",
]
