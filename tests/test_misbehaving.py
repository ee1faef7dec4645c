"""User code that crashes, exits, blocks or escapes costs one configuration, never the run."""

import importlib.util
import os
import time
from pathlib import Path
from typing import Any

import pytest
from misbehaving import FAULTS, write_builder
from small_run import write_ratings

import recsearch
from recsearch.api.run import Run
from recsearch.console.progress import Silent
from recsearch.errors import SpaceError
from recsearch.study.trial import TrialState
from recsearch.workflow.flow import resume

HARMLESS = ("output", "surroundings")
MESSAGES = {
    "segfault": "signal 11, SIGSEGV",
    "exit": "SystemExit: 0",
    "hard_exit": "exit code 3",
    "interrupt": "KeyboardInterrupt",
    "fork": "exit code 0",
    "exec": "replaced its program",
    "signals": "all signals are blocked",
    "surrogate": r"no file \udcff\x1b[2J",
    "hang": "took longer than 0.1 minutes",
}
ALWAYS = [("segfault", "build"), ("fork", "training"), ("surrogate", "build"), ("hang", "build")]
CASES = [
    pytest.param(fault, where, marks=[] if (fault, where) in ALWAYS else pytest.mark.slow)
    for fault in FAULTS
    for where in ("build", "training")
]


def search(folder: Path, fault: str, where: str, **changes: Any) -> Run:
    settings = {
        "data": str(write_ratings(folder / "ratings.csv")),
        "task": "rating",
        "tuner": "random",
        "max_trials": 3,
        "max_epochs": 1,
        "enqueue": [f"fault={fault}", "fault=none"],
        "out": str(folder / "run"),
        "workers": 2,
        "search_only": True,
        **({"trial_minutes": 0.1} if fault == "hang" else {}),
        **changes,
    }
    return recsearch.search(write_builder(folder / "space.py", fault, where), **settings)


def require_no_process(folder: Path) -> None:
    """Waits until none of the processes that misbehaved is left."""
    deadline = time.monotonic() + 10
    pids = [int(line) for line in (folder / "pids").read_text().split()]
    while any(is_running(pid) for pid in set(pids) - {os.getpid()}):
        assert time.monotonic() < deadline, "a process remains"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize(("fault", "where"), CASES)
def test_fault_costs_one_configuration(fault: str, where: str, tmp_path: Path, capfd) -> None:
    run = search(tmp_path, fault, where)
    trials = {trial.values.get("fault"): trial for trial in run.state.history}
    assert trials["none"].score is not None
    faulty = trials[fault]
    if fault in HARMLESS:
        assert faulty.score is not None
    else:
        assert faulty.state is TrialState.FAILED
        assert MESSAGES.get(fault, "") in faulty.message
    require_no_process(tmp_path)
    assert "xxx" not in capfd.readouterr().out  # standard output is for results


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
@pytest.mark.parametrize(
    ("fault", "where", "message"),
    [
        ("segfault", "build", "The Ray worker died"),
        ("exec", "training", "The Ray worker died"),
        ("exit", "build", "SystemExit: 0"),
        ("interrupt", "training", "KeyboardInterrupt"),
        ("surrogate", "build", r"no file \udcff\x1b[2J"),
    ],
)
def test_fault_costs_one_configuration_on_ray_too(
    fault: str, where: str, message: str, tmp_path: Path
) -> None:
    run = search(tmp_path, fault, where, engine="ray", workers=1, max_trials=2)
    faulty, other = run.state.history
    assert faulty.state is TrialState.FAILED
    assert message in faulty.message
    assert other.score is not None
    require_no_process(tmp_path)


def test_run_whose_builder_crashed_is_resumed_to_its_end(tmp_path: Path) -> None:
    directory = search(tmp_path, "hard_exit", "build").directory
    finished = resume(directory, {"max_trials": 4}, Silent())
    assert len(finished.state.trials) == 4
    assert finished.metrics is not None
    require_no_process(tmp_path)


def test_builder_that_ends_its_process_at_its_defaults_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ending.py"
    path.write_text("import os\n\n\ndef build(hp, data):\n    os._exit(5)\n")
    with pytest.raises(SpaceError, match=r"ending .* failed at its default values: .*exit code 5"):
        recsearch.search(f"{path}:build", data=str(write_ratings(tmp_path / "ratings.csv")))


def test_module_that_exits_on_import_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "leaving.py"
    path.write_text("import sys\n\nsys.exit(0)\n")
    with pytest.raises(SpaceError, match=r"leaving.py cannot be imported: SystemExit: 0"):
        recsearch.search(f"{path}:build", data=str(write_ratings(tmp_path / "ratings.csv")))


@pytest.mark.parametrize("fault", ["exit", "surrogate", "output", "surroundings"])
def test_inline_engine_survives_what_can_be_survived(fault: str, tmp_path: Path) -> None:
    home, environment = Path.cwd(), dict(os.environ)
    try:
        run = search(tmp_path, fault, "training", engine="inline", workers=1)
    finally:
        os.chdir(home)
        os.environ.update(environment)
    assert [t.score is not None for t in run.state.history][1]
