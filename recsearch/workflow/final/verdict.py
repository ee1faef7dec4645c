"""The verdict in words: whether the finalist beats the best baseline."""

from collections.abc import Mapping
from typing import Any

from recsearch.metrics import find_metric
from recsearch.study.trial import Objective


def verdict(
    space: str,
    objective: Objective,
    test: Mapping[str, Any],
    baselines: Mapping[str, Mapping[str, Any]],
    comparison: Mapping[str, Any] | None,
) -> str:
    """Returns in words whether the finalist beats the best baseline on the objective.

    It does only if the interval of the difference does not contain 0.

    Args:
        space: Space of the finalist.
        objective: The metric to compare.
        test: Metric -> value of the finalist on the test part; None where it is not finite.
        baselines: Name -> metrics of the baseline, in the same form.
        comparison: Comparison with the best baseline, from `recsearch.metrics.compare`, with the
            name under `baseline`; None if there is no baseline.
    """
    name = find_metric(objective.name).name
    own = test[name]
    if own is None:
        return f"{space} has no finite {name} on the test part."
    if comparison is None:
        return f"{space} reaches {name} {own:.4f} on the test part; no baseline could be fitted."
    best = comparison["baseline"]
    words = {
        "better": "beats every baseline",
        "worse": f"does not beat {best}",
        "not distinguishable": f"is not distinguishable from {best}",
    }[comparison["answer"]]
    values = f"{own:.4f} against {baselines[best][name]:.4f} ({best})"
    return f"{space} {words} on {name}: {values}{_difference(comparison['difference'])}."


def _difference(interval: Mapping[str, Any]) -> str:
    if interval["low"] is None:
        return f"; no interval: {interval['note']}"
    return (
        f"; difference {interval['value']:+.4f}, {interval['level']:.0%} interval over users "
        f"{interval['low']:+.4f} to {interval['high']:+.4f}"
    )
