"""What a search asks of an engine."""

import math
import time
from dataclasses import dataclass, replace
from typing import Protocol

from recsearch.study.trial import Assignment, Epoch, Outcome, TrialState


@dataclass(frozen=True)
class Message:
    """News of a running trial: an epoch is done, or the assignment has ended."""

    trial_id: str
    news: Epoch | Outcome


BUILD_SECONDS = 300.0  # for a builder to return its model, where a trial has no shorter limit


@dataclass(frozen=True)
class Deadline:
    """Until when an assignment may run.

    Attributes:
        trial_seconds: How long it may take in all.
        begun: When it began, on the monotonic clock.
        is_built: Whether its model is built.
    """

    trial_seconds: float = math.inf
    begun: float = 0.0
    is_built: bool = False

    @classmethod
    def of(cls, trial_seconds: float) -> "Deadline":
        """Returns the deadline of an assignment that begins now."""
        return cls(trial_seconds, time.monotonic())

    def after_build(self) -> "Deadline":
        """Returns the deadline once the model is built."""
        return replace(self, is_built=True)

    @property
    def _seconds(self) -> float:
        return self.trial_seconds if self.is_built else min(self.trial_seconds, BUILD_SECONDS)

    @property
    def at(self) -> float:
        """The deadline on the monotonic clock."""
        return self.begun + self._seconds

    def outcome(self) -> Outcome:
        """Returns the end of an assignment that was stopped at this deadline."""
        what = "The trial" if self.is_built else "Building the model"
        message = f"{what} took longer than {self._seconds / 60:g} minutes."
        return Outcome(TrialState.STOPPED_EARLY, message=message)


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
