"""The timestamp column: seconds since 1970 UTC, from any unit or form in the file."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsearch.data.arrow import words_to_null
from recsearch.data.parsing import MISSING_WORDS, first_unparsable
from recsearch.data.plain_types import plain_column
from recsearch.data.time_text import read_time_text, seconds_of_days, unreadable_time
from recsearch.data.validated import Checked, describe_rows, failed

UNITS = ((1e17, "nanoseconds", 10**9), (1e14, "microseconds", 10**6), (1e11, "milliseconds", 10**3))
"""(threshold, unit, units per second): columns with a larger median are in this unit.

1e11 seconds would be the year 5138."""

DIGITS = ((8, 10**0), (12, 10**4), (14, 10**6), (17, 10**9))
"""(digits of a date without separators, divisor that leaves its day): 20200918, 202009180517,
20200918051702, and with milliseconds."""
FIRST_YEAR, LAST_YEAR = 1900, 2199

TOO_LARGE = 2.0**63  # from here on, int64 overflows

EXCEL_DAYS = (20_000, 80_000)  # Excel counts days: these are the years 1954 to 2119
EXCEL_1970 = 25_569  # Excel's number of 1970-01-01

WORDS = pa.array((*MISSING_WORDS, "NaT"))


def read_timestamps(column: pa.ChunkedArray, name: str) -> Checked[NDArray[np.int64]]:
    """Reads timestamps, rounded down to whole seconds.

    Args:
        column: [n] numbers (seconds; milliseconds or finer if the median is too large for
            seconds; dates such as 20240501; Excel serial dates), dates, or either of them as
            text. Times without a zone are read as UTC.
        name: The column's name, for messages.

    Returns:
        [n] int64 seconds since 1970 UTC; a time that is missing or unreadable is a fault.
    """
    plain = plain_column(column, name)
    if plain.values is None:
        return Checked(None, plain.faults)
    column, kind = plain.values, plain.values.type
    if pa.types.is_string(kind):
        column = words_to_null(pc.utf8_trim_whitespace(column), WORDS)
    missing = _missing(column)
    if missing.any():
        return failed(
            f"{missing.sum()} of {len(missing)} times in column '{name}' are missing: "
            f"{describe_rows(missing)}. Expected a time in each row. Remove these rows."
        )
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return Checked(_floor_seconds(column))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _from_numbers(column.to_numpy(), name)
    if pa.types.is_string(kind):
        return _from_text(column, name)
    return failed(unreadable_time(f"Column '{name}', row 1: '{column[0]}'"))


def _missing(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    if pa.types.is_floating(column.type):
        values = column.to_numpy()
        return np.asarray(~np.isfinite(values), dtype=np.bool_)
    return np.asarray(pc.is_null(column).to_numpy(), dtype=np.bool_)


def _from_text(text: pa.ChunkedArray, name: str) -> Checked[NDArray[np.int64]]:
    for kind in (pa.int64(), pa.float64()):
        if first_unparsable(text, kind, whole=True) < 0:
            return _from_numbers(pc.cast(text, kind).to_numpy(), name)
    return read_time_text(text, name)


def _from_numbers(values: NDArray[np.generic], name: str) -> Checked[NDArray[np.int64]]:
    if not len(values):
        return Checked(_floor(values))
    beyond = np.abs(values.astype(np.float64)) >= TOO_LARGE
    if beyond.any():
        row = int(np.argmax(beyond))
        return failed(unreadable_time(f"Column '{name}', row {row + 1}: '{values[row]}'"))
    for num_digits, per_day in DIGITS:
        if 10 ** (num_digits - 1) <= values.min() and values.max() < 10**num_digits:
            dates = _from_digits(values, name, num_digits, per_day)
            if dates is not None:
                return dates
    if EXCEL_DAYS[0] <= values.min() and values.max() <= EXCEL_DAYS[1]:
        return _from_small(values, name)
    median = float(np.median(np.abs(values.astype(np.float64))))
    for threshold, unit, per_second in UNITS:
        if median > threshold:
            note = f"Column '{name}' was read as {unit} since 1970 and rounded down to seconds."
            return Checked(_floor(values // per_second), notes=(note,))
    return Checked(_floor(values))


def _from_digits(
    values: NDArray[np.generic], name: str, num_digits: int, per_day: int
) -> Checked[NDArray[np.int64]] | None:
    """Returns the times of values such as 20240501 or 20240501120000; None if they are counts.

    They are times only if every value is valid: counts of seconds would soon have a 13th month.
    """
    whole = _floor(values)
    date, clock = np.divmod(whole, per_day)
    year, month, day = date // 10_000, date // 100 % 100, date % 100
    clock = clock * 10**6 // per_day  # hours, minutes and seconds
    hour, minute, second = clock // 10_000, clock // 100 % 100, clock % 100
    begin, valid = seconds_of_days(year, month, day)
    valid &= (year >= FIRST_YEAR) & (year <= LAST_YEAR)
    valid &= (hour < 24) & (minute < 60) & (second < 60)
    if valid.all():
        note = f"Column '{name}' was read as dates of {num_digits} digits, such as {whole[0]}."
        return Checked(begin + hour * 3600 + minute * 60 + second, notes=(note,))
    if num_digits < 14 or valid.mean() < 0.5:
        return None
    row = int(np.argmin(valid))
    return failed(unreadable_time(f"Column '{name}', row {row + 1}: '{whole[row]}'"))


def _from_small(values: NDArray[np.generic], name: str) -> Checked[NDArray[np.int64]]:
    """Returns the times of values that may be Excel dates: those with a time of day are."""
    whole = _floor(values)
    if (whole == values).all():
        note = (
            f"Column '{name}' was read as seconds since 1970, so all rows fall on one day. "
            "If the numbers are Excel dates, format the column as dates in the file."
        )
        return Checked(whole, notes=(note,))
    seconds = np.rint((values.astype(np.float64) - EXCEL_1970) * 86_400)
    note = f"Column '{name}' was read as Excel serial dates, which count days from 1900."
    return Checked(np.asarray(seconds, dtype=np.int64), notes=(note,))


def _floor_seconds(column: pa.ChunkedArray) -> NDArray[np.int64]:
    unit = column.type.unit if pa.types.is_timestamp(column.type) else "ms"
    zone = column.type.tz if pa.types.is_timestamp(column.type) else None
    ticks = pc.cast(pc.cast(column, pa.timestamp(unit, tz=zone)), pa.int64()).to_numpy()
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    return np.asarray(ticks // per_second, dtype=np.int64)


def _floor(values: NDArray[np.generic]) -> NDArray[np.int64]:
    return np.asarray(np.floor(values), dtype=np.int64)
