"""A run directory made by hand, whose tables and plots can be told from reading this."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from recsearch.evaluation.predictions import binned_predictions
from recsearch.results.run_description import Hyperparameter, RunDescription
from recsearch.results.run_metrics import RunMetrics
from recsearch.results.user_examples import UserExamples
from recsearch.study.journal import Journal
from recsearch.system.host import host_id

HOSTILE = "</script><script>alert(1)</script>"

RUN: dict[str, Any] = {
    "schema": 1,
    "created": "2026-01-01T12:00:00+00:00",
    "command": ["recsearch", "run", "neumf", "wide_deep", "--data", "my ratings.csv"],
    "config": {"tuner": "hyperband", "max_epochs": 3, "minutes": None, "seed": 7, "workers": 2},
    "versions": {"recsearch": "0.1.0", "python": "3.11.7", "keras-tuner": "1.4.8"},
    "machine": {"cores": 2, "memory_gb": 23.5, "platform": "Linux x86_64", "host": host_id()},
    "data": {
        "path": f"/data/{HOSTILE}/ratings.csv",
        "fingerprint": "sha256:abc123",
        "task": "rating",
        "num_interactions": 100_000,
        "num_users": 943,
        "num_items": 1_682,
        "label_mean": 3.52986,
        "label_min": 1.0,
        "label_max": 5.0,
        "columns": {"user": "userId", "item": "movieId"},
        "notes": ["12 rows without a label were left out."],
        "split": "random 80/10/10, seed 7",
        "train": 80_000,
        "validation": 10_000,
        "test": 10_000,
    },
    "space": [
        {"name": "space", "kind": "Choice", "values": ["neumf", "wide_deep"], "default": "neumf"},
        {
            "name": "neumf/embedding_dim",
            "kind": "Int",
            "min_value": 8,
            "max_value": 128,
            "step": 2,
            "sampling": "log",
            "values": None,
            "default": 32,
            "conditions": [{"name": "space", "values": ["neumf"]}],
        },
        {
            "name": "neumf/optimizer",
            "kind": "Choice",
            "values": ["sgd", "adam"],
            "default": "adam",
            "conditions": [{"name": "space", "values": ["neumf"]}],
        },
        {
            "name": "neumf/momentum",
            "kind": "Float",
            "min_value": 0.0,
            "max_value": 0.9,
            "step": None,
            "sampling": "linear",
            "values": None,
            "default": 0.5,
            "conditions": [
                {"name": "space", "values": ["neumf"]},
                {"name": "neumf/optimizer", "values": ["sgd"]},
            ],
        },
        {
            "name": "wide_deep/embedding_dim",
            "kind": "Int",
            "min_value": 8,
            "max_value": 64,
            "step": 2,
            "sampling": "log",
            "values": None,
            "default": 16,
            "conditions": [{"name": "space", "values": ["wide_deep"]}],
        },
        {"name": "wide_deep/cross", "kind": "Boolean", "values": None, "default": True},
    ],
    "plan": {"configurations": 5, "epochs": 9, "lines": ["bracket 0: 5 configurations"]},
    "objective": {"name": "rmse", "direction": "min"},
    "validation_protocol": "10,000 held-out labels",
}

METRICS: dict[str, Any] = {
    "objective": {"name": "rmse", "direction": "min"},
    "winner": {
        "trial_id": "0000",
        "space": "neumf",
        "hyperparameters": {"embedding_dim": 32, "optimizer": "adam"},
        "epochs": 2,
        "num_parameters": 123_456,
    },
    "validation": {"rmse": 0.9, "mae": 0.7},
    "test": {"rmse": 0.912, "mae": 0.715},
    "baselines": {
        "item_knn": {"rmse": 0.95, "mae": 0.74},
        "bias": {"rmse": 0.944, "mae": 0.75},
        "ease": {"skipped": "20,000 items need 3.2 GB."},
    },
    "protocol": {
        "task": "rating",
        "split": "random 80/10/10, seed 7",
        "test": "10,000 held-out labels",
        "retrained_on": "train + validation",
    },
    "verdict": "neumf beats every baseline on rmse: 0.9120 against 0.9440 (bias).",
    "test_looks": 1,
    "seconds": {"retrained": 83.0, "tested": 4.2},
    "export": {"verified": True, "max_difference": 1e-7, "bytes": 3 * 2**20},
}


def described(**changes: Any) -> RunDescription:
    """Returns the description of the planted run, with changes."""
    return RunDescription.from_json({**RUN, **changes})


def planted_metrics(**changes: Any) -> RunMetrics:
    """Returns the test metrics of the planted run, with changes."""
    return RunMetrics.from_json({**METRICS, **changes})


def hyperparameters(*entries: Any) -> tuple[Hyperparameter, ...]:
    """Returns the hyperparameters that entries of `space` in run.json describe."""
    return tuple(map(Hyperparameter.from_json, entries))


class JournalByHand:
    """Writes events at times that are told; every event is a second after the one before.

    Opening writes the `study` event at 1000 s, so that the first event after it is at 1 s of work.
    """

    def __init__(self, directory: Path, objective: str = "rmse", direction: str = "min") -> None:
        self._journal = Journal(directory / "journal.jsonl")
        self._time = 999.0
        self.append("study", schema=1, objective=objective, direction=direction)

    def append(self, event: str, **fields: Any) -> None:
        self._time += 1
        self._journal.append(event, time=self._time, **fields)

    def start(self, trial_id: str, space: str, epochs: int, **values: Any) -> None:
        self.append(
            "trial_waiting", trial_id=trial_id, space=space, values=values, epochs=epochs,
            final=True, bracket=0, rung=0,
        )  # fmt: skip
        self.append("trial_started", trial_id=trial_id, attempt=1, initial_epoch=0, epochs=epochs)

    def promote(self, trial_id: str, rung: int, first: int, last: int) -> None:
        """Starts a paused trial on the next rung, to train the epochs `first` to `last`."""
        self.append(
            "trial_waiting", trial_id=trial_id, epochs=last, final=True, bracket=0, rung=rung
        )
        self.append(
            "trial_started", trial_id=trial_id, attempt=1, initial_epoch=first - 1, epochs=last
        )

    def epochs(self, trial_id: str, *scores: float, first: int = 1) -> None:
        for epoch, score in enumerate(scores, first):
            metrics = {"loss": 2 * score, "rmse": score}
            self.append("epoch", trial_id=trial_id, epoch=epoch, metrics=metrics, seconds=0.5)

    def pause(self, trial_id: str) -> None:
        self.append("trial_paused", trial_id=trial_id, seconds=1.5, num_parameters=1000)

    def end(self, trial_id: str, state: str = "COMPLETED", message: str = "") -> None:
        self.append(
            "trial_ended", trial_id=trial_id, state=state, message=message, seconds=2.5,
            num_parameters=1000,
        )  # fmt: skip

    def close(self) -> None:
        self._journal.close()


def plant_run(directory: Path, finished: bool = True) -> Path:
    """Writes a run of six trials over two families; returns its directory.

    0000 neumf      completed       1.0, 0.9, 0.95: the best
    0001 wide_deep  completed       1.1, then continued: 0.92
    0002 neumf      stopped early   1.2
    0003 wide_deep  failed          with a message that tries to be a script
    0004 neumf      infeasible
    0005 neumf      running
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "run.json").write_text(json.dumps(RUN))
    journal = JournalByHand(directory)
    journal.start("0000", "neumf", 3, embedding_dim=32, optimizer="adam")  # at 1 s and 2 s
    journal.epochs("0000", 1.0, 0.9, 0.95)
    journal.end("0000")  # at 6 s
    journal.start("0001", "wide_deep", 1, embedding_dim=16, cross=True, name=HOSTILE)
    journal.epochs("0001", 1.1)
    journal.pause("0001")  # at 10 s
    journal.start("0002", "neumf", 1, embedding_dim=8, optimizer="sgd", momentum=0.5)
    journal.epochs("0002", 1.2)
    journal.pause("0002")  # at 14 s
    journal.promote("0001", rung=1, first=2, last=2)
    journal.epochs("0001", 0.92, first=2)
    journal.end("0001")  # at 18 s
    journal.end("0002", "STOPPED_EARLY")  # at 19 s
    journal.start("0003", "wide_deep", 3, embedding_dim=64, cross=False)
    journal.end("0003", "FAILED", f"ValueError: {HOSTILE}")
    journal.start("0004", "neumf", 3, embedding_dim=128, optimizer="adam")
    journal.end("0004", "INFEASIBLE", "needs 64 GB")
    journal.start("0005", "neumf", 3, embedding_dim=64, optimizer="adam")
    journal.append("note", text="Trial 0003 failed.")  # at 28 s
    journal.close()
    if finished:
        (directory / "best").mkdir()
        (directory / "best" / "metrics.json").write_text(json.dumps(METRICS))
    return directory


EXAMPLES = {
    "users": [
        {
            "user_id": HOSTILE,
            "history": [{"item_id": 6, "title": "Heat (1995)", "label": 4.0}],
            "recommended": [
                {"item_id": 9, "title": HOSTILE, "score": 4.25, "held_out": True},
                {"item_id": 12},
            ],
        }
    ]
}
TOLD_OF_TEST = {
    "lists": {"coverage@10": 0.5},
    "predictions": binned_predictions(np.array([1.0, 5.0]), np.array([2.0, 4.5])),
}
SHOWN = UserExamples.from_json(EXAMPLES)
