import errno
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import pytest
from prepared import pipeline, prepared, prepared_with_ids
from scripted_driver import ScriptedDriver

from recsearch.data.store import write_prepared
from recsearch.data.task import Task
from recsearch.errors import SearchError
from recsearch.evaluation.protocol import make_protocol
from recsearch.nn import Pairs, Pretraining, Recommender
from recsearch.study.decision import Promote, Propose, Wait
from recsearch.study.study import Study, trial_seed
from recsearch.study.trial import Assignment, Built, Epoch, Objective, Outcome, TrialState
from recsearch.tuning.engines.engine import Message
from recsearch.tuning.engines.inline import InlineEngine
from recsearch.tuning.engines.runner import RunnerSetup, TrialRunner
from recsearch.tuning.loop import Budget, search
from recsearch.tuning.space.families import Family
from recsearch.tuning.space.overrides import Override
from recsearch.tuning.space.search_space import SearchSpace

RMSE = Objective("rmse", "min")
SPEC = prepared(Task.RATING).spec


def item_bias(hp, data):
    """Biases of items alone; `fault` breaks the trial in different ways."""
    fault = hp.Choice("fault", ["none", "build", "diverge"])
    if fault == "build":
        raise ZeroDivisionError("planted")
    item = keras.Input((), dtype="int32", name="item_id")
    bias = keras.layers.Embedding(data.num_items, 1, embeddings_initializer="zeros")(item)
    model = keras.Model(item, keras.layers.Rescaling(1.0, offset=data.label_mean)(bias))
    rate = math.inf if fault == "diverge" else hp.Float("rate", 0.1, 100.0, default=10.0)
    model.compile(keras.optimizers.SGD(rate), "mse")
    return model


@pytest.fixture
def runner() -> TrialRunner:
    space = SearchSpace({"bias": Family("bias", item_bias, "test:item_bias")})
    protocol = make_protocol(prepared(Task.RATING), ("rmse", "mae"))
    return TrialRunner(space, pipeline(Task.RATING), protocol)


@pytest.fixture
def open_study(tmp_path: Path) -> Iterator[Callable[..., Study]]:
    opened: list[Study] = []

    def make(*decisions, promotable: tuple[str, ...] = ()) -> Study:
        driver = ScriptedDriver(list(decisions), set(promotable))
        opened.append(Study(tmp_path, driver, RMSE, seed=0))
        return opened[-1]

    yield make
    for study in opened:
        study.close()


def bias(fault: str = "none", **fields) -> Propose:
    return Propose("bias", {"fault": fault}, **{"epochs": 2, **fields})


def ignore(message: Message) -> None:
    """Takes the news of a search, and does nothing with them."""


def test_runner_reports_each_epoch_and_returns_the_outcome(runner: TrialRunner) -> None:
    news: list[Built | Epoch] = []
    assignment = Assignment("0000", "bias", {"fault": "none", "unknown": 3}, 0, 3, seed=5)
    outcome = runner.run(assignment, news.append)
    built, *reported = news
    assert built == Built()
    assert outcome.state is TrialState.COMPLETED
    assert outcome.curve == tuple(reported)
    assert [point.epoch for point in reported] == [1, 2, 3]
    assert reported[0].metrics.keys() == {"train_loss", "rmse", "mae"}
    assert reported[2].metrics["train_loss"] < reported[0].metrics["train_loss"]
    assert outcome.values == {"fault": "none", "rate": 10.0}
    assert outcome.num_parameters == SPEC.num_items
    assert outcome.seconds > sum(point.seconds for point in reported) > 0
    assert outcome.peak_memory_mb > 100
    assert (outcome.message, outcome.checkpoint_saved, outcome.crashed) == ("", False, False)


def test_runner_gives_the_same_numbers_for_the_same_assignment(runner: TrialRunner) -> None:
    assignment = Assignment("0000", "bias", {}, 0, 2, seed=5)
    first, second = (runner.run(assignment, lambda point: None) for _ in range(2))
    assert [p.metrics for p in first.curve] == [p.metrics for p in second.curve]


def test_runner_turns_a_failing_builder_into_a_failed_outcome(runner: TrialRunner) -> None:
    outcome = runner.run(Assignment("0000", "bias", {"fault": "build"}, 0, 2, 5), lambda p: None)
    assert outcome.state is TrialState.FAILED
    assert outcome.message.startswith("ZeroDivisionError: planted (at test_loop.py:")
    assert (outcome.curve, outcome.num_parameters, outcome.values) == ((), None, {})
    assert not outcome.checkpoint_saved
    assert not outcome.disk_full


def test_runner_says_that_a_trial_failed_for_a_full_disk(
    runner: TrialRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_room)
    path = str(tmp_path / "0000-1.npz")
    assignment = Assignment("0000", "bias", {}, 0, 1, seed=5, save_checkpoint=path)
    outcome = runner.run(assignment, lambda point: None)
    assert (outcome.state, outcome.disk_full) == (TrialState.FAILED, True)


