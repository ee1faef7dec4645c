"""Facts and tables as plain text before rendering to HTML, and the texts of single values."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recsearch.text.wording import number_text

Facts = tuple[tuple[str, str], ...]
"""(name, value), in the order in which they are shown."""


@dataclass(frozen=True)
class Cell:
    """One cell: its text, and its sort key (None sorts last)."""

    text: str
    key: float | str | None


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        headers: One per column.
        rows: Cells, one per header.
        highlighted: Number of the highlighted row, or None.
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


def known_facts(values: Mapping[str, object]) -> Facts:
    """Returns the values as facts, without those that are None or empty."""
    pairs = values.items()
    return tuple((name, any_text(value)) for name, value in pairs if value not in (None, ""))


def words(name: str) -> str:
    """Returns a name of a file with spaces: "max_epochs" as "max epochs"."""
    return name.replace("_", " ")


def pairs_text(pairs: Mapping[str, object], sign: str = " = ") -> str:
    """Returns names and values in one line."""
    return ", ".join(f"{name}{sign}{any_text(value)}" for name, value in pairs.items())


def any_text(value: Any) -> str:
    """Returns a value of a JSON file, formatted for display."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return "-" if value is None else str(value)
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, Sequence):
        return ", ".join(map(any_text, value))
    return json.dumps(value, ensure_ascii=False)
