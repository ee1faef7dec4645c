"""Directories that contain one table in several files."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa

from recsearch.data.parsing import infer_type
from recsearch.errors import DataError

TABLE_ENDINGS = (".parquet", ".pq", ".csv", ".tsv", ".jsonl", ".ndjson")
COMPRESSED = (".gz", ".bz2", ".zst")
MAX_ENTRIES = 10_000  # a larger directory is most likely a mistake, such as /


def list_parts(path: Path) -> list[Path]:
    """Returns the files of a directory that are tables of one format, sorted by path.

    As in Spark and Hive, names that begin with an underscore or a dot are not data. Links are not
    followed.

    Raises:
        DataError: If there is no table, there are tables of several formats, or the directory
            has too many entries to be one table.
    """
    parts: list[Path] = []
    seen = 0
    for folder, folders, names in os.walk(path, followlinks=False):
        folders[:] = sorted(name for name in folders if name[0] not in "._")
        seen += len(folders) + len(names)
        if seen > MAX_ENTRIES:
            raise DataError(
                str(path),
                [
                    f"The directory has more than {MAX_ENTRIES:,} entries. Expected a file, or a "
                    "directory with the files of one table."
                ],
            )
        found = [Path(folder, name) for name in names if name[0] not in "._"]
        parts += [part for part in found if _ending(part) and not part.is_symlink()]
    parts = sorted(part for part in parts if part.is_file())
    kinds = Counter(_ending(part).replace(".pq", ".parquet") for part in parts)
    if not parts:
        raise DataError(
            str(path),
            [
                "The directory contains no .parquet, .csv, .tsv or .jsonl file. "
                "Expected a file, or a directory of such files; links in it are not followed."
            ],
        )
    if len(kinds) > 1:
        shown = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        raise DataError(
            str(path),
            [f"The directory contains files of several formats: {shown}. Expected one format."],
        )
    return parts


def add_partitions(table: pa.Table, root: Path, part: Path) -> pa.Table:
    """Returns a part with text columns for its folder names, as in `user=3/0.parquet`."""
    for name, value in _partitions(root, part).items():
        if name not in table.column_names:
            table = table.append_column(name, pa.repeat(pa.scalar(value), table.num_rows))
    return table


def type_partitions(table: pa.Table, root: Path, parts: Sequence[Path]) -> pa.Table:
    """Returns the table with the types of the columns from folder names inferred."""
    for name in dict.fromkeys(name for part in parts for name in _partitions(root, part)):
        column = table[name]
        if pa.types.is_string(column.type):
            place = table.column_names.index(name)
            table = table.set_column(place, name, infer_type(column))
    return table


def _partitions(root: Path, part: Path) -> dict[str, str]:
    pairs = [folder.partition("=") for folder in part.relative_to(root).parts[:-1]]
    return {unquote(name): unquote(value) for name, equals, value in pairs if name and equals}


def _ending(path: Path) -> str:
    """Returns the extension of a table's name in lower case, or an empty string."""
    name = path.name.lower()
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    return next((ending for ending in TABLE_ENDINGS if name.endswith(ending)), "")
