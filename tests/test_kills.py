"""Real processes that are killed: workers at the worst moments, the owner alone, a whole run."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import keras_tuner
import pytest
from prepared import prepared_with_ids
from small_run import run_settings
from test_run import command, cut_after, events, same_results

from recsearch.console.progress import Silent
from recsearch.data.store import write_prepared
from recsearch.data.task import Task
from recsearch.study.study import MAX_CRASHES, Study
from recsearch.study.trial import Objective, Outcome, Trial, TrialState
from recsearch.tuning.drivers.hyperband import HyperbandDriver
from recsearch.tuning.engines.engine import Message
from recsearch.tuning.engines.local import LocalEngine
from recsearch.tuning.engines.runner import RunnerSetup
from recsearch.tuning.loop import Budget, search
from recsearch.workflow.final.stages import STAGES
from recsearch.workflow.flow import resume

BUILDER = '''
"""Trains in steps of 400 ratings; a file beside it counts down to the death of the process."""

import fcntl
import os
import signal
import stat
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from recsearch.nn import Pairs, Recommender


def is_due(name):
    path = Path(__file__).with_name(name)
    with path.with_suffix(".lock").open("a") as lock:  # two workers count in one file
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            return False
        left = int(path.read_text()) - 1
        path.write_text(str(left))
        if left == 0:
            path.unlink()
        return left == 0


def die_if_due(name):
    if is_due(name):
        os.kill(os.getpid(), signal.SIGKILL)
    return np.float32(0)


def sync(descriptor, really=os.fsync):
    about = os.fstat(descriptor)
    if stat.S_ISREG(about.st_mode) and is_due("checkpoint"):  # names in a directory are synced too
        os.ftruncate(descriptor, about.st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    really(descriptor)


os.fsync = sync


def loss(target, output):
    death = tf.numpy_function(lambda: die_if_due("step"), [], tf.float32)
    return tf.square(target - output) + tf.reshape(death, [])


def build(hp, data):
    rate = hp.Float("rate", 0.1, 1.0, default=0.5)
    if hp.Choice("deadly", ["no", "yes"]) == "yes":
        os.kill(os.getpid(), signal.SIGKILL)
    die_if_due("start")
    user = keras.Input((), dtype="int32", name="user_id")
    item = keras.Input((), dtype="int32", name="item_id")
    sides = [
        keras.layers.Embedding(size, 4)(index)
        for size, index in ((data.num_users, user), (data.num_items, item))
    ]
    model = keras.Model([user, item], keras.layers.Dense(1)(keras.layers.Concatenate()(sides)))
    model.compile(keras.optimizers.SGD(rate / 100, momentum=0.5), loss)
    return Recommender(model, Pairs(), batch_size=400)
'''

RMSE = Objective("rmse", "min")


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> RunnerSetup:
    folder = tmp_path_factory.mktemp("kills")
    (folder / "trapped.py").write_text(BUILDER)
    write_prepared(folder / "data", *prepared_with_ids(Task.RATING))
    return RunnerSetup(
        (f"{folder / 'trapped.py'}:build",), (), str(folder / "data"), ("rmse",), seed=0
    )


@pytest.fixture(scope="module")
def engine(setup: RunnerSetup) -> Iterator[LocalEngine]:
    engine = LocalEngine(setup, 2)
    yield engine
    engine.close()


def run_hyperband(
    directory: Path, engine: LocalEngine, deadly: Sequence[str] = ("no",), seed: int = 0
) -> tuple[list[Trial], list[Outcome]]:
    """Returns the trials of 3 x 1 epoch -> 1 x 3, then 2 x 3, and the crashes on the way."""
    space = keras_tuner.HyperParameters()
    space.Choice("space", ["trapped"])
    with space.conditional_scope("space", ["trapped"]):
        space.Float("trapped/rate", 0.1, 1.0, default=0.5)
        space.Choice("trapped/deadly", list(deadly))
    heard: list[Message] = []
    directory.mkdir()
    study = Study(directory, HyperbandDriver(space, RMSE, seed, max_epochs=3), RMSE, seed)
    with closing(study):
        search(study, engine, Budget(), heard.append)
    crashes = [m.news for m in heard if isinstance(m.news, Outcome) and m.news.crashed]
    return list(study.trials), crashes


def results(trials: list[Trial]) -> list[tuple[object, ...]]:
    return [
        (t.trial_id, dict(t.values), t.state, t.score, [dict(p.metrics) for p in t.curve])
        for t in trials
    ]


@pytest.fixture(scope="module")
def undisturbed(
    engine: LocalEngine, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[object, ...]]:
    trials, crashes = run_hyperband(tmp_path_factory.mktemp("undisturbed") / "run", engine)
    assert crashes == []
    assert {t.state for t in trials} == {TrialState.COMPLETED, TrialState.STOPPED_EARLY}
    return results(trials)


@pytest.mark.parametrize(("moment", "countdown"), [("start", 2), ("step", 5), ("checkpoint", 3)])
def test_worker_killed_at_any_moment_costs_no_trial_and_changes_no_score(
    tmp_path: Path,
    setup: RunnerSetup,
    engine: LocalEngine,
    undisturbed: list[tuple[object, ...]],
    moment: str,
    countdown: int,
) -> None:
    """The fifth step is in the middle of an epoch of three, wherever that is."""
    trap = Path(setup.spaces[0].removesuffix(":build")).with_name(moment)
    trap.write_text(str(countdown))
    trials, crashes = run_hyperband(tmp_path / "run", engine)
    assert not trap.exists()
    assert ["signal 9" in crash.message for crash in crashes] == [True]
    assert results(trials) == undisturbed
    starts = events(tmp_path / "run", "trial_started")
    assert sorted(event["attempt"] for event in starts)[-2:] == [1, 2]
    left = [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()]
    assert not [name for name in left if not name.endswith(".npz")]


def test_configurations_that_always_kill_their_worker_fail_and_the_search_goes_on(
    tmp_path: Path, engine: LocalEngine
) -> None:
    trials, crashes = run_hyperband(tmp_path / "run", engine, deadly=("no", "yes"), seed=3)
    failed = [t for t in trials if t.values["deadly"] == "yes"]
    rest = [t for t in trials if t.values["deadly"] == "no"]
    assert failed
    assert {t.state for t in failed} == {TrialState.FAILED}
    assert [t.attempt for t in failed] == [MAX_CRASHES] * len(failed)
    assert all("signal 9" in t.message for t in failed)
    assert len(crashes) == MAX_CRASHES * len(failed)
    assert {t.state for t in rest} <= {TrialState.COMPLETED, TrialState.STOPPED_EARLY}
    assert max(len(t.curve) for t in rest) == 3


def members(session: int) -> set[int]:
    """Returns the processes of a session that run; one that only waits to be reaped does not."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, of_session = entry.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has ended meanwhile
            continue
        if int(of_session) == session and state != "Z":
            found.add(int(entry.parent.name))
    return found


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)


