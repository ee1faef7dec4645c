"""Metrics of labelled pairs, of ranked positives and of recommended lists, on plain arrays.

Scorers and models do not belong here; `evaluation` measures a scorer with these metrics.

- `metric`: what a metric is.
- `pairs`, `rankings`, `lists`: the formulas.
- `ranks`: ranks from scores.
- `names`: metrics by name. `measuring`: named metrics of recommended lists.
- `results`: values per held-out row, from which `slices` and `uncertainty` are computed.
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
from recsearch.metrics.uncertainty import (
    ConfidenceInterval,
    PairedComparison,
    bootstrap_interval,
    compare_results,
)

__all__ = [
    "CUTOFFS",
    "PROBABILITY_MARGIN",
    "ConfidenceInterval",
    "Direction",
    "Metric",
    "PairResults",
    "PairedComparison",
    "RankingResults",
    "Recommended",
    "Results",
    "Slice",
    "bootstrap_interval",
    "compare_results",
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
