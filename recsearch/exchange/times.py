"""When the trials of a run were started, trained and ended, by the clock of the machine."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from recsearch.study.events import EpochTrained, Event, TrialOver, TrialStarted


@dataclass
class TrialTimes:
    """When a trial was worked on, in seconds since 1970.

    Attributes:
        begun: When it was first started.
        ended: When it was over, or None.
        epochs: Epoch, from 1 -> when it was done; the last time counts, if it was trained twice.
    """

    begun: float
    ended: float | None = None
    epochs: dict[int, float] = field(default_factory=dict)


def trial_times(events: Iterable[Event]) -> dict[str, TrialTimes]:
    """Returns the times of each trial that was started, by its id, from the journal's events."""
    found: dict[str, TrialTimes] = {}
    for event in events:
        if not isinstance(event, TrialStarted | EpochTrained | TrialOver):
            continue
        if event.kind == "trial_paused":
            continue
        times = found.setdefault(event.trial_id, TrialTimes(float(event.time)))
        if isinstance(event, EpochTrained):
            times.epochs[event.epoch] = float(event.time)
        times.ended = float(event.time) if isinstance(event, TrialOver) else None
    return found
