"""The search itself: ask, run, tell, until the driver, the budget or the user says stop."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from recsearch.errors import SearchError
from recsearch.tuning.drivers.decision import Finish, Wait
from recsearch.tuning.engines.engine import Engine, Message
from recsearch.tuning.study import Study
from recsearch.tuning.trial import Epoch, Outcome, TrialState

HOPELESS_FAILURES = 3  # when so many trials have failed and none succeeded, the search stops


@dataclass(frozen=True)
class Budget:
    """When to stop starting trials.

    Attributes:
        minutes: Of search, over all sessions of the run; None for no limit.
        begun: When this session began, on the monotonic clock.
    """

    minutes: float | None = None
    begun: float = field(default_factory=time.monotonic)

    def spent(self, before: float) -> str | None:
        """Returns why no more trials may start, or None; `before`: seconds of earlier sessions."""
        seconds = before + time.monotonic() - self.begun
        if self.minutes is not None and seconds >= 60 * self.minutes:
            return f"the {self.minutes:g} minutes are over"
        return None


def search(study: Study, engine: Engine, budget: Budget, on_news: Callable[[Message], None]) -> str:
    """Runs trials until nothing is left to do; returns why the search ended.

    Raises:
        SearchError: If the first trials all fail.
    """
    before = study.state.seconds
    running: set[str] = set()
    while True:
        reason = budget.spent(before)
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
        if not running:
            return reason or "nothing is left to try"
        for message in engine.wait():
            _record(study, message, running)
            on_news(message)
        _refuse_hopeless(study)


def _record(study: Study, message: Message, running: set[str]) -> None:
    if isinstance(message.news, Epoch):
        study.tell_epoch(message.trial_id, message.news)
    elif isinstance(message.news, Outcome):
        running.discard(message.trial_id)
        study.tell(message.trial_id, message.news)


def _refuse_hopeless(study: Study) -> None:
    failed = [t for t in study.trials if t.state is TrialState.FAILED]
    if len(failed) < HOPELESS_FAILURES or any(t.score is not None for t in study.trials):
        return
    reasons = "\n".join(f"  {t.trial_id} {t.space}: {t.message}" for t in failed)
    raise SearchError(f"The first {len(failed)} trials all failed:\n{reasons}")
