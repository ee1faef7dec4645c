"""Evaluates the finalist and the tuned baselines on the test part, once, with intervals."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsearch.data.store import read_vocabularies
from recsearch.data.task import Task
from recsearch.errors import SearchError
from recsearch.evaluation.predictions import binned_predictions
from recsearch.evaluation.protocol import HeldOut
from recsearch.evaluation.scorer import Scorer
from recsearch.metrics import PairResults
from recsearch.system.files import write_json
from recsearch.workflow.final.baselines import fitted_baselines
from recsearch.workflow.final.examples import ExampleMaker
from recsearch.workflow.final.finalist import Finalist
from recsearch.workflow.final.retraining import load_scorer
from recsearch.workflow.final.test_once import TestLook


def test(finalist: Finalist) -> dict[str, Any]:
    """Evaluates the finalist and every baseline on the test part.

    The caller must first record this evaluation of the test part in the journal.
    """
    look = TestLook.of(finalist.final_data(), finalist.metrics, finalist.objective, finalist.seed)
    started = time.perf_counter()
    scorer = load_scorer(finalist, look.data)
    try:
        own = look.measure(scorer)
    except ValueError as error:
        raise SearchError(f"The retrained model cannot be evaluated: {error}") from error
    seconds = round(time.perf_counter() - started, 3)
    _write_examples(finalist, look, scorer)
    others = _measure_baselines(look, finalist.stages["baselines_tuned"]["baselines"])
    return {
        "test": look.metrics(own),
        "intervals": look.intervals(own),
        "slices": look.slices(own),
        "lists": look.lists(scorer),
        "seeds": _measure_seeds(finalist, look, own),
        "model_seconds": seconds,
        "baselines": {name: other.metrics for name, other in others.items()},
        "baseline_slices": {k: v.slices for k, v in others.items() if v.results is not None},
        "baseline_lists": {k: v.lists for k, v in others.items() if v.lists is not None},
        "comparison": _compare_with_best(look, own, others),
        "predictions": _predictions(look, own),
        "protocol": look.description,
    }


def _predictions(look: TestLook, own: HeldOut) -> dict[str, Any] | None:
    """Returns predicted against actual ratings, binned; None except for ratings."""
    if look.data.spec.task is not Task.RATING or not isinstance(own, PairResults):
        return None
    return binned_predictions(own.label, own.score)


def _write_examples(finalist: Finalist, look: TestLook, scorer: Scorer) -> None:
    """Writes best/examples.json."""
    folder = finalist.directory / "data"
    vocabularies = read_vocabularies(folder / "final")
    maker = ExampleMaker.of(look.data, vocabularies, folder / "titles.parquet")
    write_json(finalist.best_dir / "examples.json", maker.examples(scorer, finalist.seed))


@dataclass(frozen=True)
class _Measured:
    """Results of a baseline: `metrics`, or under `skipped` the reason why there are none."""

    metrics: dict[str, Any]
    results: HeldOut | None = None
    slices: list[dict[str, object]] | None = None
    lists: dict[str, float] | None = None


def _measure_baselines(look: TestLook, tuning: Mapping[str, Any]) -> dict[str, _Measured]:
    measured: dict[str, _Measured] = {}
    for name, baseline in fitted_baselines(look.data, tuning):
        if isinstance(baseline, str):
            measured[name] = _Measured({"skipped": baseline})
            continue
        results = look.measure(baseline)
        measured[name] = _Measured(
            look.metrics(results), results, look.slices(results), look.lists(baseline)
        )
    return measured


def _measure_seeds(finalist: Finalist, look: TestLook, first: HeldOut) -> dict[str, Any] | None:
    """Returns the metrics of every retraining, their mean and standard deviation."""
    if finalist.num_seeds == 1:
        return None
    scorers = (load_scorer(finalist, look.data, n) for n in range(1, finalist.num_seeds))
    every = [look.metrics(first), *(look.metrics(look.measure(scorer)) for scorer in scorers)]
    values = {name: np.array([metrics[name] for metrics in every]) for name in every[0]}
    return {
        "metrics": every,
        "mean": {name: float(each.mean()) for name, each in values.items()},
        "deviation": {name: float(each.std(ddof=1)) for name, each in values.items()},
    }


def _compare_with_best(
    look: TestLook, own: HeldOut, others: Mapping[str, _Measured]
) -> dict[str, Any] | None:
    """Returns the comparison with the best baseline on the test part."""
    known = {name: each for name, each in others.items() if each.results is not None}
    name = look.objective.name
    finite = {k: v.metrics[name] for k, v in known.items() if np.isfinite(v.metrics[name])}
    if not finite:
        return None
    best = min(finite, key=lambda k: look.objective.sort_key(finite[k]))
    results = known[best].results
    if results is None:
        return None
    return {"baseline": best, **look.comparison(own, results)}
