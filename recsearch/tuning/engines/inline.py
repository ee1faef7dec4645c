"""Runs assignments in the calling process, without protection: for debugging a builder."""

from recsearch.study.trial import Assignment, Built, Epoch
from recsearch.tuning.engines.engine import Message
from recsearch.tuning.engines.runner import TrialRunner


class InlineEngine:
    """One worker: this process.

    Args:
        runner: Runs the trials.
    """

    def __init__(self, runner: TrialRunner) -> None:
        self._runner = runner
        self._pending: Assignment | None = None
        self._stopping = False

    def free_workers(self) -> int:
        """Returns 1 when nothing is pending."""
        return 0 if self._pending else 1

    def submit(self, assignment: Assignment) -> None:
        """Keeps the assignment for `wait`."""
        self._pending = assignment

    def wait(self) -> list[Message]:
        """Runs the pending assignment from start to end."""
        assignment, self._pending = self._pending, None
        if assignment is None:
            return []
        messages: list[Message] = []
        trial_id = assignment.trial_id

        def report(news: Built | Epoch) -> None:
            if isinstance(news, Epoch):
                messages.append(Message(trial_id, news))

        outcome = self._runner.run(assignment, report, lambda: self._stopping)
        return [*messages, Message(trial_id, outcome)]

    def stop_after_epoch(self) -> None:
        """Lets the running trial end after its epoch."""
        self._stopping = True

    def close(self) -> None:
        """Does nothing: there is no worker to stop."""
