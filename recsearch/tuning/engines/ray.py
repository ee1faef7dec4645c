"""Workers as Ray actors, with one thread each: on this machine, or on those of a Ray cluster.

Every machine needs the same versions of Python, Ray and recsearch, and the run directory under the
same path (a shared file system): workers read the prepared data there, and write checkpoints.
"""

import logging
import math
import os
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from recsearch.study.trial import Assignment, Built, Epoch, Outcome, TrialState
from recsearch.text.printable import error_text
from recsearch.tuning.engines.cluster import Cluster, connect, import_ray
from recsearch.tuning.engines.engine import Deadline, Message
from recsearch.tuning.engines.worker import prepare_runner

if TYPE_CHECKING:
    from recsearch.tuning.engines.runner import RunnerSetup, TrialRunner

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5  # delay within which a stop or a deadline is noticed
NOTICE_SECONDS = 60.0  # time without any worker after which a warning is logged


class _Trainer:
    """The actor: prepares once, then runs one assignment after another.

    Args:
        setup: What every worker prepares.
        has_gpu: Whether Ray has assigned a GPU to the actor, or a part of one.
    """

    def __init__(self, setup: "RunnerSetup", has_gpu: bool) -> None:
        os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"  # workers may share a GPU
        if not has_gpu:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Ray hides no GPU from an actor without one
        self._fault = ""
        self._runner: TrialRunner | None = None
        try:
            self._runner = prepare_runner(setup)
        except (Exception, SystemExit) as error:  # a builder's module may fail in any way on import
            self._fault = f"The worker could not start: {error_text(error)}"
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._stopping = False

    def process_id(self) -> int:
        """Returns the id of this process, once it is prepared."""
        return os.getpid()

    def stop_after_epoch(self) -> None:
        """Lets the running trial end after its epoch."""
        self._stopping = True

    def run(self, assignment: Assignment) -> Iterator[Built | Epoch | Outcome]:
        """Yields the news as they happen, then the outcome."""
        if self._runner is None:
            yield Outcome(TrialState.FAILED, message=self._fault)
            return
        # A separate thread turns the runner's callback into a generator, which Ray can stream; it
        # is always the same thread, because Keras keeps its state per thread.
        news: SimpleQueue[Any] = SimpleQueue()
        running = self._thread.submit(
            self._runner.run, assignment, news.put, lambda: self._stopping
        )
        running.add_done_callback(news.put)
        while (point := news.get()) is not running:
            yield point
        try:
            yield running.result()
        except KeyboardInterrupt:  # Ray stops workers in another way, so user code has raised it
            message = "The builder or its model raised KeyboardInterrupt."
            yield Outcome(TrialState.FAILED, message=message)


@dataclass
class _Worker:
    """An actor and its current work.

    Attributes:
        actor: Ray's handle.
        answer: Ray's reference to the next result: the process id while the actor starts, news
            while it runs a trial; None while it is idle.
        trial_id: The trial that it runs, or None.
        deadline: Of the trial.
    """

    actor: Any
    answer: Any
    trial_id: str | None = None
    deadline: Deadline = field(default_factory=Deadline)


