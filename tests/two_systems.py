"""One face for recsearch and for plain Keras Tuner, so that one test body asks the same of both.

Nothing is trained: the caller says what each epoch of a trial has scored. Both systems do all their
bookkeeping on real files, and `reopen` continues from those alone, as after a kill.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import keras
import keras_tuner
import numpy as np
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial
from keras_tuner.src.engine import tuner_utils
from keras_tuner.src.engine.objective import create_objective
from threadpoolctl import threadpool_limits

from recsearch.metrics import find_metric
from recsearch.study.decision import Finish, Wait
from recsearch.study.study import Study
from recsearch.study.trial import (
    Assignment,
    Epoch,
    Objective,
    Outcome,
    Scalar,
    TrialState,
    best_epoch,
)
from recsearch.system.files import lock_directory
from recsearch.tuning.drivers.bayesian import BayesianDriver
from recsearch.tuning.drivers.hyperband import HyperbandDriver
from recsearch.tuning.drivers.random import RandomDriver
from recsearch.tuning.space.hyperparameters import TrackedHyperParameters

Builder = Callable[[keras_tuner.HyperParameters], None]
"""Reads hyperparameters as a model builder does, and builds nothing."""

OVER, WAIT = "over", "wait"


@dataclass(frozen=True)
class Settings:
    """What a search is told: by the same names in both systems."""

    kind: str  # random, hyperband or bayesian
    builder: Builder
    seed: int = 1
    max_trials: int = 10
    direction: str = "min"
    max_retries: int = 0  # plain Keras Tuner alone: recsearch has no such setting
    max_failures_in_a_row: int = 1000  # the same


@dataclass(frozen=True)
class Task:
    """A trial, or one rung of it, that was handed out to be trained."""

    trial_id: str
    values: Mapping[str, Scalar]
    epochs: int = 1
    initial_epoch: int = 0
    bracket: int | None = None
    rung: int | None = None
    handle: Any = None


@dataclass(frozen=True)
class Record:
    """What a system has recorded of a trial; `state` is COMPLETED, FAILED, RUNNING, ..."""

    state: str
    score: float | None
    message: str
    values: Mapping[str, Scalar]


class Recsearch:
    """Study and drivers."""

    opened: ClassVar[list[Study]] = []

    def __init__(self, directory: Path, settings: Settings) -> None:
        directory.mkdir(exist_ok=True)
        self.directory, self.settings = directory, settings
        objective = Objective("loss", settings.direction)
        driver = self._driver(objective)
        self.study = Study(directory, driver, objective, settings.seed, self._reads)
        self.opened.append(self.study)

    @classmethod
    def close_all(cls) -> None:
        while cls.opened:
            cls.opened.pop().close()

    def _driver(self, objective: Objective) -> RandomDriver | BayesianDriver | HyperbandDriver:
        space, seed = _discovered(self._run, TrackedHyperParameters), self.settings.seed
        if self.settings.kind == "hyperband":
            return HyperbandDriver(space, objective, seed, max_epochs=27, factor=3)
        kind = RandomDriver if self.settings.kind == "random" else BayesianDriver
        return kind(space, objective, seed, self.settings.max_trials, max_epochs=1)

    def _run(self, hp: keras_tuner.HyperParameters) -> None:
        hp.Choice("space", ["f"])
        with hp.conditional_scope("space", ["f"]), hp.name_scope("f"):
            self.settings.builder(hp)

    def _reads(self, family: str, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
        hp = TrackedHyperParameters()
        hp.values = {f"{family}/{name}": value for name, value in values.items()}
        self._run(hp)
        return {n.removeprefix(f"{family}/"): v for n, v in hp.read.items() if n != "space"}

    def ask(self, worker: int = 0) -> Task | str:
        answer = self.study.ask()
        if isinstance(answer, Wait | Finish):
            return WAIT if isinstance(answer, Wait) else OVER
        trial = self.study.state.trials[answer.trial_id]
        return Task(
            answer.trial_id,
            answer.values,
            answer.epochs,
            answer.initial_epoch,
            trial.bracket,
            trial.rung,
            answer,
        )

    def report(self, task: Task, scores: Sequence[float]) -> None:
        for number, score in enumerate(scores, task.initial_epoch + 1):
            self.study.tell_epoch(task.trial_id, Epoch(number, {"loss": score}, 0.1))

    def end(self, task: Task) -> None:
        assignment: Assignment = task.handle
        if assignment.save_checkpoint:
            path = Path(assignment.save_checkpoint)
            path.parent.mkdir(exist_ok=True)
            path.touch()
        saved = bool(assignment.save_checkpoint)
        self._tell(task, Outcome(TrialState.COMPLETED, values=task.values, checkpoint_saved=saved))

    def end_for_a_retry(self, task: Task) -> None:
        self._tell(task, Outcome(TrialState.FAILED, crashed=True))

    def fail(self, task: Task, message: str) -> None:
        self._tell(task, Outcome(TrialState.FAILED, values=task.values, message=message))

    def refuse_as_too_large(self, task: Task) -> None:
        self._tell(task, Outcome(TrialState.INFEASIBLE, values=task.values, message="too large"))

    def end_unknown_trial(self) -> None:
        self.study.tell("9999", Outcome(TrialState.COMPLETED))

    def _tell(self, task: Task, outcome: Outcome) -> None:
        self.study.tell(task.trial_id, outcome)

    def reopen(self) -> "Recsearch":
        self.study.close()
        return Recsearch(self.directory, self.settings)

    def tear_last_write(self, kept: float) -> None:
        path = self.directory / "journal.jsonl"
        *whole, last = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(whole) + last[: int(kept * len(last))])

    def die_while_starting(self) -> None:
        self.study.ask()
        path = self.directory / "journal.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[:-1]))  # the trial waits, its start was not written

    @staticmethod
    def owned(directory: Path, settings: Settings) -> AbstractContextManager[Any]:
        return lock_directory(directory)

    @staticmethod
    def direction_of(metric: str) -> str:
        return find_metric(metric).direction

    def records(self) -> dict[str, Record]:
        return {
            trial.trial_id: Record(trial.state, trial.score, trial.message, trial.values)
            for trial in self.study.trials
        }

    def best(self) -> float | None:
        ranked = self.study.state.ranked()
        return ranked[0].score if ranked else None

    @staticmethod
    def score_of_curve(losses: Sequence[float]) -> float | None:
        curve = [Epoch(number, {"loss": loss}, 0.1) for number, loss in enumerate(losses, 1)]
        best = best_epoch(curve, Objective("loss", "min"))
        return best[0] if best else None


class ReportingTuner(BaseTuner):
    """Keras Tuner's own loop and bookkeeping around a training that only says its scores."""

    outcome: Sequence[float] | Exception = ()

    def run_trial(self, trial, *args, **kwargs):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        history = keras.callbacks.History()
        history.history = {"loss": list(self.outcome)}
        return history


