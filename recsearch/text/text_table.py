"""Tables for a terminal: the one place where they are printed.

Ids, titles and messages come from files of the user, or of somebody else: whatever a terminal would
obey is shown as text.
"""

from typing import TYPE_CHECKING, Any

from recsearch.text.printable import printable_line

if TYPE_CHECKING:
    from pandas import DataFrame


def text_table(table: "DataFrame", missing: str = "") -> str:
    """Returns a table as aligned columns of text, without its index.

    Args:
        table: Its texts may hold anything; so may the names of its columns.
        missing: What is shown for a missing value.
    """
    shown = table.rename(columns=lambda name: printable_line(str(name)))
    for place, (_, column) in enumerate(table.items()):
        if column.dtype == "object" or column.dtype == "string":
            shown.isetitem(place, [_cell(value) for value in column])
    return shown.to_string(index=False, na_rep=missing)


def _cell(value: Any) -> Any:
    return printable_line(value) if isinstance(value, str) else value
