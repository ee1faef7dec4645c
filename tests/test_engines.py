import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prepared import prepared_with_ids
from scripted_driver import ScriptedDriver

from recsearch.data.store import write_prepared
from recsearch.data.task import Task
from recsearch.study.decision import Propose
from recsearch.study.study import Study
from recsearch.study.trial import Assignment, Epoch, Objective, Outcome, TrialState
from recsearch.tuning.engines.engine import Engine, Message
from recsearch.tuning.engines.inline import InlineEngine
from recsearch.tuning.engines.local import LocalEngine
from recsearch.tuning.engines.runner import RunnerSetup, TrialRunner
from recsearch.tuning.loop import Budget, search

BUILDER = """
import os, signal
import keras
import tensorflow as tf


def build(hp, data):
    fault = hp.Choice("fault", ["none", "raise", "exit", "kill"])
    rate = hp.Float("rate", 0.1, 10.0, default=1.0)
    if fault == "raise":
        raise ZeroDivisionError("planted")
    if fault == "exit":
        os._exit(7)
    if fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    user = keras.Input((), dtype="int32", name="user_id")
    item = keras.Input((), dtype="int32", name="item_id")
    sides = [
        keras.layers.Embedding(size, 4)(index)
        for size, index in ((data.num_users, user), (data.num_items, item))
    ]
    score = keras.layers.Dense(1)(keras.layers.Dropout(0.2)(keras.layers.Concatenate()(sides)))
    model = keras.Model([user, item], score)
    model.compile(keras.optimizers.SGD(rate / 100), "mse")
    return model
"""

OWNER = """
import multiprocessing, sys
from recsearch.tuning.engines.local import LocalEngine
from recsearch.tuning.engines.runner import RunnerSetup
from recsearch.study.trial import Assignment, Epoch

print("top", flush=True)
space, data = sys.argv[1:]
engine = LocalEngine(RunnerSetup((space,), (), data, ("rmse",), 0), 2)
for number in range(2):
    engine.submit(Assignment(f"000{number}", "faulty", {}, 0, 10**6, seed=number))
busy = set()
while len(busy) < 2:
    busy |= {message.trial_id for message in engine.wait()}
print(*(child.pid for child in multiprocessing.active_children()), flush=True)
while True:
    engine.wait()
"""


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> RunnerSetup:
    folder = tmp_path_factory.mktemp("engines")
    (folder / "faulty.py").write_text(BUILDER)
    write_prepared(folder / "data", *prepared_with_ids(Task.RATING))
    return RunnerSetup(
        (f"{folder / 'faulty.py'}:build",), (), str(folder / "data"), ("rmse", "mae"), seed=0
    )


@pytest.fixture(scope="module")
def local(setup: RunnerSetup) -> Iterator[LocalEngine]:
    engine = LocalEngine(setup, 2)
    yield engine
    engine.close()


def assignment(number: int, epochs: int = 2, **values) -> Assignment:
    return Assignment(f"{number:04d}", "faulty", values, 0, epochs, seed=number)


def run_all(engine: Engine, assignments: list[Assignment]) -> dict[str, list[Epoch | Outcome]]:
    """Runs them as workers come free; returns the news of each trial in order."""
    news: dict[str, list[Epoch | Outcome]] = {a.trial_id: [] for a in assignments}
    left, ended = list(assignments), 0
    while ended < len(assignments):
        while left and engine.free_workers():
            engine.submit(left.pop(0))
        for message in engine.wait():
            news[message.trial_id].append(message.news)
            ended += isinstance(message.news, Outcome)
    return news


def numbers(news: list[Epoch | Outcome]) -> list[dict[str, float]]:
    """Returns the metrics of all epochs; the outcome must hold the same."""
    *epochs, outcome = news
    assert isinstance(outcome, Outcome)
    assert outcome.state is TrialState.COMPLETED
    assert outcome.curve == tuple(epochs)
    return [dict(point.metrics) for point in outcome.curve]


def until_outcome(engine: Engine) -> Outcome:
    while True:
        for message in engine.wait():
            if isinstance(message.news, Outcome):
                return message.news


def test_engines_give_the_same_numbers_bit_for_bit(setup: RunnerSetup, local: LocalEngine) -> None:
    assignments = [assignment(number, rate=0.5 + number) for number in range(3)]
    inline = run_all(InlineEngine(TrialRunner.of(setup)), assignments)
    two = run_all(local, assignments)
    single = LocalEngine(setup, 1)
    one = run_all(single, assignments)
    single.close()
    for trial_id in ("0000", "0001", "0002"):
        assert numbers(two[trial_id]) == numbers(one[trial_id]) == numbers(inline[trial_id])
    assert numbers(inline["0000"]) != numbers(inline["0001"])
    assert two["0002"][-1].values == {"fault": "none", "rate": 2.5}


def test_inline_engine_has_one_place() -> None:
    engine = InlineEngine(None)  # type: ignore[arg-type]  # nothing is run
    assert (engine.free_workers(), engine.wait()) == (1, [])
    engine.submit(assignment(0))
    assert engine.free_workers() == 0


