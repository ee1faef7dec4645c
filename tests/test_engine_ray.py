"""Workers of Ray: one Ray of 2 CPUs for the module, most tests on the same two workers."""

import contextlib
import importlib.util
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prepared import prepared, prepared_with_ids
from small_run import write_builder, write_ratings
from test_engines import assignment, is_running, numbers, run_all, until_outcome

import recsearch
from recsearch.data.store import write_prepared
from recsearch.data.task import Task
from recsearch.errors import UsageError
from recsearch.study.study import Study
from recsearch.study.trial import Epoch, Objective, Outcome, Trial, TrialState
from recsearch.tuning.drivers.random import RandomDriver
from recsearch.tuning.engines import cluster as cluster_module
from recsearch.tuning.engines import ray as ray_module
from recsearch.tuning.engines.cluster import Cluster
from recsearch.tuning.engines.engine import Engine, Message
from recsearch.tuning.engines.local import LocalEngine
from recsearch.tuning.engines.ray import RayEngine
from recsearch.tuning.engines.runner import RunnerSetup
from recsearch.tuning.loop import Budget, search
from recsearch.tuning.space.search_space import load_space

# Not by `importorskip`: the engine sets what Ray reads when it is imported.
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="the extra recsearch[ray] is not installed"
)

BUILDER = """
import os
import keras


def build(hp, data):
    fault = hp.Choice("fault", ["none", "raise", "leave"])
    if fault == "raise":
        raise ZeroDivisionError(f"devices: {os.environ['CUDA_VISIBLE_DEVICES']!r}")
    if fault == "leave":
        raise SystemExit(7)
    return sound(hp, data)


def sound(hp, data):
    rate = hp.Float("rate", 0.1, 10.0, default=1.0)
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
import sys, time
from recsearch.tuning.engines.cluster import Cluster
from recsearch.tuning.engines.ray import RayEngine
from recsearch.tuning.engines.runner import RunnerSetup
from recsearch.study.trial import Assignment

space, data, *address = sys.argv[1:]
engine = RayEngine(RunnerSetup((space,), (), data, ("rmse",), 0), 1, Cluster(*address, 0.5)
    if address else Cluster())
engine.submit(Assignment("0000", "faulty", {}, 0, 1 if address else 10**6, seed=0))
first = engine.wait()
if address:
    print(*first, *engine.wait())
    engine.close()
else:
    (worker,) = engine._workers
    print(engine._ray.get(worker.actor.process_id.remote()), flush=True)
    time.sleep(100)
"""

HALF = Cluster(cpus_per_trial=0.5)  # what the workers of the module leave of its Ray


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> RunnerSetup:
    folder = tmp_path_factory.mktemp("engines")
    (folder / "faulty.py").write_text(BUILDER)
    write_prepared(folder / "data", *prepared_with_ids(Task.RATING))
    spaces = tuple(f"{folder / 'faulty.py'}:{name}" for name in ("build", "sound"))
    return RunnerSetup(spaces, (), str(folder / "data"), ("rmse", "mae"), seed=0)


@pytest.fixture(scope="module")
def engine(setup: RunnerSetup) -> Iterator[RayEngine]:
    """Two workers of 3/4 of a CPU on a Ray of 2 CPUs: half a CPU is left."""
    engine = RayEngine(setup, 2, Cluster(cpus_per_trial=0.75))
    yield engine
    engine.close()


@pytest.fixture
def open_engine(engine: RayEngine) -> Iterator[Callable[..., RayEngine]]:
    """Makes further engines of one worker on the same Ray."""
    opened: list[RayEngine] = []

    def make(setup: RunnerSetup, cluster: Cluster = HALF) -> RayEngine:
        opened.append(RayEngine(setup, 1, cluster))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def process_ids(engine: RayEngine) -> list[int]:
    found: list[int] = engine._ray.get([w.actor.process_id.remote() for w in engine._workers])
    return found


def search_at_random(
    folder: Path, setup: RunnerSetup, engine: Engine, on_news: Callable[[Message], None]
) -> list[Trial]:
    """Returns the four trials of a random search over the sound family."""
    space = load_space(setup.spaces[1:]).discover(prepared(Task.RATING).spec, samples=1)
    objective = Objective("rmse", "min")
    study = Study(folder, RandomDriver(space, objective, 0, 4, 3), objective, seed=0)
    reason = search(study, engine, Budget(), on_news)
    study.close()
    assert reason == "the limit of 4 trials was reached"
    return list(study.trials)


def without_clock(trial: Trial) -> dict[str, Any]:
    curve = [(point.epoch, point.metrics) for point in trial.curve]
    left_out = ("seconds", "peak_memory_mb", "attempt", "crashes")
    return {k: v for k, v in vars(trial).items() if k not in left_out} | {"curve": curve}