class RayEngine:
    """Runs assignments in `num_workers` actors.

    An assignment goes to the first idle worker, so a cluster that is full or has lost a machine
    continues with the remaining workers. A process that is already connected to Ray keeps its
    connection, whatever the address is.

    Args:
        setup: What every worker prepares once.
        num_workers: Number of actors, at least 1.
        cluster: Where they run, and with which resources.
        trial_minutes: How long one assignment may take before its worker is killed; None for no
            limit.

    Raises:
        UsageError: If ray is not installed, no cluster answers at the address, or this machine has
            too few GPUs.
    """

    def __init__(
        self,
        setup: "RunnerSetup",
        num_workers: int,
        cluster: Cluster,
        trial_minutes: float | None = None,
    ) -> None:
        self._ray = import_ray(cluster)
        # Actors have a working directory of their own.
        self._setup = replace(setup, data_dir=str(Path(setup.data_dir).resolve()))
        self._cluster = cluster
        self._trial_seconds = math.inf if trial_minutes is None else 60 * trial_minutes
        self._queue: deque[Assignment] = deque()
        self._stopping = False
        with ExitStack() as closing:
            if not self._ray.is_initialized():
                connect(self._ray, cluster, num_workers, closing)
            self._workers = [self._start() for _ in range(num_workers)]
            self._closing = closing.pop_all()

    def _start(self) -> _Worker:
        actor_class = self._ray.remote(_Trainer).options(
            num_cpus=self._cluster.cpus_per_trial,
            num_gpus=self._cluster.gpus_per_trial,
            max_concurrency=2,  # a trial, and the request to stop it
        )
        actor = actor_class.remote(self._setup, self._cluster.gpus_per_trial > 0)
        return _Worker(actor, actor.process_id.remote())

    def free_workers(self) -> int:
        """Returns how many more assignments the workers can take; starting workers count."""
        return sum(worker.trial_id is None for worker in self._workers) - len(self._queue)

    def submit(self, assignment: Assignment) -> None:
        """Keeps the assignment for the first worker that is idle."""
        self._queue.append(assignment)

    def wait(self) -> list[Message]:
        """Waits for news of any assignment; a dead worker is replaced, and its trial crashed."""
        notice = time.monotonic() + NOTICE_SECONDS
        while self._queue or self._busy():
            messages = self._take_back() if self._stopping else []
            self._hand_out()
            messages += [news for worker in self._answered() if (news := self._receive(worker))]
            now = time.monotonic()
            late = [worker for worker in self._busy() if worker.deadline.at <= now]
            messages += [self._expire(worker) for worker in late]
            if messages:
                return messages
            if not self._busy() and now > notice:
                logger.warning(
                    "No Ray worker has started yet: the cluster may have no free resources."
                )
                notice = now + NOTICE_SECONDS
        return []

    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.trial_id is not None]

    def _hand_out(self) -> None:
        """Gives queued assignments to idle workers."""
        for worker in self._workers:
            if worker.answer is None and self._queue:
                assignment = self._queue.popleft()
                worker.trial_id = assignment.trial_id
                worker.deadline = Deadline.of(self._trial_seconds)
                run = worker.actor.run.options(num_returns="streaming")
                worker.answer = run.remote(assignment)

    def _take_back(self) -> list[Message]:
        """Asks the workers to stop after their epoch; returns queued trials as waiting."""
        for worker in self._busy():
            worker.actor.stop_after_epoch.remote()  # repeating the request does no harm
        left = [Message(a.trial_id, Outcome(TrialState.WAITING)) for a in self._queue]
        self._queue.clear()
        return left

    def _answered(self) -> list[_Worker]:
        """Waits for a moment; returns the workers for which Ray has a result."""
        asked = {worker.answer: worker for worker in self._workers if worker.answer is not None}
        if not asked:
            return []
        self._ray.wait(list(asked), timeout=POLL_SECONDS)  # for the first, then takes all there are
        ready, _ = self._ray.wait(list(asked), num_returns=len(asked), timeout=0)
        return [asked[answer] for answer in ready]

    def _receive(self, worker: _Worker) -> Message | None:
        """Returns the news of a trial; the start of a worker is not news."""
        trial_id = worker.trial_id
        try:
            news = self._ray.get(worker.answer if trial_id is None else next(worker.answer))
        except _deaths(self._ray) as error:
            return self._bury(worker, error)
        if trial_id is None:
            worker.answer = None
            return None
        if isinstance(news, Built):
            worker.deadline = worker.deadline.after_build()
            return None
        if isinstance(news, Outcome):
            worker.answer = worker.trial_id = None
        return Message(trial_id, news)

    def _bury(self, worker: _Worker, error: Exception) -> Message | None:
        """Replaces a worker that has died; returns the outcome of its trial."""
        trial_id = worker.trial_id
        self._replace(worker)
        if trial_id is None and self._queue:
            # The death counts for the next trial in the queue; otherwise a worker that never starts
            # would be replaced again and again.
            trial_id = self._queue.popleft().trial_id
        if trial_id is None:
            return None
        return Message(trial_id, Outcome(TrialState.FAILED, message=_explain(error), crashed=True))

    def _expire(self, worker: _Worker) -> Message:
        """Kills and replaces a worker whose trial has taken too long."""
        trial_id, late = worker.trial_id or "", worker.deadline
        self._replace(worker)
        return Message(trial_id, late.outcome())

    def _replace(self, worker: _Worker) -> None:
        self._ray.kill(worker.actor)  # also a dead one: it may only be unreachable
        fresh = self._start()
        worker.actor, worker.answer, worker.trial_id = fresh.actor, fresh.answer, None

    def stop_after_epoch(self) -> None:
        """Lets every running trial end after its epoch."""
        self._stopping = True  # `wait` asks the workers: a signal handler must not call Ray

    def close(self) -> None:
        """Kills all workers, and stops Ray if this engine has started or joined it."""
        for worker in self._workers:
            self._ray.kill(worker.actor)
        self._workers = []
        self._closing.close()


def _deaths(ray: Any) -> tuple[type[Exception], ...]:
    """Returns the errors that mean that one worker died; other errors concern Ray as a whole."""
    errors = ray.exceptions
    return (
        errors.RayActorError,
        errors.RayTaskError,
        errors.OutOfMemoryError,
        errors.NodeDiedError,
        errors.ObjectLostError,
    )


def _explain(error: Exception) -> str:
    """Returns one line that says why a worker died."""
    kind = type(error).__name__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [kind]
    if getattr(error, "actor_init_failed", False):
        return f"The Ray worker could not start: {lines[-1]}"
    return f"The Ray worker died ({kind}: {lines[0]})."
