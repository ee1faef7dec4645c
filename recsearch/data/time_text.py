"""Converts dates and times as text, in the forms that common tools export, to seconds.

Dimension letters: n texts.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsearch.data.parsing import first_unparsable
from recsearch.data.validated import Checked, failed

ISO_KINDS = (pa.timestamp("ns"), pa.timestamp("ns", tz="UTC"))  # without and with a zone

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_CLOCK = (
    r"(?:[ T]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?"
    r"(?: *(?P<half>[AaPp])\.?[Mm]\.?)?)?"
)
_ZONE = r"(?: *(?:UTC|GMT|Z|(?P<sign>[+-])(?P<zone_hour>\d{2}):?(?P<zone_minute>\d{2})))?"
_WEEKDAY = r"(?:[A-Za-z]{3,9},? +)?"
_NAMED_MONTH = r"(?P<month_name>[A-Za-z]{3})[a-z]*\.?"
_YEAR = r"(?P<year>\d{4})"

PATTERNS = tuple(
    f"^{pattern}$"
    for pattern in (
        # 2020-09-18 05:17:02 UTC, 2020/9/18
        rf"{_YEAR}[-/.](?P<month>\d{{1,2}})[-/.](?P<day>\d{{1,2}}){_CLOCK}{_ZONE}",
        # 20200918T051702Z
        rf"{_YEAR}(?P<month>\d{{2}})(?P<day>\d{{2}})"
        rf"(?:T(?P<hour>\d{{2}}):?(?P<minute>\d{{2}})(?::?(?P<second>\d{{2}})(?:[.,]\d+)?)?)?{_ZONE}",
        # 9/18/2020 5:17 PM, 18.09.2020 05:17
        rf"(?P<first>\d{{1,2}})(?P<mark>[-/.])(?P<other>\d{{1,2}})[-/.]{_YEAR},?{_CLOCK}{_ZONE}",
        # Fri, 18 Sep 2020 05:17:02 +0000; 18-Sep-2020
        rf"{_WEEKDAY}(?P<day>\d{{1,2}})[ -]{_NAMED_MONTH},?[ -]{_YEAR},?{_CLOCK}{_ZONE}",
        # Sep 18, 2020 5:17 PM
        rf"{_WEEKDAY}{_NAMED_MONTH} +(?P<day>\d{{1,2}}),? +{_YEAR},?{_CLOCK}{_ZONE}",
        # Fri Sep 18 05:17:02 +0000 2020
        rf"{_WEEKDAY}{_NAMED_MONTH} +(?P<day>\d{{1,2}}){_CLOCK}{_ZONE} +{_YEAR}",
    )
)
"""`first` and `other` are day and month, or month and day; all rows together decide which."""

HEAD = 1_000  # texts from which the pattern is chosen: one match takes microseconds

Fields = dict[str, NDArray[np.int64]]


@dataclass(frozen=True)
class Texts:
    """A column of texts, with each distinct text stored once.

    Attributes:
        distinct: [m] in the order of their first rows.
        codes: [n] position of each row's text in `distinct`.
        name: The column's name, for messages.
    """

    distinct: pa.Array
    codes: NDArray[np.int64]
    name: str

    def describe(self, code: int) -> str:
        """Returns the start of a message about a text: its column, row and value."""
        row = int(np.argmax(self.codes == code))
        return f"Column '{self.name}', row {row + 1}: '{self.distinct[code]}'"


def read_time_text(text: pa.ChunkedArray, name: str) -> Checked[NDArray[np.int64]]:
    """Reads dates and times, rounded down to seconds; a text without a zone is taken as UTC.

    Args:
        text: [n] without nulls and white space around the texts.
        name: The column's name, for messages.

    Returns:
        [n] int64 seconds since 1970 UTC; a fault if the texts do not all have one form.
    """
    iso = text
    if pc.all(pc.ends_with(text, " UTC")).as_py():
        iso = pc.utf8_slice_codeunits(text, 0, -len(" UTC"))  # is parsed ten times as fast
    for kind in ISO_KINDS:
        if first_unparsable(iso, kind, whole=True) < 0:
            ticks = pc.cast(pc.cast(iso, kind), pa.int64()).to_numpy()
            return Checked(np.asarray(ticks // 10**9, dtype=np.int64))
    distinct = pc.unique(text)  # not `dictionary_encode`, which creates one dictionary per chunk
    codes = pc.index_in(text, value_set=distinct).to_numpy().astype(np.int64)
    texts = Texts(distinct, codes, name)
    match = pc.extract_regex(texts.distinct, _usual_pattern(texts.distinct))
    if match.null_count == len(match):  # if most texts are numbers, the first word is reported
        return failed(_unreadable(texts, max(first_unparsable(texts.distinct, pa.float64()), 0)))
    if match.null_count:
        return failed(_unreadable(texts, int(np.argmax(pc.is_null(match).to_numpy(False)))))
    fields = _fields(match)
    zoned = _has_zone(texts.distinct)
    if zoned.any() and not zoned.all():
        return failed(_unreadable(texts, int(np.argmax(zoned != zoned[0]))))
    notes: tuple[str, ...] = ()
    if "first" in fields:
        ordered = _order(texts, match, fields)
        if ordered.values is None:
            return Checked(None, ordered.faults)
        fields, notes = ordered.values, ordered.notes
    invalid = ~_is_valid(fields)
    if invalid.any():
        return failed(_unreadable(texts, int(np.argmax(invalid))))
    return Checked(_seconds(fields)[texts.codes], notes=notes)


def unreadable_time(where: str) -> str:
    """Returns the message about a value that is not a time; `where` is its row and value."""
    return (
        f"{where} cannot be read as a time. Expected seconds since 1970, or dates such as "
        "2024-05-01, 2024-05-01T12:00:00 or 5/31/2024, all in one form, and all "
        "with a zone or all without. Convert it, or name another column with --timestamp-column."
    )


def seconds_of_days(
    year: NDArray[np.int64], month: NDArray[np.int64], day: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Returns the seconds since 1970 at which days [n] begin, and whether each day exists."""
    months = (year - 1970) * 12 + np.clip(month, 1, 12) - 1
    begin = months.astype("M8[M]").astype("M8[D]").astype(np.int64)
    end = (months + 1).astype("M8[M]").astype("M8[D]").astype(np.int64)
    exists = (month >= 1) & (month <= 12) & (day >= 1) & (day <= end - begin) & (year >= 1)
    return (begin + day - 1) * 86_400, exists


