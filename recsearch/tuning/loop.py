"""The loop of a search: ask for a trial, run it, record it, until the search ends."""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from recsearch.errors import SearchError
from recsearch.study.decision import Finish, Wait
from recsearch.study.study import Study
from recsearch.study.trial import Epoch, Outcome, TrialState
from recsearch.system.files import disk_full
from recsearch.system.tensorflow_import import detach_from_terminal
from recsearch.tuning.engines.engine import Engine, Message

HOPELESS_FAILURES = 3  # the search stops when this many trials have failed and none succeeded


@dataclass(frozen=True)
class Budget:
    """How long a search may take.

    Attributes:
        minutes: Of search, over all sessions of the run; None for no limit.
        started: When this session started, on the monotonic clock.
    """

    minutes: float | None = None
    started: float = field(default_factory=time.monotonic)

    def left(self, before: float) -> float:
        """Returns the remaining seconds.

        Args:
            before: Seconds that earlier sessions took.
        """
        if self.minutes is None:
            return math.inf
        return 60 * self.minutes - before - (time.monotonic() - self.started)

    def spent(self, before: float) -> str | None:
        """Returns why the search must end, or None.

        Args:
            before: Seconds that earlier sessions took.
        """
        return (
            f"the limit of {self.minutes:g} minutes was reached" if self.left(before) <= 0 else None
        )


@contextmanager
def _alarm(engine: Engine, seconds: float) -> Iterator[None]:
    """Asks the running trials to end after their current epoch once `seconds` have passed."""
    if math.isinf(seconds):
        yield
        return
    timer = threading.Timer(min(max(0.0, seconds), threading.TIMEOUT_MAX), engine.stop_after_epoch)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def stoppable(engine: Engine, announce: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Handles Ctrl-C, SIGTERM and SIGHUP (a closed terminal) for the duration of the block.

    The first signal asks the running trials to end after their current epoch. A second Ctrl-C or
    SIGTERM raises KeyboardInterrupt at once; SIGHUP never does, because both the shell and the
    kernel send it, and it also detaches the output from the terminal. Under nohup, SIGHUP stays
    ignored. Outside the main thread, where Python receives no signals, nothing is handled.

    Args:
        engine: Is asked to stop.
        announce: Gets a line for the user.

    Yields:
        A function that returns whether a stop was requested.
    """
    asked: list[int] = []

    def handle(number: int, frame: object) -> None:
        if number == signal.SIGHUP:
            detach_from_terminal()
        elif asked:
            raise KeyboardInterrupt
        asked.append(number)
        engine.stop_after_epoch()
        announce("stopping after the current epochs; press Ctrl-C again to stop at once")

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def search(
    study: Study,
    engine: Engine,
    budget: Budget,
    on_news: Callable[[Message], None],
    stopped: Callable[[], bool] = lambda: False,
) -> str:
    """Runs trials until there is nothing more to do; returns why the search ended.

    Args:
        study: Assigns trials and records them.
        engine: Runs the trials.
        budget: How long the search may take. When the time has passed, running trials end after
            their current epoch. Their scores count, and a later session can continue them.
        on_news: Called with every message, after it was recorded.
        stopped: Returns whether the user wants to stop; then no more trials start.

    Raises:
        SearchError: If the first trials all fail.
        KeyboardInterrupt: When the user has asked to stop and the running trials have ended.
    """
    before = study.state.seconds
    with _alarm(engine, budget.left(before)):
        return _search(study, engine, lambda: budget.spent(before), on_news, stopped)


def _search(
    study: Study,
    engine: Engine,
    spent: Callable[[], str | None],
    on_news: Callable[[Message], None],
    stopped: Callable[[], bool],
) -> str:
    running: set[str] = set()
    while True:
        reason = "stopped" if stopped() else spent()
        while reason is None and engine.free_workers():
            decision = study.ask()
            if isinstance(decision, Finish):
                reason = decision.reason
                study.finish()
            elif isinstance(decision, Wait):
                break
            else:
                engine.submit(decision)
                running.add(decision.trial_id)
        if not running and stopped():
            raise KeyboardInterrupt
        if not running:
            return reason or "there is nothing more to try"
        if reason is None and not engine.free_workers():
            study.look_ahead()
        for message in engine.wait():
            _record(study, message, running)
            on_news(message)
        _refuse_hopeless(study)


def _record(study: Study, message: Message, running: set[str]) -> None:
    if isinstance(message.news, Epoch):
        study.tell_epoch(message.trial_id, message.news)
    elif isinstance(message.news, Outcome):
        running.discard(message.trial_id)
        _refuse_full_disk(study, message.news)
        study.tell(message.trial_id, message.news)


def _refuse_full_disk(study: Study, outcome: Outcome) -> None:
    """Ends the search at a full disk: no trial is at fault, and the next one would fail too."""
    if outcome.disk_full:
        study.interrupt()
        raise disk_full(study.directory)


def _refuse_hopeless(study: Study) -> None:
    if any(trial.score is not None for trial in study.trials):
        return
    failed = study.trials.in_state(TrialState.FAILED)
    if len(failed) < HOPELESS_FAILURES:
        return
    reasons = "\n".join(f"  {t.trial_id} {t.space}: {t.message}" for t in failed)
    raise SearchError(f"The first {len(failed)} trials all failed:\n{reasons}")
