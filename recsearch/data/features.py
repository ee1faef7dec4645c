"""Reads a user or item table as `Features`."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsearch.data.arrow import decoded, encoded
from recsearch.data.columns import (
    ColumnNames,
    bare_name,
    find_columns,
    normalised_name,
)
from recsearch.data.feature_kinds import TITLE_NAMES, Dropped, classify_column
from recsearch.data.frames import Source
from recsearch.data.ids import read_ids
from recsearch.data.interactions import FeatureColumn, Features
from recsearch.data.mixed_columns import words_as_missing
from recsearch.data.tables import read_source
from recsearch.data.validated import carried
from recsearch.errors import DataError


def load_features(
    path: Source, role: str, names: ColumnNames, like: pa.Array, exclude: Collection[str] = ()
) -> tuple[Features, tuple[str, ...]]:
    """Reads a user or item table.

    Args:
        path: A file, or a directory of Parquet files.
        role: "user" or "item".
        names: Columns named by flags. The id column is the role's, if the table has it, else one
            with a usual name or `id`.
        like: The ids of that role in the interactions; the table's ids are read in their type.
        exclude: Names of columns to leave out.

    Returns:
        One row per id (the last row of a repeated id), and notes about columns left out.

    Raises:
        DataError: If there is no id column, ids are missing or of another type, or no id occurs in
            the interactions.
    """
    source = read_source(path)
    table, notes = source.table, source.notes
    id_column = _find_id(path, table.column_names, role, names)
    ids = read_ids(table[id_column], role, id_column, like.type)
    if ids.values is None:
        with carried(notes):
            raise DataError(str(path), ids.faults)
    rows = _last_rows(ids.values)
    if len(rows) < table.num_rows:
        repeated = table.num_rows - len(rows)
        notes += (
            f"{repeated} rows of {path.name} repeat an id; the last row of each {role} id was "
            "kept.",
        )
        table = table.take(pa.array(rows))
    raw_ids = ids.values.take(pa.array(rows))
    left_out = {id_column, *exclude}
    with carried(notes):
        notes += _coverage(path, role, raw_ids, like)
    columns = [name for name in table.column_names if name not in left_out]
    kept, dropped, word_notes = _classify(table, columns)
    notes += tuple(f"{path.name}: {note}" for note in word_notes)
    if dropped:
        reasons = ", ".join(f"{name} ({reason})" for name, reason in dropped.items())
        notes += (f"Columns of {path.name} that were left out: {reasons}.",)
    return Features(raw_ids, kept), notes


def title_column(features: Features) -> str | None:
    """Returns the name of the column that shows an item or user to people, or None."""
    by_name = {normalised_name(name): name for name in reversed(features.columns)}
    return next((by_name[title] for title in TITLE_NAMES if title in by_name), None)


def safe_names(columns: Iterable[str]) -> dict[str, str]:
    """Returns column -> a distinct name of letters, digits and `_`, as Keras inputs need it.

    `id` is reserved: with the prefix of the table it would be `user_id` or `item_id`.

    Example:
        >>> safe_names(["Sci-Fi", "Sci Fi", "genre:token"])
        {'Sci-Fi': 'Sci_Fi', 'Sci Fi': 'Sci_Fi_2', 'genre:token': 'genre'}
    """
    names: dict[str, str] = {}
    taken = {"id"}
    for column in columns:
        stem = re.sub(r"[^A-Za-z0-9_]", "_", bare_name(column).strip())
        name, number = stem, 2
        while name.lower() in taken:  # names that differ only in case would clash as file names
            name, number = f"{stem}_{number}", number + 1
        taken.add(name.lower())
        names[column] = name
    return names


def _find_id(path: Source, available: Sequence[str], role: str, names: ColumnNames) -> str:
    # The flags name columns of the interactions; the id column of a table may differ.
    given = names.given().get(role)
    known = {bare_name(column) for column in available} | set(available)
    found, faults = find_columns(
        available,
        _named(role, given) if given in known else ColumnNames(),
        required=(role,),
        roles=(role,),
    )
    if role in found:
        return found[role]
    plain = [column for column in available if normalised_name(column) == "id"]
    if plain:
        return plain[0]
    raise DataError(str(path), faults)


def _named(role: str, column: str | None) -> ColumnNames:
    return ColumnNames(user=column) if role == "user" else ColumnNames(item=column)


def _last_rows(ids: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Returns the ascending positions of the last row of each id."""
    ids = encoded(ids)
    last = np.full(len(ids.dictionary), -1, dtype=np.int64)
    last[ids.indices.to_numpy()] = np.arange(len(ids))  # of repeated codes, the last row is kept
    return np.sort(last[last >= 0])


def _coverage(path: Source, role: str, ids: pa.Array, like: pa.Array) -> tuple[str, ...]:
    wanted = decoded(pc.unique(like))
    known = pc.is_in(wanted, value_set=decoded(ids))
    missing = len(wanted) - int(pc.sum(known).as_py() or 0)
    if not missing:
        return ()
    if missing == len(wanted):
        raise DataError(
            str(path),
            [
                f"None of the {len(wanted)} {role} ids of the interactions is in this table: "
                f"for example {wanted[0]} there, {decoded(ids)[0]} here. "
                "Expected the same ids in both files."
            ],
        )
    return (f"{missing} of {len(wanted)} {role}s in the interactions have no row in {path.name}.",)


def _classify(
    table: pa.Table, columns: Sequence[str]
) -> tuple[dict[str, FeatureColumn], Mapping[str, str], list[str]]:
    """Returns safe name -> column, name -> reason why it is dropped, and notes on dropped cells."""
    kept: dict[str, FeatureColumn] = {}
    notes: list[str] = []
    dropped: dict[str, str] = {}
    names = safe_names(columns)
    for column in columns:
        values, note = words_as_missing(column, table[column])
        notes += [note] if note else []
        feature = classify_column(column, values)
        if isinstance(feature, Dropped):
            dropped[bare_name(column)] = feature.reason
        else:
            kept[names[column]] = feature
    return kept, dropped, notes
