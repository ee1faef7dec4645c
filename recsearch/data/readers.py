"""Reads files as `Interactions` and `Candidates`; all faults of a file are reported together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsearch.data.arrow import decoded
from recsearch.data.columns import ColumnNames, find_columns, list_names
from recsearch.data.foreign import wide_fault
from recsearch.data.frames import Source
from recsearch.data.headerless import Expected, Holds, by_position
from recsearch.data.ids import convert_ids, plain_ids, read_ids, rows_with_ids
from recsearch.data.interactions import Candidates, Interactions
from recsearch.data.labels import read_labels
from recsearch.data.tables import SourceTable, read_source
from recsearch.data.timestamps import read_timestamps
from recsearch.data.validated import Checked, carried
from recsearch.errors import DataError


@dataclass(frozen=True)
class Loaded:
    """A file of interactions that was read and checked, but not cleaned yet.

    Attributes:
        interactions: The rows of the file that have both ids, in file order.
        columns: Role ("user", "item", "label", "timestamp") -> the column it was read from.
        has_label: Whether there is a label column; without one all labels are 1.
        notes: Assumptions about the file.
        source: The file's name, for messages.
        time_fault: Why a column with a usual name is not used as timestamps, or "".
        rows: 0-based row of the file of each interaction; None if all rows were kept.
    """

    interactions: Interactions
    columns: dict[str, str]
    has_label: bool
    notes: tuple[str, ...]
    source: str = "the data"
    time_fault: str = ""
    rows: NDArray[np.int64] | None = None

    def file_row(self, row: int) -> int:
        """Returns the 1-based row of the file that an interaction was read from."""
        return 1 + int(row if self.rows is None else self.rows[row])


def load_interactions(path: Source, names: ColumnNames, like: Interactions | None = None) -> Loaded:
    """Reads and checks a file of interactions.

    Args:
        path: A file, or a directory of files of one format.
        names: Columns named by flags; other columns are found by their usual names.
        like: The training part, if this is another part: its id types are used.

    Returns:
        The rows with both ids, in file order: ids int64 or dictionary<int32, string>, labels
        float32, times int64 seconds.

    Raises:
        DataError: Lists all faults: missing columns, missing ids, invalid labels or times.
    """
    source = read_source(path, Expected(Holds.INTERACTIONS, names))
    table = source.table
    columns, faults = find_columns(table.column_names, by_position(table.column_names, names))
    wide = wide_fault(path, table, columns) if faults and isinstance(path, Path) else None
    if wide is not None:
        with carried(source.notes):
            raise DataError(str(path), [wide])
    if source.is_text and not names.no_header and not {"user", "item"} & set(columns):
        faults = (f"{faults[0]} If its first line is data, pass --no-header.", *faults[1:])
    users = _read_role(source, columns, "user", like.user_id.type if like else None, True)
    items = _read_role(source, columns, "item", like.item_id.type if like else None, True)
    labels: Checked[NDArray[np.float32]] = Checked(np.ones(table.num_rows, np.float32))
    if "label" in columns:
        labels = read_labels(table[columns["label"]], columns["label"])
    times: Checked[NDArray[np.int64]] = Checked(None)
    time_fault = ""
    if "timestamp" in columns:
        times = read_timestamps(table[columns["timestamp"]], columns["timestamp"])
    fatal = faults or users.faults or items.faults or labels.faults
    if times.faults and names.timestamp is None and not fatal:
        # The user did not name the column, and the split may not need it.
        time_fault = times.faults[0]
        reason = f"Column '{columns['timestamp']}' is not used as time: {time_fault}"
        times = Checked(None, notes=(reason,))
    for part in (users, items, labels, times):
        faults += part.faults
    notes = (*source.notes, *users.notes, *items.notes, *times.notes)
    if faults or labels.values is None:
        with carried(notes):
            raise DataError(str(path), faults)
    interactions = Interactions(users.values, items.values, labels.values, times.values)
    rows = rows_with_ids(users.values, items.values)
    return Loaded(
        interactions if rows is None else interactions.take(rows),
        columns,
        has_label="label" in columns,
        notes=(
            *notes,
            *_named_by_data(source, columns),
            *_unused(table.column_names, columns),
        ),
        source=path.name,
        time_fault=time_fault,
        rows=rows,
    )


def load_candidates(path: Source, names: ColumnNames, like: Interactions) -> Candidates:
    """Reads test lists: a user, a positive item, then one column per negative item.

    Args:
        path: The file; each column except the user's and the item's is a negative, in file order.
        names: Columns named by flags.
        like: The training part, whose id types are used.

    Returns:
        m lists of K negatives; an empty cell among the negatives becomes a null, as padding.

    Raises:
        DataError: Lists all faults: missing columns, missing ids, ids of another type.
    """
    source = read_source(path, Expected(Holds.CANDIDATES, names))
    table = source.table
    names = by_position(table.column_names, names)
    columns, faults = find_columns(table.column_names, names, roles=("user", "item"))
    users = _read_role(source, columns, "user", like.user_id.type)
    items = _read_role(source, columns, "item", like.item_id.type)
    rest = [name for name in table.column_names if name not in columns.values()]
    negatives = _read_negatives(table, rest, like.item_id.type)
    for part in (users, items, negatives):
        faults += part.faults
    if not rest:
        faults += (
            "No column of negatives found. Expected columns user, item, then one per negative; "
            f"the file has columns: {list_names(table.column_names)}.",
        )
    if faults:
        raise DataError(str(path), faults)
    return Candidates(users.values, items.values, negatives.values, num_negatives=len(rest))


def _read_role(
    source: SourceTable,
    columns: dict[str, str],
    role: str,
    like: pa.DataType | None,
    keep_missing: bool = False,
) -> Checked[pa.Array]:
    if role not in columns:
        return Checked(None)  # find_columns has reported the fault
    column = source.table[columns[role]]
    return read_ids(column, role, columns[role], like, keep_missing=keep_missing)


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
    stacked = pa.concat_arrays([decoded(ids) for ids in lists])
    # Reorders the values from column after column to list after list.
    order = np.arange(len(stacked)).reshape(len(rest), -1).T.ravel()
    stacked = stacked.take(pa.array(order))
    return Checked(stacked.dictionary_encode() if pa.types.is_dictionary(like) else stacked)


def _named_by_data(source: SourceTable, columns: Mapping[str, str]) -> list[str]:
    """Returns a note per id column whose name is one of its ids: the file may have no header."""
    return [
        f"'{column}' is both the name of the {role} column and one of its ids. If the first line "
        "of the file is data, pass --no-header."
        for role, column in columns.items()
        if source.is_text and role in ("user", "item") and _occurs(source.table[column], column)
    ]


def _occurs(column: pa.ChunkedArray, value: str) -> bool:
    return bool(pa.types.is_string(column.type) and pc.index(column, value).as_py() >= 0)


def _unused(available: Sequence[str], columns: dict[str, str]) -> tuple[str, ...]:
    unused = [name for name in available if name not in columns.values()]
    return (f"Columns not used: {list_names(unused)}.",) if unused else ()
