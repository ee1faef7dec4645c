"""The timestamp column: seconds since 1970 UTC, whatever the file counts in."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsearch.data.checked import Checked, describe_rows, failed
from recsearch.data.parsing import first_unparsable

UNITS = ((1e17, "nanoseconds", 10**9), (1e14, "microseconds", 10**6), (1e11, "milliseconds", 10**3))
"""(from which median on, unit, units a second). 1e11 seconds would be the year 5138."""

ISO_KINDS = (pa.timestamp("ns"), pa.timestamp("ns", tz="UTC"))  # without and with a zone


def read_timestamps(column: pa.ChunkedArray, name: str) -> Checked[NDArray[np.int64]]:
    """Reads timestamps, rounded down to whole seconds.

    Args:
        column: [n] numbers (seconds; milliseconds or finer if the median is too large for
            seconds), dates, or ISO 8601 text; text without a zone is taken as UTC.
        name: The column's name, for messages.

    Returns:
        [n] int64 seconds since 1970 UTC; a time that is missing or unreadable is a fault.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return read_timestamps(pc.cast(column, kind.value_type), name)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        column = pc.utf8_trim_whitespace(column)
        column = pc.if_else(pc.equal(column, ""), pa.scalar(None, kind), column)
    missing = _missing(column)
    if missing.any():
        return failed(
            f"{missing.sum()} of {len(missing)} times in column '{name}' are missing: "
            f"{describe_rows(missing)}. Expected a time in each row; remove these rows."
        )
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return Checked(_floor_seconds(column))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _from_numbers(column.to_numpy(), name)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _from_text(column, name)
    return _unreadable(name, 0, column[0])


def _missing(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    if pa.types.is_floating(column.type):
        values = column.to_numpy()
        return np.asarray(~np.isfinite(values), dtype=np.bool_)
    return np.asarray(pc.is_null(column).to_numpy(), dtype=np.bool_)


def _from_numbers(values: NDArray[np.generic], name: str) -> Checked[NDArray[np.int64]]:
    median = float(np.median(np.abs(values.astype(np.float64)))) if len(values) else 0.0
    for threshold, unit, per_second in UNITS:
        if median > threshold:
            note = f"Column '{name}' was read as {unit} since 1970 and rounded down to seconds."
            return Checked(_floor(values // per_second), notes=(note,))
    return Checked(_floor(values))


def _from_text(text: pa.ChunkedArray, name: str) -> Checked[NDArray[np.int64]]:
    if first_unparsable(text, pa.float64(), whole=True) < 0:
        return _from_numbers(pc.cast(text, pa.float64()).to_numpy(), name)
    rows = [first_unparsable(text, kind) for kind in ISO_KINDS]
    if -1 in rows:
        return Checked(_floor_seconds(pc.cast(text, ISO_KINDS[rows.index(-1)])))
    return _unreadable(name, max(rows), text[max(rows)])


def _unreadable(name: str, row: int, value: pa.Scalar) -> Checked[NDArray[np.int64]]:
    return failed(
        f"Column '{name}', row {row + 1}: '{value}' cannot be read as a time. "
        "Expected seconds since 1970, or ISO dates such as 2024-05-01 or 2024-05-01T12:00:00, all "
        "with a zone or all without. Convert it, or name another column with --timestamp-column."
    )


def _floor_seconds(column: pa.ChunkedArray) -> NDArray[np.int64]:
    unit = column.type.unit if pa.types.is_timestamp(column.type) else "ms"
    zone = column.type.tz if pa.types.is_timestamp(column.type) else None
    ticks = pc.cast(pc.cast(column, pa.timestamp(unit, tz=zone)), pa.int64()).to_numpy()
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    return np.asarray(ticks // per_second, dtype=np.int64)


def _floor(values: NDArray[np.generic]) -> NDArray[np.int64]:
    return np.asarray(np.floor(values), dtype=np.int64)
