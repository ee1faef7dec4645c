"""The shapes of the journal's events: checked when a line is read, whoever reads it."""

from typing import Any

from recsearch.study.trial import TrialState
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
    "trial_started": record({"trial_id": text, "initial_epoch": count, "attempt": count}),
    "epoch": record(
        {"trial_id": text, "epoch": count, "metrics": map_of(optional(number)), "seconds": seconds}
    ),
    "checkpoint": record({"trial_id": text, "path": optional(text)}),
    "trial_paused": record({"trial_id": text}, _OVER),
    "trial_ended": record({"trial_id": text, "state": one_of(tuple(TrialState))}, _OVER),
    "stage": record({"stage": text}, {"result": record({})}),
    "note": record({"text": text}),
}


def check_event(value: Any) -> None:
    """Refuses a journal line that is not an event; an event of unknown kind may hold anything.

    Raises:
        Mismatch: With the place within the line.
    """
    if not isinstance(value, dict) or not isinstance(value.get("event"), str):
        raise Mismatch("a JSON object with an 'event'", "something else")
    _ANY(value)
    _SHAPES.get(value["event"], _ANY)(value)
