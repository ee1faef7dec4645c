"""Reads a path, or a table in memory, as an Arrow table, whatever its format is."""

import difflib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from recsearch.data.columns import list_names
from recsearch.data.contents import EMPTY, Content, decode, open_content
from recsearch.data.delimited import read_delimited, typed
from recsearch.data.folders import add_partitions, list_parts, type_partitions
from recsearch.data.foreign import MAX_COLUMNS, columns_fault
from recsearch.data.frames import Frame, Source
from recsearch.data.headerless import Expected, Holds
from recsearch.data.item_lists import looks_like_lists, read_lists
from recsearch.data.json_tables import looks_like_json, read_json
from recsearch.errors import DataError

PARQUET_MAGIC = b"PAR1"
SOME_LINES = 1000
BROKEN_TEXT = (
    "Has text that is not valid UTF-8. Expected UTF-8; write the file again from decoded text."
)


@dataclass(frozen=True)
class SourceTable:
    """A table as in its file.

    Attributes:
        path: The file, the directory of files, or the table in memory.
        table: Its columns, with their names in the file.
        notes: Assumptions about the file.
        is_text: Whether the file is delimited text, whose first line may be a header or data.
    """

    path: Source
    table: pa.Table
    notes: tuple[str, ...] = ()
    is_text: bool = False


def read_source(path: Source, expected: Expected | None = None) -> SourceTable:
    """Reads a table: delimited text, JSON lines, Parquet; or a directory of files of one format.

    The format is detected from the content, not the extension, except for MovieLens and RecBole.

    Args:
        path: The file or directory, or a table in memory.
        expected: What is known about the file; None for a table with a header.

    Raises:
        DataError: If nothing is at the path, or it cannot be read.
    """
    if isinstance(path, Frame):
        return SourceTable(path, _with_rows(path, path.table), path.notes)
    expected = expected or Expected()
    try:
        if not path.exists():
            raise DataError(str(path), [_absent(path)])
        if path.is_dir():
            return _read_directory(path, expected)
        return _read_file(path, expected)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise DataError(str(path), [f"Cannot be read: {error}."]) from None


def _absent(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"There is no such file, and no folder {folder}. Check the path."
    names = sorted(entry.name for entry in folder.iterdir())
    close = difflib.get_close_matches(path.name, names, n=3)
    if close:
        return f"There is no such file. Similar names in {folder}: {', '.join(close)}."
    return f"There is no such file, and none with a similar name in {folder}. Check the path."


def _read_file(path: Path, expected: Expected) -> SourceTable:
    table, notes, is_text = _read_part(path, expected)
    return SourceTable(path, _with_rows(path, typed(table) if is_text else table), notes, is_text)


def _read_part(path: Path, expected: Expected) -> tuple[pa.Table, tuple[str, ...], bool]:
    """Returns a file's table, notes, and whether all its cells are still text."""
    if not path.is_file():
        raise DataError(str(path), ["This is a pipe, a socket or a device. Expected a file."])
    if not path.stat().st_size:
        raise DataError(str(path), [EMPTY])
    if path.suffix.lower() in (".parquet", ".pq") or _is_parquet(path):
        return _read_parquet(path), (), False
    content = open_content(path)
    if looks_like_json(content.head):
        return read_json(content), content.notes, False
    if expected.holds is Holds.INTERACTIONS and not expected.names.given() and _has_lists(content):
        table, notes = read_lists(content)
        return table, (*content.notes, *notes), False
    table, notes = read_delimited(content, expected)
    return table, notes, True


def _has_lists(content: Content) -> bool:
    lines = content.head.split(b"\n", SOME_LINES)[:SOME_LINES]
    return looks_like_lists([decode(line) for line in lines])


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC


def _read_parquet(path: Path) -> pa.Table:
    try:
        with pa.parquet.ParquetFile(path) as file:
            count = file.metadata.num_columns
        if count > MAX_COLUMNS:
            raise DataError(str(path), [columns_fault(path, count)])
        # Without `partitioning`, a folder named "user=3" above the file would add a column.
        table = pa.parquet.read_table(path, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        reason = "Cannot be read as Parquet: the file is damaged, or not a Parquet file."
        raise DataError(str(path), [BROKEN_TEXT if "UTF8" in str(error) else reason]) from None
    return table


def _read_directory(path: Path, expected: Expected) -> SourceTable:
    parts = list_parts(path)
    read = [_read_part(part, expected) for part in parts]
    tables = [
        add_partitions(table, path, part) for part, (table, _, _) in zip(parts, read, strict=True)
    ]
    notes = tuple(dict.fromkeys(note for _, found, _ in read for note in found))
    is_text = all(text for _, _, text in read)
    if is_text:
        _check_same_columns(path, parts, tables)
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0]
        kind = "Parquet" if parts[0].suffix.lower() in (".parquet", ".pq") else "JSON"
        raise DataError(
            str(path), [f"The {len(parts)} {kind} files cannot be joined into one table: {reason}."]
        ) from None
    table = typed(table) if is_text else type_partitions(table, path, parts)
    return SourceTable(path, _with_rows(path, table), notes, is_text)


def _check_same_columns(path: Path, parts: list[Path], tables: list[pa.Table]) -> None:
    first = tables[0].column_names
    for part, table in zip(parts, tables, strict=True):
        if table.column_names != first:
            raise DataError(
                str(path),
                [
                    f"{part.name} has the columns {list_names(table.column_names)}, but "
                    f"{parts[0].name} has {list_names(first)}. Expected the same columns in "
                    "all files."
                ],
            )


def _with_rows(path: Source, table: pa.Table) -> pa.Table:
    names = table.column_names
    repeated = sorted(name for name, times in Counter(names).items() if times > 1)
    if repeated:
        raise DataError(
            str(path),
            [f"Columns are named twice: {list_names(repeated)}. Expected distinct names."],
        )
    if not table.num_rows:
        raise DataError(str(path), [f"Has columns ({list_names(names)}) but no row of data."])
    return table
