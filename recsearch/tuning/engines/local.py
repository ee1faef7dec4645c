"""Runs trials in worker processes of this machine, with one thread each.

Leaks, crashes and out-of-memory kills affect only the worker: it is replaced, and its trial counts
as crashed.
"""

import math
import multiprocessing
import os
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from recsearch.study.trial import Assignment, Built, Epoch, Outcome, TrialState
from recsearch.text.printable import error_text
from recsearch.tuning.engines.engine import Deadline, Message
from recsearch.tuning.engines.process import WorkerDiedError, WorkerProcess, wait_for
from recsearch.tuning.engines.worker import prepare_runner

if TYPE_CHECKING:
    from recsearch.tuning.engines.runner import RunnerSetup


@dataclass
class _Worker:
    """A worker process, the trial that it runs, and the trial's deadline.

    `known` are the trials that the worker has run: it may still have their models.
    """

    process: WorkerProcess
    trial_id: str | None = None
    deadline: Deadline = field(default_factory=Deadline)
    known: set[str] = field(default_factory=set)


class LocalEngine:
    """Runs assignments in `num_workers` processes.

    Args:
        setup: What every worker prepares once.
        num_workers: Number of processes, at least 1.
        trial_minutes: How long one assignment may take before its worker is killed; None for no
            limit. Building its model may take 5 minutes at most in any case.
    """

    def __init__(
        self, setup: "RunnerSetup", num_workers: int, trial_minutes: float | None = None
    ) -> None:
        self._setup = setup
        self._trial_seconds = math.inf if trial_minutes is None else 60 * trial_minutes
        # Without a lock: a worker that is killed while it reads could not release the lock.
        self._stop = multiprocessing.get_context("forkserver").RawValue("b", 0)
        self._workers = [_Worker(self._start()) for _ in range(num_workers)]

    def _start(self) -> WorkerProcess:
        return WorkerProcess(_work, self._setup, self._stop)

    def free_workers(self) -> int:
        """Returns the number of idle workers."""
        return sum(worker.trial_id is None for worker in self._workers)

    def submit(self, assignment: Assignment) -> None:
        """Gives the assignment to a free worker, preferably one that has run the trial before."""
        free = [worker for worker in self._workers if worker.trial_id is None]
        worker = max(free, key=lambda worker: assignment.trial_id in worker.known)
        worker.trial_id = assignment.trial_id
        worker.known.add(assignment.trial_id)
        worker.deadline = Deadline.of(self._trial_seconds)
        worker.process.send(assignment)

    def wait(self) -> list[Message]:
        """Waits for news of any busy worker; a dead worker is replaced, and its trial crashed."""
        messages: list[Message] = []
        while not messages and any(worker.trial_id for worker in self._workers):
            messages = self._wait()
        return messages

    def _wait(self) -> list[Message]:
        """Waits until a busy worker sends something, which need not be news for the owner."""
        busy = {id(worker.process): worker for worker in self._workers if worker.trial_id}
        earliest = min(worker.deadline.at for worker in busy.values())
        ready = wait_for([worker.process for worker in busy.values()], earliest)
        if not ready:
            late = [w for w in busy.values() if w.deadline.at <= time.monotonic()]
            return [self._expire(worker) for worker in late]
        news = (self._receive(busy[id(process)]) for process in ready)
        return [message for message in news if message is not None]

    def _receive(self, worker: _Worker) -> Message | None:
        """Returns the news of a trial; a built model is not news."""
        trial_id = worker.trial_id or ""
        try:
            news: Built | Epoch | Outcome = worker.process.receive()
        except WorkerDiedError as end:
            self._replace(worker)
            message = f"The worker process died: {end}."
            return Message(trial_id, Outcome(TrialState.FAILED, message=message, crashed=True))
        if isinstance(news, Built):
            worker.deadline = worker.deadline.after_build()
            return None
        if isinstance(news, Outcome):
            worker.trial_id = None
            if news.state is TrialState.FAILED:  # the failed trial may have left anything behind
                self._replace(worker)
        return Message(trial_id, news)

    def _expire(self, worker: _Worker) -> Message:
        """Kills and replaces a worker whose trial has taken too long."""
        trial_id, late = worker.trial_id or "", worker.deadline
        self._replace(worker)
        return Message(trial_id, late.outcome())

    def _replace(self, worker: _Worker) -> None:
        worker.process.kill()
        worker.process, worker.trial_id, worker.known = self._start(), None, set()

    def stop_after_epoch(self) -> None:
        """Lets every running trial end after its epoch."""
        self._stop.value = 1

    def close(self) -> None:
        """Kills all workers; between events they have nothing to lose."""
        for worker in self._workers:
            worker.process.kill()


def _work(pipe: Connection, setup: "RunnerSetup", stop: Any) -> None:
    """Runs in a worker: prepares once, then runs assignments until the pipe closes."""
    fault, runner, home = "", None, os.getcwd()
    try:
        runner = prepare_runner(setup)
    except (Exception, SystemExit) as error:  # a builder's module may fail in any way on import
        fault = f"The worker could not start: {error_text(error)}"
    while True:
        assignment = pipe.recv()
        if runner is None:
            pipe.send(Outcome(TrialState.FAILED, message=fault))
            continue
        os.chdir(home)  # user code may have changed the directory
        try:
            outcome = runner.run(assignment, pipe.send, lambda: bool(stop.value))
        except KeyboardInterrupt:  # the worker ignores the signal: user code has raised it
            message = "The builder or its model raised KeyboardInterrupt."
            outcome = Outcome(TrialState.FAILED, message=message)
        pipe.send(outcome)
