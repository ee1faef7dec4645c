"""The trials of a run as tables."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from recsearch.study.trial import Scalar, Trial

_COLUMNS: dict[str, tuple[str, Callable[[Trial], Any]]] = {
    "trial_id": ("string", lambda trial: trial.trial_id),
    "state": ("string", lambda trial: trial.state.value),
    "space": ("string", lambda trial: trial.space),
    "score": ("Float64", lambda trial: trial.score),
    "best_epoch": ("Int64", lambda trial: trial.best_epoch),
    "epochs": ("Int64", lambda trial: len(trial.curve)),
    "seconds": ("Float64", lambda trial: trial.seconds),
    "attempt": ("Int64", lambda trial: trial.attempt),
    "message": ("string", lambda trial: trial.message or None),
    "bracket": ("Int64", lambda trial: trial.bracket),
    "rung": ("Int64", lambda trial: trial.rung),
    "num_parameters": ("Int64", lambda trial: trial.num_parameters),
}


def trials_table(trials: Sequence[Trial]) -> pd.DataFrame:
    """Returns one row per trial; columns as in `RunRecord.trials`."""
    columns = {
        name: pd.Series([_stored(value(trial)) for trial in trials], dtype=dtype)
        for name, (dtype, value) in _COLUMNS.items()
    }
    for name in dict.fromkeys(name for trial in trials for name in trial.values):
        shown = f"hp/{name}" if name in _COLUMNS else _stored(name)
        columns[shown] = _scalars([_stored(trial.values.get(name)) for trial in trials])
    return pd.DataFrame(columns)


def curves_table(trials: Sequence[Trial]) -> pd.DataFrame:
    """Returns one row per epoch of a trial; columns as in `RunRecord.curves`."""
    rows = [(trial, point) for trial in trials for point in trial.curve]
    columns = {
        "trial_id": pd.Series([trial.trial_id for trial, _ in rows], dtype="string"),
        "space": pd.Series([_stored(trial.space) for trial, _ in rows], dtype="string"),
        "epoch": pd.Series([point.epoch for _, point in rows], dtype="Int64"),
        "seconds": pd.Series([point.seconds for _, point in rows], dtype="Float64"),
    }
    for name in dict.fromkeys(name for _, point in rows for name in point.metrics):
        values = [point.metrics.get(name) for _, point in rows]
        columns[_stored(name)] = pd.Series(values, dtype="Float64")
    return pd.DataFrame(columns)


def _stored(value: Any) -> Any:
    """Returns a text as Arrow can hold it, with halves of surrogate pairs escaped."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    return value


def _scalars(values: list[Scalar | None]) -> "pd.Series[Any]":
    """Returns a column of the narrowest nullable type; int and str mixed stay objects."""
    kinds = {type(value) for value in values if value is not None}
    for members, dtype in (
        ({bool}, "boolean"),
        ({int}, "Int64"),
        ({int, float}, "Float64"),
        ({str}, "string"),
    ):
        if kinds <= members:
            return pd.Series(values, dtype=dtype)
    return pd.Series([pd.NA if value is None else value for value in values], dtype="object")
