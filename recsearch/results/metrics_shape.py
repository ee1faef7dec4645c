"""The shape of best/metrics.json, of all versions of its schema.

Keys that some version did not write may be missing.
"""

from typing import Any

from recsearch.results.run_description import OBJECTIVE
from recsearch.text.json_shapes import (
    Mismatch,
    anything,
    boolean,
    count,
    list_of,
    map_of,
    number,
    optional,
    record,
    scalar,
    seconds,
    text,
)

_MEASURED = map_of(optional(number))
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


def _predicted(value: Any) -> None:
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


require_metrics = record(
    {"objective": OBJECTIVE, "test": _MEASURED, "verdict": text},
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
        "predictions": optional(_predicted),
    },
)
