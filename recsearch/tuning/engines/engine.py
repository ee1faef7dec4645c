"""What a search asks of an engine."""

from dataclasses import dataclass
from typing import Protocol

from recsearch.tuning.trial import Assignment, Epoch, Outcome, TrialState


@dataclass(frozen=True)
class Message:
    """News of a running trial: an epoch is done, or the assignment has ended."""

    trial_id: str
    news: Epoch | Outcome


def took_too_long(trial_id: str, seconds: float) -> Message:
    """Returns the end of a trial that was stopped because it had run for so many seconds."""
    message = f"The trial took longer than {seconds / 60:g} minutes."
    return Message(trial_id, Outcome(TrialState.STOPPED_EARLY, message=message))


class Engine(Protocol):
    """Runs assignments somewhere, as many at a time as it has workers."""

    def free_workers(self) -> int:
        """Returns how many assignments could be submitted now."""

    def submit(self, assignment: Assignment) -> None:
        """Starts an assignment; there must be a free worker."""

    def wait(self) -> list[Message]:
        """Waits until something happens in a running assignment; returns the news."""

    def stop_after_epoch(self) -> None:
        """Asks running assignments to end after their epoch; may be called in a signal."""

    def close(self) -> None:
        """Stops all workers at once."""
