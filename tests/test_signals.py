"""What a closed terminal and kills do to a run in a process of its own, and what they leave."""

import fcntl
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small_run import run_settings

from recsearch.results import load_run
from recsearch.tuning.engines.leftovers import MARKER, remove_abandoned

pytestmark = pytest.mark.slow  # complete searches

RUN = """
import json, sys
from recsearch.cli.program import main

sys.exit(main(json.loads(sys.argv[1])))
"""


class Started:
    """A run of endless epochs on a terminal of its own, with a folder for temporary files."""

    def __init__(self, folder: Path) -> None:
        settings = run_settings(folder)
        self.directory = Path(settings["out"])
        self.temporary = Path(tempfile.mkdtemp())  # short: the path of a socket is limited
        space = settings["spaces"][0]
        flags = ["--data", settings["data"], "--task", "rating", "--max-epochs", str(10**6)]
        argv = ["run", space, *flags, "--tuner", "random", "--out", str(self.directory)]
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ["TMPDIR"] = str(self.temporary)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
            os.execv(sys.executable, [sys.executable, "-c", RUN, json.dumps(argv)])

    def folders(self) -> list[Path]:
        return list(self.temporary.glob("pymp-*"))

    def until(self, condition: Callable[[], bool], seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        os.set_blocking(self.terminal, False)
        while not condition():
            assert time.monotonic() < deadline
            try:
                os.read(self.terminal, 1 << 16)  # a full terminal would stop the run
            except (BlockingIOError, OSError):
                time.sleep(0.02)

    def trains(self) -> bool:
        path = self.directory / "journal.jsonl"
        return path.exists() and '"epoch"' in path.read_text()

    def close_terminal(self) -> None:
        os.close(self.terminal)
        self.terminal = -1

    def exit_code(self) -> int:
        deadline = time.monotonic() + 60
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    run = Started(tmp_path / "files")
    try:
        run.until(run.trains)
        assert len(run.folders()) == 1
        yield run
    finally:
        if run.pid:
            os.kill(run.pid, signal.SIGKILL)
            os.waitpid(run.pid, 0)
        if run.terminal >= 0:
            os.close(run.terminal)
        shutil.rmtree(run.temporary)


def wait_until_gone(found: Callable[[], list[Path]]) -> None:
    deadline = time.monotonic() + 15
    while found():
        assert time.monotonic() < deadline, found()
        time.sleep(0.02)


def test_closed_terminal_ends_the_run_after_its_epoch_as_sigterm_does(started: Started) -> None:
    started.close_terminal()
    assert started.exit_code() == 130
    (trial,) = load_run(started.directory).state.trials.values()
    assert trial.state == "WAITING"
    assert trial.checkpoint == f"checkpoints/0000-{len(trial.curve)}.npz"
    wait_until_gone(started.folders)


def test_killed_run_leaves_no_folder_of_its_fork_server(started: Started) -> None:
    before = set(Path("/dev/shm").iterdir()) if Path("/dev/shm").is_dir() else set()
    os.kill(started.pid, signal.SIGKILL)
    assert started.exit_code() == -signal.SIGKILL
    wait_until_gone(started.folders)
    after = set(Path("/dev/shm").iterdir()) if Path("/dev/shm").is_dir() else set()
    assert after <= before


def test_folder_of_a_run_whose_processes_were_all_killed_goes_with_the_next_run(
    started: Started,
) -> None:
    assert remove_abandoned(started.temporary) == []  # its owner lives
    os.killpg(started.pid, signal.SIGKILL)  # pty.fork made a group of its own
    started.exit_code()
    (folder,) = started.folders()
    assert remove_abandoned(started.temporary) == [folder]
    assert not folder.exists()


def test_folders_of_others_are_left_alone(tmp_path: Path) -> None:
    unmarked, owned, linked = (tmp_path / f"pymp-{name}" for name in ("other", "owned", "linked"))
    kept = tmp_path / "kept"
    for folder in (unmarked, owned, kept):
        folder.mkdir()
    (kept / MARKER).touch()
    linked.symlink_to(kept)
    (unmarked / "listener-1").touch()
    with (owned / MARKER).open("w") as marker:
        fcntl.flock(marker, fcntl.LOCK_EX)
        assert remove_abandoned(tmp_path) == []
        assert kept.is_dir()
    assert remove_abandoned(tmp_path) == [owned]
    assert {unmarked, kept} <= set(tmp_path.iterdir())


def test_run_under_nohup_ignores_a_closed_terminal() -> None:
    script = """
import os, signal
from recsearch.tuning.loop import stoppable
signal.signal(signal.SIGHUP, signal.SIG_IGN)
with stoppable(None, print) as stopped:
    os.kill(os.getpid(), signal.SIGHUP)
    print(stopped())
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