@pytest.mark.slow
def test_killed_worker_is_replaced_and_the_table_is_that_of_the_local_engine(
    tmp_path: Path, setup: RunnerSetup, engine: RayEngine, capfd: pytest.CaptureFixture[str]
) -> None:
    before = process_ids(engine)
    killed: list[int] = []
    crashes: list[Outcome] = []

    def kill_once(message: Message) -> None:
        if isinstance(message.news, Epoch) and not killed:
            number = [worker.trial_id for worker in engine._workers].index(message.trial_id)
            killed.append(before[number])
            os.kill(before[number], signal.SIGKILL)
        if isinstance(message.news, Outcome) and message.news.crashed:
            crashes.append(message.news)

    for name in ("ray", "local"):
        (tmp_path / name).mkdir()
    found = search_at_random(tmp_path / "ray", setup, engine, kill_once)
    local_engine = LocalEngine(setup, 2)
    expected = search_at_random(tmp_path / "local", setup, local_engine, lambda message: None)
    local_engine.close()
    assert [trial.state for trial in found] == [TrialState.COMPLETED] * 4
    assert [without_clock(trial) for trial in found] == [without_clock(t) for t in expected]
    assert [len(trial.curve) for trial in found] == [3] * 4
    assert len({trial.score for trial in found}) == 4
    assert sorted(trial.attempt for trial in found) == [1, 1, 1, 2]
    (crash,) = crashes
    assert crash.message.startswith("The Ray worker died (ActorDiedError: The actor died unexpect")
    assert [pid for pid in before if not is_running(pid)] == killed
    assert capfd.readouterr().out == ""


def test_engine_counts_its_free_workers(engine: RayEngine) -> None:
    assert engine.free_workers() == 2
    assert engine.wait() == []
    engine.submit(assignment(0, epochs=1))
    assert engine.free_workers() == 1
    assert until_outcome(engine).state is TrialState.COMPLETED
    assert engine.free_workers() == 2


def test_error_in_a_builder_is_an_outcome_and_leaves_the_worker_alive(engine: RayEngine) -> None:
    before = process_ids(engine)
    (outcome,) = run_all(engine, [assignment(0, fault="raise")])["0000"]
    assert (outcome.state, outcome.crashed) == (TrialState.FAILED, False)
    assert outcome.message.startswith("ZeroDivisionError: devices: '' (at faulty.py:")
    assert process_ids(engine) == before


def test_builder_that_exits_fails_alone(engine: RayEngine) -> None:
    news = run_all(engine, [assignment(0, fault="leave"), assignment(1)])
    (outcome,) = news["0000"]
    assert (outcome.state, outcome.crashed) == (TrialState.FAILED, False)
    assert outcome.message.startswith("SystemExit: 7")
    assert len(numbers(news["0001"])) == 2


