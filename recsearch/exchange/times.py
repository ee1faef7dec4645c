"""When the trials of a run began, trained and ended, by the clock of the machine that ran them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from recsearch.study.journal import Event


@dataclass
class TrialTimes:
    """When a trial was worked on, in seconds since 1970.

    Attributes:
        begun: When it was started first.
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
        kind = event["event"]
        if kind not in ("trial_started", "epoch", "trial_ended"):
            continue
        times = found.setdefault(event["trial_id"], TrialTimes(float(event["time"])))
        if kind == "epoch":
            times.epochs[int(event["epoch"])] = float(event["time"])
        times.ended = float(event["time"]) if kind == "trial_ended" else None
    return found