@pytest.mark.slow
def test_owner_killed_alone_takes_its_workers_along_before_they_write(tmp_path: Path) -> None:
    changes = {"engine": "local", "workers": 2, "tuner": "random", "max_epochs": 10**6}
    settings = run_settings(tmp_path / "long", **changes)
    directory = Path(settings["out"])
    with subprocess.Popen(command(settings), text=True, start_new_session=True) as run:

        def both_train() -> bool:
            path = directory / "journal.jsonl"
            return path.exists() and len({e["trial_id"] for e in events(directory, "epoch")}) == 2

        wait_for(both_train, run)
        assert len(members(run.pid)) >= 4  # the owner, the fork server and two workers
        killed, wall = time.monotonic(), time.time()
        run.kill()
        run.wait()
        while members(run.pid):
            assert time.monotonic() - killed < 5, "a worker outlives its owner"
            time.sleep(0.01)
    time.sleep(0.5)
    last = max(path.stat().st_mtime for path in directory.rglob("*"))
    assert last - wall < 0.2  # the clock of files is a few ms coarse


def kill_when(directory: Path, line: str, sign: Callable[[], bool]) -> None:
    """Resumes a run and kills its whole group, when it has said `line` and then shows a sign."""
    argv = [sys.executable, "-m", "recsearch", "resume", str(directory)]
    with subprocess.Popen(
        argv, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
    ) as run:
        assert run.stderr is not None
        assert any(told.startswith(line) for told in run.stderr)
        wait_for(sign, run)
        os.killpg(run.pid, signal.SIGKILL)


@pytest.mark.slow
def test_run_killed_while_it_retrains_and_while_it_exports_goes_on_there(
    tmp_path: Path, finished_run: Path
) -> None:
    directory = Path(shutil.copytree(finished_run, tmp_path / "copy"))
    kept = cut_after(directory, "searched")
    shutil.rmtree(directory / "best")
    kill_when(directory, "retraining", lambda: True)
    assert stages_after(directory, kept) == ["baselines_tuned"]
    kill_when(directory, "exporting", (directory / "best" / "saved_model" / "1").is_dir)
    assert stages_after(directory, kept) == ["baselines_tuned", "retrained", "tested"]
    finished = resume(directory, {}, Silent())
    assert stages_after(directory, kept) == [*STAGES]
    assert finished.metrics["test_looks"] == 1
    same_results(directory, finished_run)
    assert tree(directory / "best") == tree(finished_run / "best")
    assert json.loads((directory / "run.json").read_text())["schema"]


def stages_after(directory: Path, kept: int) -> list[str]:
    return [event["stage"] for event in events(directory)[kept:] if event["event"] == "stage"]


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
