"""Formats tables for a terminal.

Ids, titles and messages come from files of unknown origin, so terminal control characters are
shown as text.
"""

from typing import TYPE_CHECKING, Any

from recsearch.text.printable import printable_line

if TYPE_CHECKING:
    from pandas import DataFrame


def text_table(table: "DataFrame", missing: str = "") -> str:
    """Returns a table as aligned columns of text, without its index.

    Args:
        table: Its texts and column names may contain any characters.
        missing: The text of a missing value.
    """
    shown = table.rename(columns=lambda name: printable_line(str(name)))
    for place, (_, column) in enumerate(table.items()):
        if column.dtype == "object" or column.dtype == "string":
            shown.isetitem(place, [_cell(value) for value in column])
    return shown.to_string(index=False, na_rep=missing)


def _cell(value: Any) -> Any:
    return printable_line(value) if isinstance(value, str) else value