class PlainKerasTuner:
    """The oracles of Keras Tuner 1.4.8, each behind its `BaseTuner`."""

    @classmethod
    def close_all(cls) -> None:
        """Does nothing: it keeps no file open."""

    def __init__(self, directory: Path, settings: Settings) -> None:
        self.directory, self.settings = directory, settings
        self.oracle = self._oracle()
        self.oracle.verbose = 0
        self.tuner = ReportingTuner(self.oracle, directory=str(directory), project_name="project")

    def _oracle(self) -> keras_tuner.Oracle:
        shared = {
            "objective": keras_tuner.Objective("loss", self.settings.direction),
            "hyperparameters": _discovered(self.settings.builder, keras_tuner.HyperParameters),
            "seed": self.settings.seed,
            "max_retries_per_trial": self.settings.max_retries,
            "max_consecutive_failed_trials": self.settings.max_failures_in_a_row,
        }
        if self.settings.kind == "hyperband":
            return keras_tuner.oracles.HyperbandOracle(max_epochs=27, factor=3, **shared)
        kinds = {
            "random": keras_tuner.oracles.RandomSearchOracle,
            "bayesian": keras_tuner.oracles.BayesianOptimizationOracle,
        }
        return kinds[self.settings.kind](max_trials=self.settings.max_trials, **shared)

    def ask(self, worker: int = 0) -> Task | str:
        with threadpool_limits(1):  # its Gaussian process takes many times longer with more
            trial = self.oracle.create_trial(f"tuner{worker}")
        if trial.status != "RUNNING":
            return WAIT if trial.status == "IDLE" else OVER
        values = trial.hyperparameters.values
        return Task(
            trial.trial_id,
            values,
            values.get("tuner/epochs", 1),
            values.get("tuner/initial_epoch", 0),
            values.get("tuner/bracket"),
            values.get("tuner/round"),
            trial,
        )

    def report(self, task: Task, scores: Sequence[float]) -> None:
        self.tuner.outcome = scores
        self.tuner._try_run_and_update_trial(task.handle)

    def end(self, task: Task) -> None:
        self.tuner.on_trial_end(task.handle)

    def end_for_a_retry(self, task: Task) -> None:
        self.end(task)

    def fail(self, task: Task, message: str) -> None:
        self.tuner.outcome = RuntimeError(message)
        self.tuner._try_run_and_update_trial(task.handle)
        self.end(task)

    def refuse_as_too_large(self, task: Task) -> None:
        self.tuner.outcome = keras_tuner.errors.FailedTrialError("Oversized model: 9 parameters.")
        self.tuner._try_run_and_update_trial(task.handle)
        self.end(task)

    def end_unknown_trial(self) -> None:
        self.oracle.end_trial(Trial(keras_tuner.HyperParameters(), "9999", "COMPLETED"))

    def reopen(self) -> "PlainKerasTuner":
        return PlainKerasTuner(self.directory, self.settings)

    def tear_last_write(self, kept: float) -> None:
        last = max(self.oracle.trials)
        path = self.directory / "project" / f"trial_{last}" / "trial.json"
        path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])

    def die_while_starting(self) -> None:
        path = self.directory / "project" / "oracle.json"
        before = path.read_bytes()
        self.oracle.create_trial("tuner0")
        path.write_bytes(before)  # trial.json was written, oracle.json was not

    @staticmethod
    def owned(directory: Path, settings: Settings) -> AbstractContextManager[Any]:
        return nullcontext(PlainKerasTuner(directory, settings))

    @staticmethod
    def direction_of(metric: str) -> str:
        return create_objective(metric).direction

    def records(self) -> dict[str, Record]:
        return {
            trial_id: Record(t.status, t.score, t.message or "", t.hyperparameters.values)
            for trial_id, t in self.oracle.trials.items()
        }

    def best(self) -> float | None:
        best = self.oracle.get_best_trials(1)
        return best[0].score if best else None

    @staticmethod
    def score_of_curve(losses: Sequence[float]) -> float | None:
        history = keras.callbacks.History()
        history.history = {"loss": list(losses)}
        objective = keras_tuner.Objective("loss", "min")
        score = tuner_utils.convert_to_metrics_dict(history, objective)["loss"]
        return None if math.isnan(score) else score


