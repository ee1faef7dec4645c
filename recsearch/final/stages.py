"""The end stages in their order, and the files that tell their results.

Each stage is a function from what is on disk to a JSON-able result, which the study journals: a run
that was killed goes on after the last stage that is done.
"""

import time
from collections.abc import Callable
from typing import Any

from recsearch.data.interactions import Task
from recsearch.export.card import write_card
from recsearch.files import make_durable, write_json
from recsearch.final.baselines import tune_baselines
from recsearch.final.exporting import export
from recsearch.final.finale import Finale
from recsearch.final.retraining import retrain
from recsearch.final.testing import test
from recsearch.final.verdict import verdict


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


def run_stages(finale: Finale) -> None:
    """Runs the end stages that are not done yet, in order."""
    for name, (text, stage) in STAGES.items():
        if name in finale.study.state.stages:
            continue
        finale.announce(text.format(trial=finale.winner.trial_id, space=finale.winner.space))
        started = time.perf_counter()
        result = stage(finale)
        make_durable(finale.best_dir)  # before the journal says that it is there
        seconds = round(time.perf_counter() - started, 3)
        finale.study.stage(name, {**result, "seconds": seconds})
    _write_metrics(finale)


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


def _write_metrics(finale: Finale) -> None:
    """Writes metrics.json, hyperparameters.json and the model card from the journal."""
    winner, objective, stages = finale.winner, finale.objective, finale.study.state.stages
    tested, retrained = stages["tested"], stages["retrained"]
    metrics = {
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
        "test_looks": finale.study.state.test_looks,
        "seconds": {name: stages[name]["seconds"] for name in stages},
        "export": {k: v for k, v in stages["exported"].items() if k != "seconds"},
    }
    write_json(
        finale.best_dir / "hyperparameters.json",
        {"space": winner.space, "hyperparameters": dict(winner.values)},
    )
    write_card(finale.best_dir, metrics)
    write_json(finale.best_dir / "metrics.json", metrics)


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
