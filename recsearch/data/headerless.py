"""Files without a header line: how they are recognised, and the names of their columns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum, auto
from pathlib import Path

from recsearch.data.columns import USUAL_NAMES, ColumnNames, normalised_name
from recsearch.data.foreign import matrix_hint
from recsearch.errors import DataError

RATING_COLUMNS = ("user", "item", "rating", "timestamp")
SOME_ROWS = 1000
_POSITION = re.compile(r"(?:column_)?([1-9]\d{0,4})")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_SECONDS = re.compile(r"\d{9,13}(\.\d+)?")  # since 1970, from 1973 on, or milliseconds
_NAMES = {*(name for names in USUAL_NAMES.values() for name in names), "id", "title", "name"}


class Holds(StrEnum):
    """The content of a file, on which the meaning of columns without names depends."""

    INTERACTIONS = auto()
    CANDIDATES = auto()
    FEATURES = auto()


@dataclass(frozen=True)
class Expected:
    """What is known about a file before it is read.

    Attributes:
        holds: The expected content.
        names: Columns named by flags, and whether there is a header line.
    """

    holds: Holds = Holds.FEATURES
    names: ColumnNames = field(default_factory=ColumnNames)


def is_number(cell: str) -> bool:
    """Returns whether a cell is a plain number."""
    return _NUMBER.fullmatch(cell) is not None


def lacks_header(cells: Sequence[str], below: Sequence[Sequence[str]], expected: Expected) -> bool:
    """Returns whether the first line is data: by the flag, or because it is certain.

    It is certain if all cells are numbers. For interactions it is also certain if no cell is a
    usual name, and a cell is a number above numbers or occurs again in its column.

    Args:
        cells: Cells of the first line.
        below: Cells of some rows below it.
        expected: What is known about the file.
    """
    if all(is_number(cell) for cell in cells):
        return True
    if expected.holds is Holds.FEATURES:
        return False
    if expected.names.no_header:
        return True
    if expected.holds is not Holds.INTERACTIONS or not 2 <= len(cells) <= len(RATING_COLUMNS):
        return False
    named = set(expected.names.given().values())
    if named & set(cells) or any(normalised_name(cell) in _NAMES for cell in cells):
        return False
    columns = list(zip(*(row for row in below if len(row) == len(cells)), strict=True))
    return any(
        cell in column or (is_number(cell) and all(map(is_number, column)))
        for cell, column in zip(cells, columns, strict=False)
        if cell
    )


def name_columns(
    path: Path, cells: Sequence[str], below: Sequence[Sequence[str]], expected: Expected
) -> tuple[str, ...]:
    """Returns names for the columns of a file without a header.

    Two to four columns are user, item, rating, timestamp; if a flag names a column by its
    position, or there are more, they are column_1, column_2, ...

    Raises:
        DataError: If there is no such convention for this many columns.
    """
    count = len(cells)
    numbered = tuple(f"column_{number}" for number in range(1, count + 1))
    if any(_POSITION.fullmatch(name) for name in expected.names.given().values()):
        return numbered
    if expected.holds is Holds.CANDIDATES and count > 2:
        return ("user", "item", *numbered[2:])
    if count in (2, 3, 4):
        rows = [cells, *(row for row in below if len(row) == count)]
        if count == 3 and all(_SECONDS.fullmatch(row[2].strip()) for row in rows):
            return "user", "item", "timestamp"
        return RATING_COLUMNS[:count]
    if expected.names.no_header:
        return numbered
    message = (
        f"The file has {count} columns and no header line. Expected a header line, or the 2 to 4 "
        "columns user, item, rating, timestamp. Add a header line, or pass --no-header with "
        "--user-column 1, --item-column 2 and so on."
    )
    raise DataError(str(path), [f"{message} {matrix_hint(path, count)}" if count > 9 else message])


def by_position(columns: Sequence[str], names: ColumnNames) -> ColumnNames:
    """Returns the names with "column_2" for "2", if a file without a header has such columns."""
    given = {
        role: f"column_{name}" if f"column_{name}" in columns and name not in columns else name
        for role, name in names.given().items()
    }
    return ColumnNames(**given, no_header=names.no_header)