def test_runner_pretrains_at_the_start_and_not_when_it_continues(tmp_path: Path) -> None:
    joined: list[bool] = []

    def pretrained(hp, data):
        whole, part = item_bias(hp, data), item_bias(hp, data)
        return Recommender(
            whole, Pairs(), 512, Pretraining((part,), 1, lambda: joined.append(True))
        )

    space = SearchSpace({"pretrained": Family("pretrained", pretrained, "test:pretrained")})
    protocol = make_protocol(prepared(Task.RATING), ("rmse",))
    runner = TrialRunner(space, pipeline(Task.RATING), protocol)
    path = str(tmp_path / "checkpoints" / "0000-1.npz")
    first = Assignment("0000", "pretrained", {}, 0, 1, seed=0, save_checkpoint=path)
    assert runner.run(first, lambda point: None).checkpoint_saved
    assert joined == [True]
    second = Assignment("0000", "pretrained", {}, 1, 2, seed=0, load_checkpoint=path)
    outcome = runner.run(second, lambda point: None)
    assert [point.epoch for point in outcome.curve] == [2]
    assert joined == [True]


def test_runner_from_a_setup_reads_data_and_spaces(tmp_path: Path) -> None:
    write_prepared(tmp_path / "data", *prepared_with_ids(Task.IMPLICIT))
    setup = RunnerSetup(
        spaces=("matrix_factorization",),
        overrides=(Override("embedding_dim", "8"),),
        data_dir=str(tmp_path / "data"),
        metrics=("ndcg@10",),
        seed=0,
        validation_users=30,
    )
    runner = TrialRunner.of(setup)
    assert runner.protocol.users is not None
    assert len(runner.protocol.users) == 30
    outcome = runner.run(Assignment("0000", "matrix_factorization", {}, 0, 1, 0), lambda p: None)
    assert outcome.state is TrialState.COMPLETED
    assert outcome.values["embedding_dim"] == 8
    assert 0 <= outcome.curve[0].metrics["ndcg@10"] <= 1


def test_search_runs_until_the_driver_has_finished(runner: TrialRunner, open_study) -> None:
    study = open_study(bias(), bias(epochs=3))
    news: list[Message] = []
    reason = search(study, InlineEngine(runner), Budget(), news.append)
    assert reason == "the script is over"
    assert [t.state for t in study.trials] == [TrialState.COMPLETED] * 2
    assert [len(t.curve) for t in study.trials] == [2, 3]
    assert [type(m.news) for m in news] == [Epoch, Epoch, Outcome, Epoch, Epoch, Epoch, Outcome]


def test_search_continues_promoted_trials_exactly(runner: TrialRunner, open_study) -> None:
    rung = bias(final=False, bracket=0, rung=0)
    promote = Promote("0000", epochs=4, rung=1, final=True)
    study = open_study(rung, promote, promotable=("0000",))
    search(study, InlineEngine(runner), Budget(), ignore)
    (trial,) = study.trials
    whole = runner.run(
        Assignment("0000", "bias", {"fault": "none"}, 0, 4, trial_seed(0, "0000")), lambda p: None
    )
    assert [p.metrics for p in trial.curve] == [p.metrics for p in whole.curve]
    assert [path.name for path in (study.directory / "checkpoints").glob("*")] == ["0000-4.npz"]


def test_search_goes_on_after_failures(runner: TrialRunner, open_study) -> None:
    study = open_study(bias(), bias("build"), bias("diverge"), bias("build"), bias())
    search(study, InlineEngine(runner), Budget(), ignore)
    assert [t.state.value for t in study.trials] == [
        "COMPLETED", "FAILED", "FAILED", "FAILED", "COMPLETED",
    ]  # fmt: skip
    assert "ZeroDivisionError: planted" in study.trials[1].message
    assert study.trials[2].message == "rmse was never a finite number."
    assert {t.trial_id for t in study.state.ranked()} == {"0000", "0004"}


def test_search_whose_first_trials_all_fail_is_stopped(runner: TrialRunner, open_study) -> None:
    study = open_study(*[bias("build")] * 5)
    with pytest.raises(SearchError, match=r"first 3 trials all failed:\n  0000 bias: ZeroDivision"):
        search(study, InlineEngine(runner), Budget(), ignore)
    assert len(study.trials) == 3


def test_budget_of_0_minutes_starts_nothing(runner: TrialRunner, open_study) -> None:
    study = open_study(bias())
    reason = search(study, InlineEngine(runner), Budget(minutes=0), ignore)
    assert reason == "the limit of 0 minutes was reached"
    assert len(study.trials) == 0


def test_budget_counts_the_seconds_of_earlier_sessions() -> None:
    assert Budget(minutes=1.5).spent(before=60.0) is None
    assert Budget(minutes=1.5).spent(before=90.0) == "the limit of 1.5 minutes was reached"
    assert Budget().spent(before=1e9) is None


def test_budget_that_ends_leaves_paused_trials_to_be_resumed(runner, open_study) -> None:
    study = open_study(bias(final=False, rung=0), promotable=("0000",))
    budgets = iter([None, "the time is over"])

    class OneTrial(Budget):
        def spent(self, before: float) -> str | None:
            return next(budgets)

    assert search(study, InlineEngine(runner), OneTrial(), ignore) == "the time is over"
    assert study.trials[0].state is TrialState.PAUSED
    assert len(list((study.directory / "checkpoints").glob("*.npz"))) == 1


def test_driver_that_waits_for_nothing_ends_the_search(runner: TrialRunner, open_study) -> None:
    study = open_study(Wait())
    assert search(study, InlineEngine(runner), Budget(), ignore) == "there is nothing more to try"
