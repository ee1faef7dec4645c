"""From a path to an Arrow table: finds out what the path is, and reads it."""

import difflib
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from recsearch.data.delimited import read_delimited
from recsearch.data.frames import Frame, Source
from recsearch.errors import DataError

PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True)
class SourceTable:
    """A table as a file holds it.

    Attributes:
        path: The file, the directory of Parquet files, or the table in memory.
        table: Its columns under their names in the file.
        notes: What was assumed of the file.
    """

    path: Source
    table: pa.Table
    notes: tuple[str, ...] = ()


def read_source(path: Source) -> SourceTable:
    """Reads a table: delimited text, plain or gzipped; a Parquet file; a directory of them.

    The content decides, not the extension, except for MovieLens and RecBole files.

    Args:
        path: The file or directory, or a table in memory.

    Raises:
        DataError: If there is nothing at the path, or nothing that can be read.
    """
    if isinstance(path, Frame):
        return SourceTable(path, _with_rows(path, path.table), path.notes)
    if not path.exists():
        raise DataError(str(path), [_absent(path)])
    if path.is_dir():
        return SourceTable(path, _read_directory(path))
    if not path.stat().st_size:
        raise DataError(str(path), ["The file is empty. Expected a header line and rows of data."])
    if path.suffix.lower() in (".parquet", ".pq") or _is_parquet(path):
        return SourceTable(path, _with_rows(path, _read_parquet(path)))
    table, notes = read_delimited(path)
    return SourceTable(path, table, notes)


def _absent(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"There is no such file, and no folder {folder}. Check the path."
    names = sorted(entry.name for entry in folder.iterdir())
    close = difflib.get_close_matches(path.name, names, n=3)
    if close:
        return f"There is no such file. Close to it in {folder}: {', '.join(close)}."
    return f"There is no such file, and none with a similar name in {folder}. Check the path."


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC


def _read_parquet(path: Path) -> pa.Table:
    try:
        # Without `partitioning`, a folder named "user=3" above the file would add a column.
        return pa.parquet.read_table(path, partitioning=None)
    except (pa.ArrowException, OSError):
        raise DataError(
            str(path), ["Cannot be read as Parquet: the file is damaged, or not a Parquet file."]
        ) from None


def _read_directory(path: Path) -> pa.Table:
    # As Spark and Hive do, names with a leading underscore or dot are no data.
    parts = [part for part in sorted(path.rglob("*.parquet")) if part.name[0] not in "._"]
    if not parts:
        raise DataError(
            str(path), ["The directory holds no .parquet file. Expected a file, or Parquet files."]
        )
    tables = [_read_parquet(part) for part in parts]
    try:
        return _with_rows(path, pa.concat_tables(tables, promote_options="permissive"))
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            str(path), [f"The {len(parts)} Parquet files do not fit together: {reason}."]
        ) from None


def _with_rows(path: Source, table: pa.Table) -> pa.Table:
    names = table.column_names
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(
            str(path), [f"Columns are named twice: {', '.join(repeated)}. Expected distinct names."]
        )
    if not table.num_rows:
        raise DataError(str(path), [f"Has columns ({', '.join(names)}) but no row of data."])
    return table
