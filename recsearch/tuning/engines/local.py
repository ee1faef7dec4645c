"""Worker processes of this machine, one thread each, forked from a server that knows TensorFlow.

Leaks, crashes and out-of-memory kills stay in the worker: it is replaced, and its trial is told as
crashed.
"""

import logging
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

from recsearch.tuning.engines.engine import Message, took_too_long
from recsearch.tuning.engines.leftovers import claim
from recsearch.tuning.engines.worker import prepare
from recsearch.tuning.trial import Assignment, Epoch, Outcome, TrialState

if TYPE_CHECKING:
    from recsearch.tuning.runner import RunnerSetup


def start_fork_server() -> None:
    """Starts the process that workers are forked from, unless it runs already.

    It imports TensorFlow, which takes seconds: who starts it early does not wait for it later.
    """
    multiprocessing.set_forkserver_preload(["recsearch.tuning.engines.preload"])
    claim()
    forkserver.ensure_running()


@dataclass
class _Worker:
    """A worker process, the pipe to it, what it is doing, and until when it may (monotonic).

    `known` are the trials that it has run: it may still have their models.
    """

    process: BaseProcess
    pipe: Connection
    trial_id: str | None = None
    deadline: float = math.inf
    known: set[str] = field(default_factory=set)


class LocalEngine:
    """Runs assignments in `num_workers` processes.

    Args:
        setup: What every worker prepares once.
        num_workers: Processes, at least 1.
        trial_minutes: How long one assignment may take before its worker is killed; None for ever.
    """

    def __init__(
        self, setup: "RunnerSetup", num_workers: int, trial_minutes: float | None = None
    ) -> None:
        self._setup = setup
        self._trial_seconds = math.inf if trial_minutes is None else 60 * trial_minutes
        start_fork_server()
        self._context = multiprocessing.get_context("forkserver")
        # No lock goes with it: a worker that is killed while it looks could not give one back.
        self._stop = self._context.RawValue("b", 0)
        self._workers = [self._start() for _ in range(num_workers)]

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_work, args=(theirs, self._setup, self._stop), daemon=True
        )
        with _without_main():
            process.start()
        theirs.close()  # so that the worker's death closes the pipe
        return _Worker(process, ours)

    def free_workers(self) -> int:
        """Returns how many workers have nothing to do."""
        return sum(worker.trial_id is None for worker in self._workers)

    def submit(self, assignment: Assignment) -> None:
        """Hands the assignment to a free worker, if there is a choice to one that knows it."""
        free = [worker for worker in self._workers if worker.trial_id is None]
        worker = max(free, key=lambda worker: assignment.trial_id in worker.known)
        worker.trial_id = assignment.trial_id
        worker.known.add(assignment.trial_id)
        worker.deadline = time.monotonic() + self._trial_seconds
        # A worker that has died since shows itself in `wait`: its pipe is at its end.
        try:
            worker.pipe.send(assignment)
        except ConnectionError:
            logging.getLogger(__name__).debug("worker %s is gone", worker.process.pid)

    def wait(self) -> list[Message]:
        """Waits for news of any busy worker; a dead one is replaced and its trial has crashed."""
        busy = {id(worker.pipe): worker for worker in self._workers if worker.trial_id}
        if not busy:  # the wait below would never end
            return []
        earliest = min(worker.deadline for worker in busy.values())
        timeout = None if earliest == math.inf else max(0.0, earliest - time.monotonic())
        ready = wait([worker.pipe for worker in busy.values()], timeout)
        if not ready:
            return [self._expire(w) for w in busy.values() if w.deadline <= time.monotonic()]
        return [self._receive(busy[id(pipe)]) for pipe in ready]

    def _receive(self, worker: _Worker) -> Message:
        trial_id = worker.trial_id or ""
        try:
            news: Epoch | Outcome = worker.pipe.recv()
        except (EOFError, OSError):
            news = self._bury(worker)
        if isinstance(news, Outcome):
            worker.trial_id = None
        return Message(trial_id, news)

    def _bury(self, worker: _Worker) -> Outcome:
        """Replaces a worker that has died; returns what that means for its trial."""
        worker.process.join()
        code = worker.process.exitcode
        self._replace(worker)
        reason = f"signal {-code}" if code and code < 0 else f"exit code {code}"
        message = f"The worker process died ({reason}). Out of memory is the usual cause."
        return Outcome(TrialState.FAILED, message=message, crashed=True)

    def _expire(self, worker: _Worker) -> Message:
        """Kills and replaces a worker whose trial has taken too long."""
        trial_id = worker.trial_id or ""
        worker.process.kill()
        worker.process.join()
        self._replace(worker)
        worker.trial_id = None
        return took_too_long(trial_id, self._trial_seconds)

    def _replace(self, worker: _Worker) -> None:
        worker.pipe.close()
        fresh = self._start()
        worker.process, worker.pipe, worker.known = fresh.process, fresh.pipe, fresh.known

    def stop_after_epoch(self) -> None:
        """Lets every running trial end after its epoch."""
        self._stop.value = 1

    def close(self) -> None:
        """Kills all workers: between events there is nothing that they could lose."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()


@contextmanager
def _without_main() -> Iterator[None]:
    """Keeps a new process from importing the caller's main script again.

    Workers need nothing of it, and a script without an `if __name__ == "__main__"` would start
    the whole search once more in each of them.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _work(pipe: Connection, setup: "RunnerSetup", stop: Any) -> None:
    """A worker's life: prepare once, then one assignment after another until the pipe closes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the owner's to handle
        signal.signal(number, signal.SIG_IGN)
    _exit_with_owner()
    fault, runner = "", None
    try:
        runner = prepare(setup)
    except Exception as error:  # a builder's module may fail in any way when it is imported
        fault = f"The worker could not start: {type(error).__name__}: {error}"
    while True:
        try:
            assignment = pipe.recv()
        except EOFError:
            return
        if runner is None:
            pipe.send(Outcome(TrialState.FAILED, message=fault))
            continue
        pipe.send(runner.run(assignment, pipe.send, lambda: bool(stop.value)))


def _exit_with_owner() -> None:
    """Ends this process as soon as its owner is gone.

    The owner is the process that made the engine, though the fork server is the real parent. It
    holds the only other end of a pipe, so that the kernel tells its death at once, however it died.
    """
    owner = multiprocessing.parent_process()

    def watch() -> None:
        if owner is not None:
            owner.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