def run(
    system: "Recsearch | PlainKerasTuner",
    score: Callable[[Task], float],
    num_workers: int = 1,
    fails: Callable[[Task], bool] = lambda task: False,
) -> list[Task]:
    """Runs a search to its end, running trials ending in random order; returns what was trained."""
    rng = np.random.default_rng(0)
    tasks: list[Task] = []
    running: dict[int, Task] = {}
    while True:
        for worker in set(range(num_workers)) - set(running):
            task = system.ask(worker)
            if isinstance(task, Task):
                running[worker] = task
                tasks.append(task)
        if not running:
            return tasks
        task = running.pop(int(rng.choice(sorted(running))))
        if fails(task):
            system.fail(task, "it failed")
        else:
            system.report(task, [score(task)] * (task.epochs - task.initial_epoch))
            system.end(task)


def _discovered(builder: Builder, kind: type) -> keras_tuner.HyperParameters:
    """Returns what the builder reads at the defaults and where each whole number is largest."""
    found = keras_tuner.HyperParameters()
    for _ in range(2):
        hp = kind()
        hp.values = {known.name: known.max_value for known in found.space if _is_int(known)}
        builder(hp)
        found.merge(hp.space, overwrite=False)
    return found


def _is_int(hyperparameter: Any) -> bool:
    return type(hyperparameter).__name__ == "Int"
