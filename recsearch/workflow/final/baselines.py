"""Baselines: tuned on the validation part, then fitted on train + validation."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from recsearch.baselines import TooLargeError, Tuned, applicable, fit, tune
from recsearch.data.preparation import PreparedData
from recsearch.evaluation.protocol import evaluate, make_protocol
from recsearch.evaluation.scorer import Scorer
from recsearch.study.trial import Objective


def tune_baselines(
    data: PreparedData, objective: Objective, announce: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """Returns name -> the best configuration on the validation part, and its cost.

    If the data are too large for a baseline, `skipped` contains the reason.

    Args:
        data: Train, with the validation part held out.
        objective: The metric to optimise, over all users, because samples are noisy.
        announce: Receives one line per finished baseline.
    """
    protocol = make_protocol(data, [objective.name])
    sign = 1.0 if objective.direction == "max" else -1.0
    found: dict[str, dict[str, Any]] = {}
    for name in applicable(data.spec.task, data.spec):
        try:
            tuned = tune(
                name, data, lambda scorer: sign * evaluate(scorer, data, protocol)[objective.name]
            )
        except TooLargeError as error:
            found[name] = {"skipped": str(error)}
            announce(f"  {name}: skipped: {error}")
            continue
        found[name] = _describe(tuned, sign, objective)
        announce(f"  {name}: {objective.name} {sign * tuned.value:.4f} ({tuned.note})")
    return found


def _describe(tuned: Tuned, sign: float, objective: Objective) -> dict[str, Any]:
    return {
        "parameters": dict(tuned.parameters),
        "validation": {objective.name: sign * tuned.value},
        "num_tried": tuned.num_tried,
        "seconds": tuned.seconds,
        "note": tuned.note,
    }


def fitted_baselines(
    data: PreparedData, tuning: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, Scorer | str]]:
    """Yields (name, the baseline fitted on `data.train`), or the reason why it was skipped.

    Args:
        data: The data to fit.
        tuning: From `tune_baselines`.
    """
    for name, tuned in tuning.items():
        if "skipped" in tuned:
            yield name, str(tuned["skipped"])
            continue
        try:
            yield name, fit(name, data, tuned["parameters"])
        except TooLargeError as error:  # train + validation are larger
            yield name, str(error)
