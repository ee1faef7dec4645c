"""Stopping: by the user, by the clock, by size, by a full disk; and what a resume then finds."""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prepared import prepared_with_ids
from scripted_driver import ScriptedDriver
from small_run import run_settings, write_builder

from recsearch import search as search_for_the_best
from recsearch.console.progress import Silent
from recsearch.data.store import write_prepared
from recsearch.data.task import Task
from recsearch.errors import RunDirectoryError
from recsearch.study.decision import Propose
from recsearch.study.study import Study
from recsearch.study.trial import Assignment, Epoch, Objective, Outcome, TrialState
from recsearch.tuning.engines.engine import Message
from recsearch.tuning.engines.inline import InlineEngine
from recsearch.tuning.engines.local import LocalEngine
from recsearch.tuning.engines.runner import RunnerSetup, TrialRunner
from recsearch.tuning.loop import Budget, search, stoppable

RMSE = Objective("rmse", "min")
EPOCHS = 4


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> RunnerSetup:
    folder = tmp_path_factory.mktemp("stopping")
    write_prepared(folder / "data", *prepared_with_ids(Task.RATING))
    builder = f"{write_builder(folder)}:build"
    return RunnerSetup((builder,), (), str(folder / "data"), ("rmse",), seed=0)


@pytest.fixture(scope="module")
def runner(setup: RunnerSetup) -> TrialRunner:
    return TrialRunner.of(setup)


@pytest.fixture
def open_study() -> Iterator[Callable[..., Study]]:
    opened: list[Study] = []

    def make(folder: Path, num_trials: int = 1, epochs: int = EPOCHS, **options) -> Study:
        folder.mkdir(exist_ok=True)
        proposals = [Propose("quick", {"rate": 1.0 + n}, epochs) for n in range(num_trials)]
        opened.append(Study(folder, ScriptedDriver(proposals), RMSE, seed=3, **options))
        return opened[-1]

    yield make
    for study in opened:
        study.close()


def scores(study: Study) -> list[float]:
    return [point.metrics["rmse"] for trial in study.trials for point in trial.curve]


def test_trial_stopped_after_an_epoch_goes_on_to_the_same_numbers(
    runner: TrialRunner, open_study: Callable[..., Study], tmp_path: Path
) -> None:
    whole = open_study(tmp_path / "whole")
    search(whole, InlineEngine(runner), Budget(), lambda message: None)

    study = open_study(tmp_path / "stopped")
    engine = InlineEngine(runner)
    engine.stop_after_epoch()
    asked: list[Message] = []
    with pytest.raises(KeyboardInterrupt):
        search(study, engine, Budget(), asked.append, stopped=lambda: bool(asked))
    (trial,) = study.trials
    assert (trial.state, trial.attempt, len(trial.curve)) == (TrialState.WAITING, 0, 1)
    assert trial.checkpoint == "checkpoints/0000-1.npz"

    again = open_study(tmp_path / "stopped", num_trials=0)
    search(again, InlineEngine(runner), Budget(), lambda message: None)
    assert scores(again) == scores(whole)
    assert len(scores(again)) == EPOCHS
    assert again.trials[0].state is TrialState.COMPLETED
    (kept,) = (tmp_path / "stopped" / "checkpoints").iterdir()
    assert kept.name == f"0000-{EPOCHS}.npz"  # of the best trial


class Listening:
    """An engine that only hears whether it is asked to stop."""

    asked = 0

    def stop_after_epoch(self) -> None:
        self.asked += 1


def test_trial_whose_search_is_out_of_time_ends_after_its_epoch_and_its_score_counts(
    runner: TrialRunner, open_study: Callable[..., Study], tmp_path: Path
) -> None:
    study = open_study(tmp_path / "short", epochs=1_000_000)
    reason = search(study, InlineEngine(runner), Budget(minutes=0.02), lambda message: None)
    assert reason == "the limit of 0.02 minutes was reached"
    (trial,) = study.trials
    assert trial.state is TrialState.WAITING
    assert trial.score == min(scores(study))
    assert trial.seconds > 0
    assert (tmp_path / "short" / str(trial.checkpoint)).is_file()
    assert [t.trial_id for t in study.state.ranked()] == ["0000"]
    study.close()
    longer = open_study(tmp_path / "short", num_trials=0)
    search(longer, InlineEngine(runner), Budget(minutes=0.05), lambda message: None)
    assert scores(longer)[: len(trial.curve)] == scores(study)
    assert len(scores(longer)) > len(trial.curve)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_asks_and_the_second_stops_at_once(number: signal.Signals) -> None:
    engine, said = Listening(), []
    before = signal.getsignal(number)
    with stoppable(engine, said.append) as stopped:  # type: ignore[arg-type]  # all it needs
        assert not stopped()
        os.kill(os.getpid(), number)
        assert stopped()
        assert (engine.asked, len(said)) == (1, 1)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_hangup_only_asks_however_often_it_comes() -> None:
    """Shell and kernel both send it; a Ctrl-C after it still stops at once."""
    engine, said = Listening(), []
    # The tests themselves may run under nohup, which a run respects.
    ignored = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    before = signal.getsignal(signal.SIGHUP)
    with stoppable(engine, said.append) as stopped:  # type: ignore[arg-type]  # all it needs
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGHUP)
        assert stopped()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGHUP) is before
    signal.signal(signal.SIGHUP, ignored)


