"""The events of a journal as typed records: checked when a line is read, by every reader.

The shapes accept the journals of all versions of the schema: keys that some version did not write
may be missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from recsearch.study.aliases import with_current_names
from recsearch.study.trial import Scalar, TrialState
from recsearch.text.json_shapes import (
    Mismatch,
    Shape,
    boolean,
    count,
    map_of,
    number,
    one_of,
    optional,
    record,
    scalar,
    seconds,
    text,
)

JOURNAL_SCHEMA = 1
"""The version of the journal that is written and read."""

_VALUES = map_of(scalar)
_ANY = record({"event": text, "time": seconds})
_OVER = {
    "message": text,
    "values": optional(_VALUES),
    "seconds": seconds,
    "num_parameters": optional(count),
    "peak_memory_mb": number,
    "model": text,
}

_SHAPES: dict[str, Shape] = {
    "study": record({"objective": text, "direction": one_of(("min", "max"))}),
    "trial_waiting": record(
        {"trial_id": text, "epochs": count, "final": boolean},
        {
            "space": text,
            "values": _VALUES,
            "seconds": seconds,
            "fresh_rung": boolean,
            "crashed": boolean,
            "bracket": optional(count),
            "rung": optional(count),
        },
    ),
    "trial_started": record(
        {"trial_id": text, "initial_epoch": count, "attempt": count}, {"epochs": count}
    ),
    "epoch": record(
        {"trial_id": text, "epoch": count, "metrics": map_of(optional(number)), "seconds": seconds}
    ),
    "checkpoint": record({"trial_id": text, "path": optional(text)}),
    "trial_paused": record({"trial_id": text}, _OVER),
    "trial_ended": record({"trial_id": text, "state": one_of(tuple(TrialState))}, _OVER),
    "stage": record({"stage": text}, {"result": record({})}),
    "note": record({"text": text}),
}


@dataclass(frozen=True)
class Event:
    """One line of a journal; an event of an unknown kind, or without fields, is only this.

    Attributes:
        kind: `event` in the file: "study", "epoch", ...
        time: Seconds since 1970.
    """

    kind: str
    time: float

    @staticmethod
    def from_json(value: Any) -> "Event":
        """Returns the event that a line of a journal contains.

        Raises:
            Mismatch: If the value is not an event; it names the place within the line.
        """
        if not isinstance(value, dict) or not isinstance(value.get("event"), str):
            raise Mismatch("a JSON object with an 'event'", "something else")
        _ANY(value)
        kind = value["event"]
        _SHAPES.get(kind, _ANY)(value)
        if isinstance(value.get("values"), dict):
            value = {**value, "values": with_current_names(value["values"])}
        known = {**value, "kind": kind, "has_size": "num_parameters" in value}
        if kind in ("trial_paused", "trial_ended"):
            known["state"] = (
                TrialState.PAUSED if kind == "trial_paused" else TrialState(value["state"])
            )
        record_type = _TYPES.get(kind, Event)
        names = [each.name for each in fields(record_type)]
        return record_type(**{name: known[name] for name in names if name in known})


@dataclass(frozen=True)
class StudyOpened(Event):
    """A process starts, or continues, to work on the search."""

    objective: str
    direction: str


@dataclass(frozen=True)
class TrialEvent(Event):
    """An event of one trial."""

    trial_id: str


@dataclass(frozen=True)
class TrialWaiting(TrialEvent):
    """A trial is put into the queue: a new one with its configuration, or a known one again.

    Attributes:
        epochs: Epochs to reach in total.
        final: Whether the trial is over after these epochs.
        space: The family of a new trial.
        values: The values of a new trial.
        seconds: Time spent so far, of a known trial.
        fresh_rung: Whether its attempts are counted from 0 again.
        crashed: Whether it waits because its worker crashed.
        bracket: Hyperband's bracket, or None.
        rung: Hyperband's rung within the bracket, or None.
    """

    epochs: int
    final: bool
    space: str | None = None
    values: Mapping[str, Scalar] | None = None
    seconds: float | None = None
    fresh_rung: bool = True
    crashed: bool = False
    bracket: int | None = None
    rung: int | None = None


@dataclass(frozen=True)
class TrialStarted(TrialEvent):
    """A worker starts to train a trial after its epoch `initial_epoch`, up to `epochs` in total."""

    initial_epoch: int
    attempt: int
    epochs: int | None = None


@dataclass(frozen=True)
class EpochTrained(TrialEvent):
    """A trial has trained and measured an epoch; a metric that was not finite is None."""

    epoch: int
    metrics: Mapping[str, float | None]
    seconds: float


@dataclass(frozen=True)
class CheckpointWritten(TrialEvent):
    """The state of a trial is on disk, at a path below the run directory."""

    path: str | None


@dataclass(frozen=True)
class TrialOver(TrialEvent):
    """A trial has ended, or pauses between two rungs.

    Attributes:
        state: How it ended; PAUSED between two rungs.
        message: Why it failed, or empty.
        values: The values that its builder read, or None if not known.
        seconds: Time spent in total; None if not known.
        num_parameters: Size of its model, or None.
        has_size: Whether the event says something about the size.
        peak_memory_mb: Peak memory of its worker; None if not known.
        model: Fingerprint of its model, or empty.
    """

    state: TrialState
    message: str = ""
    values: Mapping[str, Scalar] | None = None
    seconds: float | None = None
    num_parameters: int | None = None
    has_size: bool = False
    peak_memory_mb: float | None = None
    model: str = ""


@dataclass(frozen=True)
class StageDone(Event):
    """An end stage is done, with its result."""

    stage: str
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NoteMade(Event):
    """A remark for the user."""

    text: str


_TYPES: dict[str, type[Event]] = {
    "study": StudyOpened,
    "trial_waiting": TrialWaiting,
    "trial_started": TrialStarted,
    "epoch": EpochTrained,
    "checkpoint": CheckpointWritten,
    "trial_paused": TrialOver,
    "trial_ended": TrialOver,
    "stage": StageDone,
    "note": NoteMade,
}
