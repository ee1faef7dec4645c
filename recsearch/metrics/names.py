"""Metrics by name ("rmse", "ndcg@10"), the metrics of a task, and its default objective."""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from recsearch.data.task import Task
from recsearch.errors import UsageError
from recsearch.metrics.lists import LIST_FAMILIES
from recsearch.metrics.metric import Kind, Metric, MetricFamily
from recsearch.metrics.pairs import PAIR_FAMILIES
from recsearch.metrics.rankings import RANKING_FAMILIES

CUTOFFS = (5, 10, 20)

_WITH_CUTOFF: Mapping[str, MetricFamily[Any]] = {**RANKING_FAMILIES, **LIST_FAMILIES}


def find_metric(name: str) -> Metric:
    """Returns the metric of a name such as "rmse" or "ndcg@10".

    Raises:
        UsageError: If there is no such metric; the message lists similar names and all names.
    """
    if name in PAIR_FAMILIES:
        return PAIR_FAMILIES[name].metric()
    ranking = re.fullmatch(r"([a-z]+)@([1-9][0-9]{0,5})", name)
    if ranking and ranking[1] in _WITH_CUTOFF:
        return _WITH_CUTOFF[ranking[1]].metric(int(ranking[2]))
    raise UsageError(_unknown_metric(name))


def metrics_for(task: Task) -> tuple[str, ...]:
    """Returns the names of the metrics that are reported for a task."""
    if task is Task.RATING:
        return ("rmse", "mae")
    if task is Task.CLICK:
        return ("auc", "user_auc", "log_loss")
    return tuple(f"{family}@{cutoff}" for family in RANKING_FAMILIES for cutoff in CUTOFFS)


def default_objective(task: Task) -> str:
    """Returns the name of the metric by which trials of a task are compared."""
    return {Task.RATING: "rmse", Task.CLICK: "auc", Task.IMPLICIT: "ndcg@10"}[task]


def deepest_cutoff(names: Sequence[str]) -> int:
    """Returns the largest cutoff of the named metrics, which is the `max_rank` to rank with.

    Metrics of pairs have no cutoff; with only such metrics the result is 0.
    """
    return max((find_metric(name).cutoff or 0 for name in names), default=0)


def metrics_of_kind(names: Sequence[str], kind: Kind) -> list[Metric]:
    """Returns the named metrics.

    Raises:
        UsageError: If a name is unknown, or its metric is of another kind.
    """
    metrics = [find_metric(name) for name in names]
    for metric in metrics:
        if metric.kind != kind:
            raise UsageError(
                f"{metric.name} {_WHAT_IT_DOES[metric.kind]}; it cannot be computed from "
                f"{_INPUTS[kind]}. Choose one of {', '.join(_NAMES[kind])}."
            )
    return metrics


_WHAT_IT_DOES: dict[Kind, str] = {
    "pairs": "compares labels",
    "ranks": "ranks items",
    "lists": "measures recommended lists",
}
_INPUTS: dict[Kind, str] = {
    "pairs": "labelled pairs",
    "ranks": "ranks of held-out items",
    "lists": "recommended lists",
}
_NAMES: dict[Kind, list[str]] = {
    "pairs": list(PAIR_FAMILIES),
    "ranks": [f"{family}@k" for family in RANKING_FAMILIES],
    "lists": [f"{family}@k" for family in LIST_FAMILIES],
}


def _unknown_metric(name: str) -> str:
    """Returns the message for a name that is not a metric."""
    known = [*PAIR_FAMILIES, *(f"{family}@{k}" for family in _WITH_CUTOFF for k in CUTOFFS)]
    close = difflib.get_close_matches(name.lower(), known, n=3)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    listing = ", ".join(name for names in _NAMES.values() for name in names)
    return f"A metric must be one of {listing} (k at least 1). Received {name!r}.{hint}"
