"""The final stages in their order, and the files with their results.

Each stage is a function of the files of the run and returns a JSON object, which is written to the
journal: a run that was killed continues after its last finished stage.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from recsearch.data.task import Task
from recsearch.errors import SearchError
from recsearch.results.run_metrics import METRICS_SCHEMA, RunMetrics
from recsearch.serving.card import write_card
from recsearch.study.study import Study
from recsearch.system.files import json_safe, make_durable, write_json
from recsearch.tuning.engines.helper import CallError, Helper, Say
from recsearch.workflow.final.baselines import tune_baselines
from recsearch.workflow.final.exporting import export
from recsearch.workflow.final.finalist import Finalist
from recsearch.workflow.final.retraining import retrain
from recsearch.workflow.final.testing import test
from recsearch.workflow.final.verdict import verdict


def _tune_baselines(finalist: Finalist) -> dict[str, Any]:
    """Tunes every baseline on the validation part on which the trials were compared."""
    data = finalist.search_data()
    return {"baselines": tune_baselines(data, finalist.objective, finalist.announce)}


Stage = Callable[[Finalist], dict[str, Any]]

STAGES: dict[str, tuple[str, Stage]] = {
    "baselines_tuned": ("tuning the baselines on the validation part", _tune_baselines),
    "retrained": ("retraining trial {trial} ({space}) on train + validation", retrain),
    "tested": ("evaluating on the test part, together with the baselines", test),
    "exported": ("exporting, and verifying the export in a fresh process", export),
}
"""Name in the journal -> progress line and function, in the order of execution."""

OF_USER_CODE = ("retrained", "tested", "exported")
"""Stages that build the model of the winner."""

SILENT_EPOCHS = 20  # a stage may report nothing for this many of the winner's slowest epochs
SILENT_SECONDS = 3_600.0  # or for this long: the test reports nothing in between
ATTEMPTS = 2  # if the process of a stage dies, as for trials


def run_stages(finalist: Finalist, study: Study, helper: Helper) -> None:
    """Runs the remaining final stages in order.

    Args:
        finalist: The input of the stages.
        study: Records each stage; the search has ended.
        helper: Runs the stages that call user code.

    Raises:
        SearchError: If user code fails in a stage.
    """
    for name, (text, _) in STAGES.items():
        if name in study.state.stages:
            continue
        finalist.announce(text.format(trial=finalist.winner.trial_id, space=finalist.winner.space))
        if name == "tested":
            study.test_look()
        started = time.perf_counter()
        done = replace(finalist, stages=dict(study.state.stages), announce=print)
        result = _run(name, done, helper, finalist.announce)
        make_durable(finalist.best_dir)  # before the journal records it
        seconds = round(time.perf_counter() - started, 3)
        study.stage(name, {**result, "seconds": seconds})
    _write_metrics(finalist, study)


def _run(name: str, finalist: Finalist, helper: Helper, announce: Say) -> dict[str, Any]:
    """Returns the result of a stage; runs it again if its process dies."""
    slowest = max((point.seconds for point in finalist.winner.curve), default=0.0)
    seconds = max(SILENT_SECONDS, SILENT_EPOCHS * slowest)
    for attempt in range(ATTEMPTS):
        try:
            result: dict[str, Any] = helper.call(
                _stage, name, finalist, seconds=seconds, say=lambda t: announce(t) if t else None
            )
            return result
        except CallError as error:
            if not error.ended or attempt + 1 == ATTEMPTS:
                raise SearchError(
                    f"The stage {name!r} of trial {finalist.winner.trial_id} "
                    f"({finalist.winner.space}) failed: {error}. Finished work is kept: fix the "
                    f"builder, then continue with `recsearch resume {finalist.directory}`."
                ) from error
    raise AssertionError  # the loop returns or raises


def _stage(say: Say, name: str, finalist: Finalist) -> dict[str, Any]:
    """Runs a stage in the helper process."""
    if name in OF_USER_CODE:
        finalist.require_same_builder()
    return STAGES[name][1](replace(finalist, announce=say))


TEST_RESULTS = (
    "test",
    "intervals",
    "comparison",
    "seeds",
    "slices",
    "lists",
    "baselines",
    "baseline_slices",
    "baseline_lists",
    "predictions",
)


def _write_metrics(finalist: Finalist, study: Study) -> None:
    """Writes metrics.json, hyperparameters.json and the model card from the journal."""
    winner, objective, stages = finalist.winner, finalist.objective, study.state.stages
    tested, retrained = stages["tested"], stages["retrained"]
    described = {
        "schema": METRICS_SCHEMA,
        "objective": {"name": objective.name, "direction": objective.direction},
        "winner": {
            "trial_id": winner.trial_id,
            "space": winner.space,
            "hyperparameters": dict(winner.values),
            "epochs": retrained["epochs"],
            "num_parameters": retrained["num_parameters"],
        },
        "validation": dict(winner.curve[(winner.best_epoch or 1) - 1].metrics),
        **{name: tested.get(name) for name in TEST_RESULTS},
        "baseline_tuning": stages["baselines_tuned"]["baselines"],
        "protocol": _describe_protocol(finalist, tested["protocol"]),
        "verdict": verdict(
            winner.space, objective, tested["test"], tested["baselines"], tested["comparison"]
        ),
        "test_looks": study.state.test_looks,
        "seconds": {name: stages[name]["seconds"] for name in stages},
        "export": {k: v for k, v in stages["exported"].items() if k != "seconds"},
    }
    write_json(
        finalist.best_dir / "hyperparameters.json",
        {"space": winner.space, "hyperparameters": dict(winner.values)},
    )
    metrics = RunMetrics.from_json(json_safe(described))
    write_card(finalist.best_dir, metrics)
    write_json(finalist.best_dir / "metrics.json", metrics.json)


def _describe_protocol(finalist: Finalist, test_protocol: str) -> dict[str, str]:
    task = finalist.search_data().spec.task
    ties = {"ties": "the positive loses ties"} if task is Task.IMPLICIT else {}
    return {
        "task": str(task),
        "split": finalist.split,
        "validation": finalist.validation,
        "test": test_protocol,
        **ties,
        "retrained_on": "train + validation",
    }