@pytest.fixture
def impatient(setup: RunnerSetup) -> Iterator[LocalEngine]:
    engine = LocalEngine(setup, 1, trial_minutes=0.2)
    yield engine
    engine.close()


@pytest.mark.slow
def test_trial_that_takes_too_long_is_stopped_and_leaves_a_fresh_worker(
    impatient: LocalEngine,
) -> None:
    endless = Assignment("0000", "quick", {"rate": 1.0}, 0, 10**6, seed=0)
    impatient.submit(endless)
    outcome = None
    while not isinstance(outcome, Outcome):
        for message in impatient.wait():
            outcome = message.news
    assert (outcome.state, outcome.crashed) == (TrialState.STOPPED_EARLY, False)
    assert outcome.message == "The trial took longer than 0.2 minutes."
    impatient.submit(replace(endless, trial_id="0001", epochs=1))
    news = [message.news for _ in range(2) for message in impatient.wait()]
    assert isinstance(news[0], Epoch)
    assert isinstance(news[1], Outcome)
    assert news[1].state is TrialState.COMPLETED


@pytest.mark.parametrize(
    ("epochs", "state"), [(1, TrialState.STOPPED_EARLY), (0, TrialState.FAILED)]
)
def test_trial_whose_time_is_over_keeps_the_score_that_it_has(
    open_study: Callable[..., Study], tmp_path: Path, epochs: int, state: TrialState
) -> None:
    study = open_study(tmp_path)
    study.ask()
    for epoch in range(epochs):
        study.tell_epoch("0000", Epoch(epoch + 1, {"rmse": 1.5}, 0.1))
    study.tell("0000", Outcome(TrialState.STOPPED_EARLY, message="too long"))
    (trial,) = study.trials
    assert (trial.state, trial.message) == (state, "too long")
    assert trial.score == (1.5 if epochs else None)


def test_model_that_is_too_large_is_infeasible_and_never_trained(runner: TrialRunner) -> None:
    small = TrialRunner(runner.space, runner.pipeline, runner.protocol, max_parameters=10)
    told: list[Epoch] = []
    outcome = small.run(Assignment("0000", "quick", {"rate": 2.0}, 0, 1, seed=0), told.append)
    spec = runner.pipeline.data.spec
    # Two numbers a user, two an item, and a bias an item.
    num_parameters = 2 * spec.num_users + 3 * spec.num_items
    assert outcome.state is TrialState.INFEASIBLE
    assert outcome.num_parameters == num_parameters
    assert outcome.message == f"{num_parameters:,} parameters, more than the limit of 10."
    assert (told, outcome.curve) == ([], ())


def test_values_that_no_builder_reads_are_not_recorded(
    open_study: Callable[..., Study], tmp_path: Path
) -> None:
    study = open_study(
        tmp_path,
        num_trials=0,
        reads=lambda family, values: {k: v for k, v in values.items() if k != "units_1"},
    )
    study.enqueue(Propose("mlp", {"num_layers": 1, "units_0": 8, "units_1": 16}, 1))
    assignment = study.ask()
    assert isinstance(assignment, Assignment)
    assert assignment.values == {"num_layers": 1, "units_0": 8}


class FullDisk(Listening):
    """An engine whose trials find no room for their checkpoints."""

    def __init__(self) -> None:
        self.pending: list[str] = []

    def free_workers(self) -> int:
        return 1 - len(self.pending)

    def submit(self, assignment: Assignment) -> None:
        self.pending.append(assignment.trial_id)

    def wait(self) -> list[Message]:
        error = OSError(28, os.strerror(28), "0000-1.npz")
        message = f"{type(error).__name__}: {error}"
        outcome = Outcome(TrialState.FAILED, message=message, disk_full=True)
        return [Message(self.pending.pop(), outcome)]

    def close(self) -> None:
        pass


def test_full_disk_ends_the_search_and_fails_no_trial(
    open_study: Callable[..., Study], tmp_path: Path
) -> None:
    study = open_study(tmp_path, num_trials=3)
    with pytest.raises(RunDirectoryError, match=r"disk of .* is full.*recsearch resume"):
        search(study, FullDisk(), Budget(), lambda message: None)
    (trial,) = study.trials
    assert (trial.state, trial.attempt) == (TrialState.WAITING, 0)


def test_resume_with_another_search_space_is_refused(tmp_path: Path) -> None:
    from recsearch.workflow.flow import resume

    settings = run_settings(tmp_path / "files", tuner="random", max_trials=1, max_epochs=1)
    run = search_for_the_best(**settings)
    builder = tmp_path / "files" / "quick.py"
    builder.write_text(builder.read_text().replace("0.1, 10.0", "0.1, 5.0"))
    with pytest.raises(RunDirectoryError, match=r"has changed since it was started, in quick/rate"):
        resume(run.directory, {"max_trials": 2}, Silent())
