"""A worker process and what user code does to it, without a search around it."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from recsearch.errors import BuildError, SpaceError
from recsearch.text.printable import error_text
from recsearch.tuning.engines.helper import CallError, HelperProcess, InlineHelper
from recsearch.tuning.engines.process import WorkerDiedError, WorkerProcess

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


class OddError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def require_ended(pid: int) -> None:
    deadline = time.monotonic() + 10
    while is_running(pid):
        assert time.monotonic() < deadline, "a process remains"
        time.sleep(0.05)


def start_session_of_its_own(pipe: Connection) -> None:
    with subprocess.Popen(SLEEP, start_new_session=True) as program:
        pipe.send(program.pid)


def test_program_in_a_session_of_its_own_ends_with_its_worker() -> None:
    worker = WorkerProcess(start_session_of_its_own)
    program = worker.receive_before(time.monotonic() + 60)
    assert is_running(program)
    assert os.getsid(program) == program
    worker.kill()
    require_ended(program)


def fork_and_go_on(pipe: Connection) -> None:
    os.fork()
    pipe.send(os.getpid())
    time.sleep(600)


def test_child_that_goes_on_does_not_answer_for_its_worker() -> None:
    worker = WorkerProcess(fork_and_go_on)
    assert worker.receive_before(time.monotonic() + 60) == worker.process.pid
    with pytest.raises(TimeoutError):
        worker.receive_before(time.monotonic() + 1)
    worker.kill()


def replace_program(pipe: Connection) -> None:
    os.execv(sys.executable, SLEEP)


def test_worker_that_replaces_its_program_has_ended() -> None:
    worker = WorkerProcess(replace_program)
    try:
        with pytest.raises(WorkerDiedError, match="replaced its program"):
            worker.receive_before(time.monotonic() + 60)
    finally:
        worker.kill()


def answer(pipe: Connection) -> None:
    pipe.send("here")
    time.sleep(600)


def test_worker_starts_although_the_fork_server_was_killed() -> None:
    first = WorkerProcess(answer)
    assert first.receive_before(time.monotonic() + 60) == "here"
    os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)  # type: ignore[attr-defined]
    second = WorkerProcess(answer)
    try:
        assert second.receive_before(time.monotonic() + 60) == "here"
    finally:
        second.kill()
        first.kill()


def say_and_raise(say: Any, kind: str) -> None:
    say("begun")
    raise {
        "system": OSError("no such table"),
        "file": FileNotFoundError(2, "No such file", "/x"),
        "exit": SystemExit(0),
        "any": BaseException("any"),
        "odd": OddError(),
    }[kind]


MESSAGES = {
    "system": "OSError: no such table",
    "file": "FileNotFoundError: .* No such file.*: '/x'",
    "exit": "SystemExit: 0",
    "any": "BaseException: any",
    "odd": r"OddError: \(its message cannot be read\)",
}


@pytest.fixture(params=["process", "inline"])
def helper(request: pytest.FixtureRequest) -> Any:
    with HelperProcess() as process:
        yield process if request.param == "process" else InlineHelper()


@pytest.mark.parametrize("kind", MESSAGES)
def test_whatever_user_code_raises_is_a_call_that_failed(helper: Any, kind: str) -> None:
    heard: list[str | None] = []
    with pytest.raises(CallError, match=MESSAGES[kind]):
        helper.call(say_and_raise, kind, say=heard.append)
    assert heard == ["begun"]


def fail_to_build(say: Any) -> None:
    raise BuildError("the builder failed")


def test_kind_of_an_error_survives_the_way_out_of_the_process() -> None:
    with HelperProcess() as helper, pytest.raises(BuildError, match="the builder failed"):
        helper.call(fail_to_build)
    assert issubclass(BuildError, SpaceError)


def process_id(say: Any) -> int:
    return os.getpid()


def leave_directory(say: Any) -> None:
    os.chdir("/")


def current_directory(say: Any) -> str:
    return os.getcwd()


def test_call_after_one_that_failed_has_a_fresh_process() -> None:
    with HelperProcess() as helper:
        first = helper.call(process_id)
        assert helper.call(process_id) == first
        with pytest.raises(CallError):
            helper.call(say_and_raise, "odd")
        assert helper.call(process_id) != first


def test_call_begins_in_the_directory_of_the_process() -> None:
    with HelperProcess() as helper:
        home = helper.call(current_directory)
        assert home != "/"
        helper.call(leave_directory)
        assert helper.call(current_directory) == home


@pytest.mark.parametrize("number", [28, 30])
def test_full_or_read_only_disk_is_no_fault_of_user_code(helper: Any, number: int) -> None:
    with pytest.raises(OSError, match="/some/file") as raised:
        helper.call(raise_from_system, number)
    assert raised.value.errno == number


def raise_from_system(say: Any, number: int) -> None:
    raise OSError(number, os.strerror(number), "/some/file")


def test_worker_that_has_ended_leaves_no_process() -> None:
    before = set(multiprocessing.active_children())
    worker = WorkerProcess(os._exit)  # called with the pipe, which is no number
    with pytest.raises(WorkerDiedError, match="exit code 1"):
        worker.receive_before(time.monotonic() + 60)
    worker.kill()
    assert set(multiprocessing.active_children()) <= before


def test_message_of_an_error_is_always_a_text() -> None:
    assert error_text(OddError()) == "OddError: (its message cannot be read)"
