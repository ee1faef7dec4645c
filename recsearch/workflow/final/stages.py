"""The end stages in their order, and the files that tell their results.

Each stage is a function from what is on disk to a JSON-able result, which the study journals: a run
that was killed goes on after the last stage that is done.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from recsearch.data.interactions import Task
from recsearch.errors import SearchError
from recsearch.results.run_metrics import METRICS_SCHEMA, RunMetrics
from recsearch.serving.card import write_card
from recsearch.study.study import Study
from recsearch.system.files import json_safe, make_durable, write_json
from recsearch.tuning.engines.helper import CallError, Helper, Say
from recsearch.workflow.final.baselines import tune_baselines
from recsearch.workflow.final.exporting import export
from recsearch.workflow.final.finalist import Finale
from recsearch.workflow.final.retraining import retrain
from recsearch.workflow.final.testing import test
from recsearch.workflow.final.verdict import verdict


def _tune_baselines(finale: Finale) -> dict[str, Any]:
    """Tunes every baseline on the validation part that the trials were compared on."""
    data = finale.search_data()
    return {"baselines": tune_baselines(data, finale.objective, finale.announce)}


Stage = Callable[[Finale], dict[str, Any]]

STAGES: dict[str, tuple[str, Stage]] = {
    "baselines_tuned": ("tuning the baselines on the validation part", _tune_baselines),
    "retrained": ("retraining trial {trial} ({space}) on train + validation", retrain),
    "tested": ("looking at the test part, beside the baselines", test),
    "exported": ("exporting, and checking the export in a fresh process", export),
}
"""Name in the journal -> what is announced, and the function; in the order in which they run."""

OF_USER_CODE = ("retrained", "tested", "exported")
"""Stages that build the model of the winner."""

SILENT_EPOCHS = 20  # slowest epochs of the winner that a stage may be silent for
SILENT_SECONDS = 3_600.0  # or this long: the look at the test part reports nothing in between
ATTEMPTS = 2  # of a stage whose process dies, as of a trial


def run_stages(finale: Finale, study: Study, helper: Helper) -> None:
    """Runs the end stages that are not done yet, in order.

    Args:
        finale: What they work on.
        study: Records each stage; the search has ended.
        helper: Runs the stages that call user code.

    Raises:
        SearchError: If user code fails in a stage.
    """
    for name, (text, _) in STAGES.items():
        if name in study.state.stages:
            continue
        finale.announce(text.format(trial=finale.winner.trial_id, space=finale.winner.space))
        if name == "tested":
            study.test_look()
        started = time.perf_counter()
        done = replace(finale, stages=dict(study.state.stages), announce=print)
        result = _run(name, done, helper, finale.announce)
        make_durable(finale.best_dir)  # before the journal says that it is there
        seconds = round(time.perf_counter() - started, 3)
        study.stage(name, {**result, "seconds": seconds})
    _write_metrics(finale, study)


def _run(name: str, finale: Finale, helper: Helper, announce: Say) -> dict[str, Any]:
    """Returns the result of a stage, which a process that dies may try twice."""
    slowest = max((point.seconds for point in finale.winner.curve), default=0.0)
    seconds = max(SILENT_SECONDS, SILENT_EPOCHS * slowest)
    for attempt in range(ATTEMPTS):
        try:
            result: dict[str, Any] = helper.call(
                _stage, name, finale, seconds=seconds, say=lambda t: announce(t) if t else None
            )
            return result
        except CallError as error:
            if not error.ended or attempt + 1 == ATTEMPTS:
                raise SearchError(
                    f"The stage {name!r} of trial {finale.winner.trial_id} "
                    f"({finale.winner.space}) failed: {error}. Nothing is lost: mend the builder, "
                    f"then continue with `recsearch resume {finale.directory}`."
                ) from error
    raise AssertionError  # the loop returns or raises


def _stage(say: Say, name: str, finale: Finale) -> dict[str, Any]:
    """Runs a stage in the process of the helper."""
    if name in OF_USER_CODE:
        finale.require_same_builder()
    return STAGES[name][1](replace(finale, announce=say))


TOLD_OF_TEST = (
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


def _write_metrics(finale: Finale, study: Study) -> None:
    """Writes metrics.json, hyperparameters.json and the model card from the journal."""
    winner, objective, stages = finale.winner, finale.objective, study.state.stages
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
        **{name: tested.get(name) for name in TOLD_OF_TEST},
        "baseline_tuning": stages["baselines_tuned"]["baselines"],
        "protocol": _describe_protocol(finale, tested["protocol"]),
        "verdict": verdict(
            winner.space, objective, tested["test"], tested["baselines"], tested["comparison"]
        ),
        "test_looks": study.state.test_looks,
        "seconds": {name: stages[name]["seconds"] for name in stages},
        "export": {k: v for k, v in stages["exported"].items() if k != "seconds"},
    }
    write_json(
        finale.best_dir / "hyperparameters.json",
        {"space": winner.space, "hyperparameters": dict(winner.values)},
    )
    metrics = RunMetrics.from_json(json_safe(described))
    write_card(finale.best_dir, metrics)
    write_json(finale.best_dir / "metrics.json", metrics.json)


def _describe_protocol(finale: Finale, test_protocol: str) -> dict[str, str]:
    task = finale.search_data().spec.task
    ties = {"ties": "the positive loses ties"} if task is Task.IMPLICIT else {}
    return {
        "task": str(task),
        "split": finale.split,
        "validation": finale.validation,
        "test": test_protocol,
        **ties,
        "retrained_on": "train + validation",
    }
