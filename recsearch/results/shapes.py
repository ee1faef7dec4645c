"""The shapes of run.json, best/metrics.json and best/examples.json, of all versions of schema 1.

Keys that some version did not write may be missing; whoever needs one asks `Run.needed`.
"""

from datetime import datetime
from typing import Any

from recsearch.text.json_shapes import (
    Mismatch,
    anything,
    boolean,
    count,
    list_of,
    map_of,
    number,
    one_of,
    optional,
    record,
    scalar,
    seconds,
    text,
)

_MEASURED = map_of(optional(number))
_OBJECTIVE = record({"name": text, "direction": one_of(("min", "max"))})


def _iso_time(value: Any) -> None:
    text(value)
    try:
        datetime.fromisoformat(value).timestamp()
    except (ValueError, OverflowError, OSError):
        raise Mismatch("a time such as 2026-01-01T12:00:00+00:00", "another text") from None


def _setting(value: Any) -> None:
    if isinstance(value, list):
        list_of(scalar)(value)
    else:
        optional(scalar)(value)


_HYPERPARAMETER = record(
    {"name": text},
    {
        "kind": text,
        **dict.fromkeys(("min_value", "max_value", "step"), optional(number)),
        "sampling": optional(text),
        "values": optional(list_of(scalar)),
        "default": optional(scalar),
        "conditions": optional(list_of(record({"name": text, "values": list_of(scalar)}))),
    },
)
_DATA = record(
    {},
    {
        **dict.fromkeys(("fingerprint", "task", "split"), text),
        **dict.fromkeys(("num_interactions", "num_users", "num_items"), count),
        **dict.fromkeys(("train", "validation", "test"), count),
        **dict.fromkeys(("label_mean", "label_min", "label_max"), optional(number)),
        "path": optional(text),
        "columns": optional(map_of(anything)),
        "features": optional(list_of(text)),
        "notes": list_of(text),
    },
)
RUN = record(
    {},
    {
        "created": _iso_time,
        "command": list_of(text),
        "config": map_of(_setting),
        "versions": optional(map_of(text)),
        "machine": optional(
            record(
                {},
                {"cores": count, "memory_gb": optional(number), "platform": text, "host": text},
            )
        ),
        "data": _DATA,
        "space": list_of(_HYPERPARAMETER),
        "builders": map_of(optional(text)),
        "plan": record({"configurations": count, "epochs": count, "lines": list_of(text)}),
        "objective": _OBJECTIVE,
        "validation_protocol": text,
    },
)

_ENDS = {"value": optional(number), "low": optional(number), "high": optional(number)}
_INTERVAL = record(_ENDS)
_SURE = {"level": number, "num_resamples": count, "num_users": count, "note": optional(text)}
_COMPARISON = record(
    {
        "metric": text,
        "baseline": text,
        "answer": text,
        "p_value": optional(number),
        "difference": record({**_ENDS, **_SURE}),
    }
)
_SLICES = list_of(
    record(
        {"name": text, "label": text, "num_rows": count, "num_users": count, "metrics": _MEASURED}
    )
)


def _baseline(value: Any) -> None:
    map_of(anything)(value)
    record({}, {"skipped": text})(value)
    _MEASURED({name: each for name, each in value.items() if name != "skipped"})


def _tuned(value: Any) -> None:
    map_of(anything)(value)
    if "skipped" in value:
        record({"skipped": text})(value)
    else:
        record({"parameters": map_of(anything), "validation": _MEASURED, "note": text})(value)


_PREDICTED = record(
    {"num_rows": count},
    {
        **dict.fromkeys(("labels", "score_edges", "error_edges"), list_of(number)),
        "means": list_of(optional(number)),
        "counts": list_of(list_of(count)),
        "error_counts": list_of(count),
        "mean_error": optional(number),
    },
)


def _predictions(value: Any) -> None:
    """Checks lengths as well: L labels, S bins of scores, E bins of errors."""
    _PREDICTED(value)
    if not value["num_rows"]:
        return
    names = ("labels", "score_edges", "error_edges", "means", "counts", "error_counts")
    record(dict.fromkeys(names, anything))(value)
    width, height, errors = (len(value[n]) for n in ("labels", "counts", "error_counts"))
    expected = {"score_edges": height + 1, "means": width, "error_edges": errors + 1}
    for name, length in expected.items():
        if len(value[name]) != length or not length:
            raise Mismatch(f"{length} numbers in '{name}'", f"{len(value[name])}")
    if not width or any(len(each) != width for each in value["counts"]):
        raise Mismatch("rows of 'counts' as long as 'labels'", "others")


METRICS = record(
    {"objective": _OBJECTIVE, "test": _MEASURED, "verdict": text},
    {
        "winner": record(
            {},
            {
                "trial_id": text,
                "space": text,
                "hyperparameters": map_of(scalar),
                "epochs": optional(count),
                "num_parameters": optional(count),
            },
        ),
        "validation": _MEASURED,
        "baselines": map_of(_baseline),
        "protocol": map_of(optional(scalar)),
        "test_looks": count,
        "seconds": optional(map_of(seconds)),
        "export": optional(
            record({}, {"verified": boolean, "max_difference": optional(number), "bytes": count})
        ),
        "intervals": optional(map_of(_INTERVAL)),
        "comparison": optional(_COMPARISON),
        "slices": optional(_SLICES),
        "baseline_slices": optional(map_of(_SLICES)),
        "lists": optional(_MEASURED),
        "baseline_lists": optional(map_of(_MEASURED)),
        "seeds": optional(
            record({"metrics": list_of(_MEASURED), "mean": _MEASURED, "deviation": _MEASURED})
        ),
        "baseline_tuning": optional(map_of(_tuned)),
        "predictions": optional(_predictions),
    },
)

_ITEMS = optional(
    list_of(
        record(
            {},
            {
                "item_id": optional(scalar),
                "title": optional(scalar),
                "label": optional(number),
                "score": optional(number),
                "held_out": optional(boolean),
            },
        )
    )
)
EXAMPLES = record(
    {},
    {
        "users": optional(
            list_of(
                record(
                    {},
                    {
                        "user_id": optional(scalar),
                        **dict.fromkeys(("history", "recommended", "held_out"), _ITEMS),
                    },
                )
            )
        )
    },
)
