"""Tunes and evaluates the baselines without a search: the scores that a model must beat."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from recsearch.metrics import metrics_for
from recsearch.study.trial import Objective
from recsearch.workflow.dataset import Dataset
from recsearch.workflow.directory import prepare_final, prepare_search
from recsearch.workflow.final.baselines import fitted_baselines, tune_baselines
from recsearch.workflow.final.test_once import TestLook


def measure_baselines(
    dataset: Dataset, objective: Objective, seed: int, announce: Callable[[str], None]
) -> dict[str, Any]:
    """Tunes and evaluates the baselines; returns the results as a JSON object.

    Args:
        dataset: The split data.
        objective: The metric that is optimised on the validation part.
        seed: Seeds the intervals.
        announce: Receives one line per finished baseline.

    Returns:
        `protocol`, and `baselines`: name -> `parameters`, `validation`, `test` (metric -> value),
        `interval` of the objective, `slices`, `lists`, `num_tried`, `seconds`, `note`; or the
        reason under `skipped`.
    """
    announce("tuning the baselines on the validation part")
    searched, _ = prepare_search(dataset)
    found = tune_baselines(searched, objective, announce)
    announce("evaluating on the test part")
    names = tuple(dict.fromkeys([objective.name, *metrics_for(dataset.task)]))
    look = TestLook.of(prepare_final(dataset)[0], names, objective, seed)
    for name, baseline in fitted_baselines(look.data, found):
        if isinstance(baseline, str):
            found[name] = {"skipped": baseline}
            continue
        started = time.perf_counter()
        results = look.measure(baseline)
        found[name] |= {
            "test": look.metrics(results),
            "interval": look.intervals(results, [objective.name])[objective.name],
            "slices": look.slices(results),
            "lists": look.lists(baseline),
            "test_seconds": round(time.perf_counter() - started, 3),
        }
    return {"protocol": look.description, "split": dataset.split.description, "baselines": found}


def baselines_table(found: Mapping[str, Any], objective: Objective) -> pd.DataFrame:
    """Returns one row per baseline, the best on the test part first."""
    rows = []
    for name, entry in found["baselines"].items():
        if "skipped" in entry:
            rows.append({"baseline": name, "parameters": f"skipped: {entry['skipped']}"})
            continue
        interval = entry["interval"]
        rows.append(
            {
                "baseline": name,
                "validation": entry["validation"][objective.name],
                objective.name: interval["value"],
                "from": interval["low"],
                "to": interval["high"],
                **{k: v for k, v in entry["test"].items() if k in SHOWN and k != objective.name},
                "parameters": ", ".join(f"{k}={v}" for k, v in entry["parameters"].items()),
            }
        )
    table = pd.DataFrame(rows)
    if objective.name in table:
        ascending = objective.direction == "min"
        table = table.sort_values(objective.name, ascending=ascending, na_position="last")
    return table.round(4)


SHOWN = ("rmse", "mae", "auc", "log_loss", "hr@10", "ndcg@10", "recall@20", "ndcg@20")
"""The metrics that the table shows."""