def test_local_engine_counts_its_free_workers(local: LocalEngine) -> None:
    assert local.free_workers() == 2
    assert local.wait() == []
    local.submit(assignment(0, epochs=1))
    assert local.free_workers() == 1
    assert until_outcome(local).state is TrialState.COMPLETED
    assert local.free_workers() == 2


def test_error_in_a_builder_is_an_outcome_and_the_worker_is_replaced(local: LocalEngine) -> None:
    before = worker_pids()
    (outcome,) = run_all(local, [assignment(0, fault="raise")])["0000"]
    assert (outcome.state, outcome.crashed) == (TrialState.FAILED, False)
    assert outcome.message.startswith("ZeroDivisionError: planted (at faulty.py:")
    assert len(worker_pids()) == 2  # a builder that failed may have left anything behind
    assert worker_pids() != before


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("exit", "exit code 7; user code may have called sys.exit or os._exit"),
        ("kill", "signal 9, SIGKILL; the usual cause is running out of memory"),
    ],
)
def test_worker_that_dies_in_the_builder_is_replaced(
    local: LocalEngine, fault: str, reason: str
) -> None:
    news = run_all(local, [assignment(0, fault=fault), assignment(1), assignment(2)])
    (outcome,) = news["0000"]
    assert (outcome.state, outcome.crashed) == (TrialState.FAILED, True)
    assert outcome.message == f"The worker process died: {reason}."
    assert numbers(news["0001"]) != numbers(news["0002"])
    assert len(worker_pids()) == 2


def test_worker_killed_in_the_middle_of_a_trial_is_replaced(setup: RunnerSetup) -> None:
    before = worker_pids()
    engine = LocalEngine(setup, 1)
    try:
        (worker,) = worker_pids() - before
        engine.submit(assignment(0, epochs=10**6))
        (first,) = engine.wait()
        assert isinstance(first.news, Epoch)
        os.kill(worker, signal.SIGKILL)
        outcome = until_outcome(engine)
        assert (outcome.crashed, outcome.state) == (True, TrialState.FAILED)
        assert "signal 9" in outcome.message
        assert engine.free_workers() == 1
        assert numbers(run_all(engine, [assignment(1)])["0001"])
        assert len(worker_pids() - before - {worker}) == 1
    finally:
        engine.close()


def worker_pids() -> set[int]:
    return {child.pid for child in multiprocessing.active_children()}


def test_worker_that_died_while_idle_shows_itself_as_a_crash(setup: RunnerSetup) -> None:
    before = worker_pids()
    engine = LocalEngine(setup, 1)
    try:
        (worker,) = worker_pids() - before
        os.kill(worker, signal.SIGKILL)
        while is_running(worker):
            time.sleep(0.01)
        engine.submit(assignment(0, epochs=1))
        assert until_outcome(engine).crashed
        engine.submit(assignment(0, epochs=1))
        assert until_outcome(engine).state is TrialState.COMPLETED
    finally:
        engine.close()


def test_closed_engine_leaves_no_worker(setup: RunnerSetup) -> None:
    before = worker_pids()
    engine = LocalEngine(setup, 2)
    engine.submit(assignment(0, epochs=10**6))
    assert len(worker_pids()) == len(before) + 2
    engine.close()
    assert worker_pids() == before


def test_search_goes_on_after_a_trial_that_kills_its_workers(
    tmp_path: Path, local: LocalEngine
) -> None:
    faults = ["none", "kill", "exit", "none"]
    driver = ScriptedDriver([Propose("faulty", {"fault": fault}, 1) for fault in faults])
    study = Study(tmp_path, driver, Objective("rmse", "min"), seed=0)
    heard: list[Message] = []
    assert search(study, local, Budget(), heard.append) == "the script is over"
    study.close()
    found = [(trial.state.value, trial.attempt) for trial in study.trials]
    assert found == [("COMPLETED", 1), ("FAILED", 2), ("FAILED", 2), ("COMPLETED", 1)]
    assert "signal 9" in study.trials[1].message
    assert "exit code 7" in study.trials[2].message
    crashes = [m.trial_id for m in heard if isinstance(m.news, Outcome) and m.news.crashed]
    assert sorted(crashes) == ["0001", "0001", "0002", "0002"]


def test_workers_die_with_their_owner_and_do_not_start_its_script(
    tmp_path: Path, setup: RunnerSetup
) -> None:
    script = tmp_path / "owner.py"
    script.write_text(OWNER)  # without `if __name__ == "__main__"`
    command = [sys.executable, str(script), setup.spaces[0], setup.data_dir]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "top\n"
        workers = [int(pid) for pid in owner.stdout.readline().split()]
        assert len(workers) == 2
        assert all(map(is_running, workers))
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        deadline = time.monotonic() + 10
        while any(map(is_running, workers)):
            assert time.monotonic() < deadline, "a worker outlives its owner"
            time.sleep(0.1)
        assert owner.stdout.read() == ""


def is_running(pid: int) -> bool:
    """Returns whether a process lives; one that has ended and waits to be reaped does not."""
    command = ["ps", "-o", "stat=", "-p", str(pid)]
    state = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return bool(state) and not state.startswith("Z")
