"""Facts and tables as plain text, before they are HTML, and the texts of single values."""

from dataclasses import dataclass
from typing import Any

from recsearch.text.wording import number_text

Facts = tuple[tuple[str, str], ...]
"""(what, value), in the order in which they are shown."""


@dataclass(frozen=True)
class Cell:
    """One cell: its text, and what it is sorted by (None sorts last)."""

    text: str
    key: float | str | None


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        headers: One a column.
        rows: Cells, one a header.
        highlighted: Number of the row that stands out, or None.
    """

    headers: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    highlighted: int | None = None


def cell(value: Any) -> Cell:
    """Returns the cell of a value: numbers sort as numbers, all else as text."""
    if value is None:
        return Cell("-", None)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Cell(str(value), str(value))
    return Cell(number_text(value), value)
