"""The interface of an engine: what the loop of a search needs from it."""

import math
import time
from dataclasses import dataclass, replace
from typing import Protocol

from recsearch.study.trial import Assignment, Epoch, Outcome, TrialState


@dataclass(frozen=True)
class Message:
    """News of a running trial: an epoch has ended, or the assignment has."""

    trial_id: str
    news: Epoch | Outcome


BUILD_SECONDS = 300.0  # time limit of a builder, if the trial has no shorter limit


@dataclass(frozen=True)
class Deadline:
    """The time at which an assignment is stopped.

    Attributes:
        trial_seconds: How long it may take in total.
        started: When it started, on the monotonic clock.
        is_built: Whether its model is built.
    """

    trial_seconds: float = math.inf
    started: float = 0.0
    is_built: bool = False

    @classmethod
    def of(cls, trial_seconds: float) -> "Deadline":
        """Returns the deadline of an assignment that starts now."""
        return cls(trial_seconds, time.monotonic())

    def after_build(self) -> "Deadline":
        """Returns the deadline that applies once the model is built."""
        return replace(self, is_built=True)

    @property
    def _seconds(self) -> float:
        return self.trial_seconds if self.is_built else min(self.trial_seconds, BUILD_SECONDS)

    @property
    def at(self) -> float:
        """The deadline on the monotonic clock."""
        return self.started + self._seconds

    def outcome(self) -> Outcome:
        """Returns the outcome of an assignment that was stopped at this deadline."""
        what = "The trial" if self.is_built else "Building the model"
        message = f"{what} took longer than {self._seconds / 60:g} minutes."
        return Outcome(TrialState.STOPPED_EARLY, message=message)


class Engine(Protocol):
    """Runs assignments, one per worker at a time."""

    def free_workers(self) -> int:
        """Returns how many assignments could be submitted now."""

    def submit(self, assignment: Assignment) -> None:
        """Starts an assignment. There must be a free worker."""

    def wait(self) -> list[Message]:
        """Waits for news of the running assignments; returns them."""

    def stop_after_epoch(self) -> None:
        """Asks running assignments to end after their epoch; safe in a signal handler."""

    def close(self) -> None:
        """Stops all workers at once."""