@pytest.mark.slow
def test_trial_that_takes_too_long_is_stopped_and_leaves_a_fresh_worker(
    engine: RayEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [worker.actor for worker in engine._workers]
    monkeypatch.setattr(engine, "_trial_seconds", 3.0)  # a build takes less on a busy machine
    engine.submit(assignment(0, epochs=10**6))
    outcome = until_outcome(engine)
    assert (outcome.state, outcome.crashed) == (TrialState.STOPPED_EARLY, False)
    assert outcome.message == "The trial took longer than 0.05 minutes."
    assert engine.free_workers() == 2
    assert sum(worker.actor in before for worker in engine._workers) == 1


@pytest.mark.slow
def test_stopped_trial_can_be_continued_and_what_waits_for_a_worker_is_handed_back(
    tmp_path: Path,
    setup: RunnerSetup,
    engine: RayEngine,
    open_engine: Callable[..., RayEngine],
) -> None:
    template = str(tmp_path / "0000-{epoch}.npz")
    stopping = open_engine(setup)
    stopping.submit(replace(assignment(0, epochs=10**6), stop_checkpoint=template))
    (first,) = stopping.wait()
    assert isinstance(first.news, Epoch)
    stopping.stop_after_epoch()
    outcome = until_outcome(stopping)
    assert (outcome.state, outcome.checkpoint_saved) == (TrialState.WAITING, True)
    last = outcome.curve[-1].epoch

    stopping.submit(assignment(1))
    assert stopping.wait() == [Message("0001", Outcome(TrialState.WAITING))]
    assert stopping.free_workers() == 1

    path = template.format(epoch=last)
    rest = replace(assignment(0, epochs=last + 1), initial_epoch=last, load_checkpoint=path)
    continued = numbers(run_all(engine, [rest])["0000"])
    whole = numbers(run_all(engine, [assignment(0, epochs=last + 1)])["0000"])
    assert whole == [*(dict(point.metrics) for point in outcome.curve), *continued]


@pytest.mark.slow
def test_worker_that_cannot_read_the_data_tells_why(
    tmp_path: Path, setup: RunnerSetup, open_engine: Callable[..., RayEngine]
) -> None:
    absent = open_engine(replace(setup, data_dir=str(tmp_path / "absent")))
    (outcome,) = run_all(absent, [assignment(0)])["0000"]
    assert (outcome.state, outcome.crashed) == (TrialState.FAILED, False)
    assert outcome.message.startswith("The worker could not start: ")
    assert str(tmp_path / "absent") in outcome.message


@pytest.mark.slow
def test_worker_that_dies_as_it_starts_costs_the_waiting_trial_an_attempt(
    tmp_path: Path, setup: RunnerSetup, open_engine: Callable[..., RayEngine]
) -> None:
    (tmp_path / "deadly.py").write_text("import os\nos._exit(3)\n")
    deadly = open_engine(replace(setup, spaces=(f"{tmp_path / 'deadly.py'}:build",)))
    (outcome,) = run_all(deadly, [assignment(0)])["0000"]
    assert (outcome.state, outcome.crashed) == (TrialState.FAILED, True)
    assert outcome.message.startswith("The Ray worker ")


def test_engine_without_room_for_a_worker_says_so_and_can_be_stopped(
    setup: RunnerSetup,
    open_engine: Callable[..., RayEngine],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(ray_module, "NOTICE_SECONDS", 0.0)
    waiting = open_engine(setup, Cluster(gpus_per_trial=10**6))
    waiting.submit(assignment(0))
    timer = threading.Timer(0.7, waiting.stop_after_epoch)
    timer.start()
    with caplog.at_level(logging.WARNING):
        assert waiting.wait() == [Message("0000", Outcome(TrialState.WAITING))]
    timer.join()
    assert "No Ray worker has started yet" in caplog.text


def test_ray_of_this_machine_listens_on_loopback_alone(engine: RayEngine) -> None:
    psutil = pytest.importorskip("psutil", reason="it tells the ports; Ray does without")
    listening = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # Ray starts and ends processes meanwhile
            listening += [
                connection.laddr.ip
                for connection in child.net_connections()
                if connection.status == psutil.CONN_LISTEN
            ]
    assert len(listening) >= 5
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


@pytest.mark.slow
def test_whole_run_on_ray_workers(tmp_path: Path, engine: RayEngine) -> None:
    run = recsearch.search(
        str(write_builder(tmp_path)),
        data=str(write_ratings(tmp_path / "r.csv")),
        task="rating",
        tuner="random",
        max_trials=3,
        max_epochs=2,
        engine="ray",
        workers=2,
        cpus_per_trial=0.25,
        out=str(tmp_path / "run"),
    )
    table = run.trials()
    assert list(table["state"]) == ["COMPLETED"] * 3
    assert table["score"].between(0, 5).all()
    assert (tmp_path / "run" / "best" / "saved_model" / "1" / "saved_model.pb").exists()
    assert engine._ray.is_initialized()  # a connection that was there before stays


@pytest.mark.slow
def test_engine_of_another_process_joins_by_address_and_leaves_the_cluster_up(
    setup: RunnerSetup, engine: RayEngine
) -> None:
    address = engine._ray.get_runtime_context().gcs_address
    done = subprocess.run(
        [sys.executable, "-c", OWNER, setup.spaces[0], setup.data_dir, address],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "TrialState.COMPLETED" in done.stdout
    assert all(map(is_running, process_ids(engine)))


@pytest.mark.slow
def test_worker_ends_with_an_owner_that_is_killed(setup: RunnerSetup) -> None:
    command = [sys.executable, "-c", OWNER, setup.spaces[0], setup.data_dir]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        worker = int(owner.stdout.readline())
        assert is_running(worker)
        owner.kill()
        deadline = time.monotonic() + 15
        while is_running(worker):
            assert time.monotonic() < deadline, "the worker outlives its owner"
            time.sleep(0.1)


def test_more_gpus_than_this_machine_has_are_refused() -> None:
    cluster_module._require_gpus(1.5, 2)
    with pytest.raises(
        UsageError, match=r"need 2\.5 GPUs in total, but this machine has 2\. Lower --work"
    ):
        cluster_module._require_gpus(2.5, 2)


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nonsense", "127.0.0.1:99999"])
def test_address_without_a_cluster_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match=rf"can be joined at --address {address} .*HOST:PORT or"):
        cluster_module.require_answer(address)


def test_ray_that_cannot_be_imported_names_the_install_line(
    setup: RunnerSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'recsearch\[ray\]'"):
        RayEngine(setup, 1, Cluster())


def test_closed_engine_leaves_no_process(engine: RayEngine) -> None:
    """Stands last: no test can use the engine of this module after it."""
    before = signal.getsignal(signal.SIGTERM)
    engine.submit(assignment(0, epochs=10**6))
    (first,) = engine.wait()
    assert isinstance(first.news, Epoch)
    workers = process_ids(engine)
    engine.close()
    deadline = time.monotonic() + 15
    while any(map(is_running, workers)):
        assert time.monotonic() < deadline, "a worker outlives its engine"
        time.sleep(0.1)
    assert not engine._ray.is_initialized()
    assert signal.getsignal(signal.SIGTERM) is not before  # Ray's handler is gone
    engine.close()
