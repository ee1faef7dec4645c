"""A worker process: forked from a server that has imported TensorFlow, killed with its children.

User code runs only in such processes. It may crash, exit, block, fork, replace its program or close
its descriptors: the owner notices this by the pipe or by the end of the process, and kills the
process group.
"""

import multiprocessing
import os
import secrets
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from typing import Any

from recsearch.tuning.engines.leftovers import claim
from recsearch.tuning.engines.strays import end_strays, mark_worker

STARTS = 3  # attempts to start a process
GRACE_SECONDS = 2.0  # a process whose pipe has closed gets this time to exit, with an exit code


def start_fork_server() -> None:
    """Starts the process that workers are forked from, unless it already runs.

    It imports TensorFlow, which takes seconds: start it early to hide the wait.
    """
    multiprocessing.set_forkserver_preload(["recsearch.tuning.engines.preload"])
    claim()
    forkserver.ensure_running()


class WorkerDiedError(Exception):
    """The process has ended or no longer answers; the message says how."""


class WorkerProcess:
    """A process that runs `target(pipe, *args)`.

    Args:
        target: A function at the top level of a module; its first argument is the process's end of
            the pipe.
        args: Its further arguments.
    """

    def __init__(self, target: Callable[..., None], *args: Any) -> None:
        context = multiprocessing.get_context("forkserver")
        self.pipe, theirs = context.Pipe()
        self._token = secrets.token_hex(8)
        self.process = context.Process(
            target=_live, args=(theirs, self._token, target, args), daemon=True
        )
        self._killed = False
        with _without_main():
            _start(self.process)
        theirs.close()  # so that the end of the process closes the pipe

    def send(self, value: Any) -> None:
        """Sends a value; `receive` reports a process that has ended."""
        with suppress(OSError):
            self.pipe.send(value)

    def receive(self) -> Any:
        """Returns the next value that the process has sent.

        Raises:
            WorkerDiedError: If it has ended, or replaced its program, or closed its pipe.
        """
        try:
            if self.pipe.poll() or not _ended(self):
                return self.pipe.recv()
        except (EOFError, OSError):
            pass
        self._wait_briefly()
        raise WorkerDiedError(self._how_it_ended())

    def receive_before(self, deadline: float) -> Any:
        """Returns the next value; raises TimeoutError at a time of the monotonic clock."""
        if not wait_for([self], deadline):
            raise TimeoutError
        return self.receive()

    def _wait_briefly(self) -> None:
        self.process.join(GRACE_SECONDS)

    def _how_it_ended(self) -> str:
        code = self.process.exitcode
        if code is None:
            return "it closed its connection or replaced its program, so it was killed"
        if code >= 0:
            return f"exit code {code}; user code may have called sys.exit or os._exit"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else "unknown"
        if -code == signal.SIGKILL and not self._killed:
            return f"signal {-code}, {name}; the usual cause is running out of memory"
        return f"signal {-code}, {name}"

    def kill(self) -> None:
        """Kills the process and all processes of its group; waits until it has ended."""
        self._killed = True
        if self.process.pid is not None:
            with suppress(OSError):  # there is no such group any more, or not yet
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.join()
        end_strays(self._token)
        self.pipe.close()


def wait_for(workers: list[WorkerProcess], deadline: float) -> list[WorkerProcess]:
    """Returns the workers that have sent something or ended; [] at the monotonic deadline."""
    timeout = None if deadline == float("inf") else max(0.0, deadline - time.monotonic())
    objects: dict[Any, WorkerProcess] = {}
    for worker in workers:
        objects[worker.pipe] = objects[worker.process.sentinel] = worker
    ready = wait(list(objects), timeout)
    found = {id(objects[each]) for each in ready}
    return [worker for worker in workers if id(worker) in found]


def _ended(worker: WorkerProcess) -> bool:
    return bool(wait([worker.process.sentinel], 0))


def _start(process: Any) -> None:
    """Starts a process, with a new fork server if user code has killed the previous one."""
    for attempt in range(STARTS):
        start_fork_server()
        try:
            process.start()
            return
        except (EOFError, OSError):
            if attempt + 1 == STARTS:
                raise
            time.sleep(0.2)  # until the end of the fork server shows


@contextmanager
def _without_main() -> Iterator[None]:
    """Keeps a new process from importing the caller's main script again.

    Workers do not need it, and a script without `if __name__ == "__main__"` would start the
    search once more in each worker.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _live(pipe: Connection, token: str, target: Callable[..., None], args: tuple[Any, ...]) -> None:
    """Runs in a worker process, in its own process group."""
    os.setpgrp()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the owner handles them
        signal.signal(number, signal.SIG_IGN)
    os.dup2(2, 1)  # the owner's standard output is for results, not for prints of user code
    _be_the_first_victim()
    mark_worker(token)
    _exit_with_owner(token)
    # The pipe closes where user code replaces the program; a descriptor that came through the
    # socket of the fork server would stay open.
    os.set_inheritable(pipe.fileno(), False)
    # A child that user code forks must not answer in place of this process.
    os.register_at_fork(after_in_child=pipe.close)
    with suppress(EOFError, OSError, KeyboardInterrupt):  # the owner, or the pipe, has gone
        target(pipe, *args)


def _be_the_first_victim() -> None:
    """Lets the kernel kill this process, not the owner, if memory runs out (Linux only)."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def _exit_with_owner(token: str) -> None:
    """Ends this process and its children as soon as its owner has ended.

    The owner is the process that created the worker, though the fork server is the real parent. It
    has the only other end of a pipe, so the kernel always reports its end at once.
    """
    owner = multiprocessing.parent_process()

    def watch() -> None:
        if owner is not None:
            owner.join()
            end_strays(token)
            os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
