"""From files to `Interactions` and `Candidates`; all faults of a file are told together."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsearch.data.checked import Checked
from recsearch.data.columns import ColumnNames, find_columns
from recsearch.data.frames import Source
from recsearch.data.ids import convert_ids, plain_ids, read_ids
from recsearch.data.interactions import Candidates, Interactions
from recsearch.data.labels import read_labels
from recsearch.data.tables import SourceTable, read_source
from recsearch.data.timestamps import read_timestamps
from recsearch.errors import DataError


@dataclass(frozen=True)
class Loaded:
    """A file of interactions, read and checked, not yet cleaned.

    Attributes:
        interactions: All rows of the file, in file order.
        columns: Role ("user", "item", "label", "timestamp") -> the column it was read from.
        has_label: Whether there is a label column; without it all labels are 1.
        notes: What was assumed of the file.
        source: The file's name, for messages.
    """

    interactions: Interactions
    columns: dict[str, str]
    has_label: bool
    notes: tuple[str, ...]
    source: str = "the data"


def read_table(path: Path) -> pa.Table:
    """Returns the table at a path, with the file's columns; see `read_source` for the formats.

    Raises:
        DataError: If there is nothing at the path, or nothing that can be read.
    """
    return read_source(path).table


def load_interactions(path: Source, names: ColumnNames, like: Interactions | None = None) -> Loaded:
    """Reads a file of interactions and checks it whole.

    Args:
        path: A file, or a directory of Parquet files.
        names: Columns named by flags; the others are found by their usual names.
        like: The training part, if this is another part: ids are read in its types.

    Returns:
        All rows in file order: ids int64 or dictionary<int32, string>, labels float32, times
        int64 seconds.

    Raises:
        DataError: With every fault found: missing columns, missing ids, broken labels or times.
    """
    source = read_source(path)
    table = source.table
    columns, faults = find_columns(table.column_names, names)
    users = _read_role(source, columns, "user", like.user_id.type if like else None)
    items = _read_role(source, columns, "item", like.item_id.type if like else None)
    labels: Checked[NDArray[np.float32]] = Checked(np.ones(table.num_rows, np.float32))
    if "label" in columns:
        labels = read_labels(table[columns["label"]], columns["label"])
    times: Checked[NDArray[np.int64]] = Checked(None)
    if "timestamp" in columns:
        times = read_timestamps(table[columns["timestamp"]], columns["timestamp"])
    fatal = faults or users.faults or items.faults or labels.faults
    if times.faults and names.timestamp is None and not fatal:
        # The column was found by its name alone, and the split may not need it.
        reason = f"Column '{columns['timestamp']}' is not used as time: {times.faults[0]}"
        times = Checked(None, notes=(reason,))
    for part in (users, items, labels, times):
        faults += part.faults
    if faults or labels.values is None:
        raise DataError(str(path), faults)
    return Loaded(
        Interactions(users.values, items.values, labels.values, times.values),
        columns,
        has_label="label" in columns,
        notes=(*source.notes, *times.notes, *_unused(table.column_names, columns)),
        source=path.name,
    )


def load_candidates(path: Source, names: ColumnNames, like: Interactions) -> Candidates:
    """Reads test lists: a user, a positive item, then one column for each negative item.

    Args:
        path: The file; every column besides the user's and the item's is a negative, in file order.
        names: Columns named by flags.
        like: The training part, whose id types are used.

    Returns:
        m lists of K negatives; an empty cell among the negatives is a null, which pads.

    Raises:
        DataError: With every fault found: missing columns, missing ids, ids of another type.
    """
    source = read_source(path)
    table = source.table
    columns, faults = find_columns(table.column_names, names, roles=("user", "item"))
    users = _read_role(source, columns, "user", like.user_id.type)
    items = _read_role(source, columns, "item", like.item_id.type)
    rest = [name for name in table.column_names if name not in columns.values()]
    negatives = _read_negatives(table, rest, like.item_id.type)
    for part in (users, items, negatives):
        faults += part.faults
    if not rest:
        faults += (
            "No column of negatives found. Expected columns user, item, then one a negative; "
            f"the file has columns: {', '.join(table.column_names)}.",
        )
    if faults:
        raise DataError(str(path), faults)
    return Candidates(users.values, items.values, negatives.values, num_negatives=len(rest))


def _read_role(
    source: SourceTable, columns: dict[str, str], role: str, like: pa.DataType | None
) -> Checked[pa.Array]:
    if role not in columns:
        return Checked(None)  # find_columns has told it
    return read_ids(source.table[columns[role]], role, columns[role], like)


def _read_negatives(table: pa.Table, rest: Sequence[str], like: pa.DataType) -> Checked[pa.Array]:
    lists: list[pa.Array] = []
    faults: tuple[str, ...] = ()
    for name in rest:
        plain = plain_ids(table[name], "item", name)
        ids = plain if plain.values is None else convert_ids(plain.values, like, "item", name)
        faults += ids.faults
        lists.append(ids.values)
    if faults or not lists:
        return Checked(None, faults)
    text = pa.types.is_dictionary(like)
    stacked = pa.concat_arrays([ids.cast(pa.string()) if text else ids for ids in lists])
    # Column after column becomes list after list.
    order = np.arange(len(stacked)).reshape(len(rest), -1).T.ravel()
    stacked = stacked.take(pa.array(order))
    return Checked(stacked.dictionary_encode() if text else stacked)


def _unused(available: Sequence[str], columns: dict[str, str]) -> tuple[str, ...]:
    unused = [name for name in available if name not in columns.values()]
    return (f"Columns not used: {', '.join(unused)}.",) if unused else ()