def _unreadable(texts: Texts, code: int) -> str:
    return unreadable_time(texts.describe(code))


def _usual_pattern(distinct: pa.Array) -> str:
    """Returns the pattern that matches most of the first texts."""
    head = distinct.slice(0, HEAD)
    return min(PATTERNS, key=lambda pattern: pc.extract_regex(head, pattern).null_count)


def _has_zone(distinct: pa.Array) -> NDArray[np.bool_]:
    zoned = pc.match_substring_regex(distinct, r"(?:UTC|GMT|Z|\d *[+-]\d{2}:?\d{2}(?: \d{4})?)$")
    return np.asarray(zoned.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _fields(match: pa.StructArray) -> Fields:
    """Returns the groups of a pattern as numbers [m]; a group that is absent is 0."""
    fields: Fields = {}
    for field in match.type:
        part = match.field(field.name)
        if field.name == "month_name":
            position = pc.index_in(pc.utf8_lower(part), value_set=pa.array(MONTHS))
            fields["month"] = pc.fill_null(position, -1).to_numpy().astype(np.int64) + 1
        elif field.name == "half":
            fields["half"] = _positions(pc.utf8_lower(part), ["", "a", "p"])
        elif field.name == "sign":
            fields["sign"] = _positions(part, ["+", "", "-"])
        elif field.name != "mark":
            digits = pc.if_else(pc.equal(part, ""), "0", part)
            fields[field.name] = pc.cast(digits, pa.int64()).to_numpy()
    return fields


def _positions(part: pa.Array, values: list[str]) -> NDArray[np.int64]:
    found = pc.index_in(part, value_set=pa.array(values)).to_numpy(zero_copy_only=False)
    return np.asarray(found, dtype=np.int64)


def _order(texts: Texts, match: pa.StructArray, fields: Fields) -> Checked[Fields]:
    """Returns the fields with `day` and `month`; a number above 12 in any row decides the order."""
    first, other = fields["first"], fields["other"]
    dots = pc.all(pc.equal(match.field("mark"), ".")).as_py()
    day_first, month_first = first > 12, other > 12
    if day_first.any() and month_first.any():
        codes = int(np.argmax(day_first)), int(np.argmax(month_first))
        return failed(
            f"{texts.describe(codes[0])} has the day first, but {texts.describe(codes[1])} has the "
            "month first, so the column cannot be read as times. Expected one order in all rows. "
            "Write the dates as 2024-05-31."
        )
    notes: tuple[str, ...] = ()
    day, month = (first, other) if day_first.any() or dots else (other, first)
    if not (day_first.any() or month_first.any() or dots):
        notes = (
            f"Column '{texts.name}' was read with the month first, as in 5/31/2024: no row decides "
            "whether the day or the month comes first. If the day comes first, write the dates as "
            "2024-05-31.",
        )
    return Checked({**fields, "day": day, "month": month}, notes=notes)


def _is_valid(fields: Fields) -> NDArray[np.bool_]:
    valid = seconds_of_days(fields["year"], fields["month"], fields["day"])[1]
    hour, half = fields.get("hour", 0), fields.get("half", 0)
    valid &= np.where(
        np.equal(half, 0), np.less(hour, 24), np.less_equal(abs(np.add(hour, -6.5)), 6)
    )
    valid &= np.less(fields.get("minute", 0), 60) & np.less(fields.get("second", 0), 60)
    return np.asarray(valid, dtype=np.bool_)


def _seconds(fields: Fields) -> NDArray[np.int64]:
    days = seconds_of_days(fields["year"], fields["month"], fields["day"])[0]
    nothing = np.zeros_like(days)
    hour, half = fields.get("hour", nothing), fields.get("half", nothing)
    hour = np.where(half == 0, hour, hour % 12 + 12 * (half == 2))  # 12 AM is midnight
    seconds = days + hour * 3600 + fields.get("minute", nothing) * 60
    seconds += fields.get("second", nothing)
    offset = fields["zone_hour"] * 3600 + fields["zone_minute"] * 60
    return np.asarray(seconds + (fields["sign"] - 1) * offset, dtype=np.int64)
