"""Lines of the form `user item item ...`, as in LightGCN's data sets, into (user, item) pairs.

Dimension letters: L lines, n pairs.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsearch.data.contents import Content
from recsearch.errors import DataError

FEWEST_LINES = 2
MANY_LINES = 20
ALIKE = 0.95  # if this fraction of many lines has equal length, the others are broken table rows


def looks_like_lists(lines: Sequence[str]) -> bool:
    """Returns whether lines are `user item item ...`: integers, with different counts per line.

    Each user has one line. Lines that all have the same count could be ratings.
    """
    rows = [line.split() for line in lines if line.strip()]
    lengths = Counter(len(row) for row in rows)
    if len(rows) < FEWEST_LINES or len(lengths) == 1:
        return False
    if len(rows) >= MANY_LINES and max(lengths.values()) >= ALIKE * len(rows):
        return False
    if not all(cell.isdecimal() and cell.isascii() for row in rows for cell in row):
        return False
    return len({row[0] for row in rows}) == len(rows)


def read_lists(content: Content) -> tuple[pa.Table, tuple[str, ...]]:
    """Returns the pairs [n] as columns user and item, in file order, and notes.

    Raises:
        DataError: If a cell is not a whole number.
    """
    lines = pa.array([line for line in content.read().decode().splitlines() if line.strip()])
    lists = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(lines))
    try:
        values = pc.cast(lists.flatten(), pa.int64()).to_numpy()
    except pa.ArrowInvalid as error:
        raise DataError(
            str(content.path),
            [f"Looks like lines `user item item ...`, but not all are whole numbers: {error}."],
        ) from None
    lengths = pc.list_value_length(lists).to_numpy().astype(np.int64)
    first = np.cumsum(lengths) - lengths  # position of each line's user
    pairs = np.ones(len(values), dtype=np.bool_)
    pairs[first] = False
    users = np.repeat(values[first], lengths - 1)
    notes = [
        f"{content.path.name} has lines of the form `user item item ...`; they were read as "
        f"{len(users)} (user, item) pairs."
    ]
    empty = int((lengths == 1).sum())
    if empty:
        notes.append(f"{empty} lines of {content.path.name} have a user but no item.")
    return pa.table({"user": users, "item": values[pairs]}), tuple(notes)
