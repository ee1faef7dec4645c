"""Tables in memory: DataFrames of pandas and Polars, Arrow tables, DuckDB relations."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from recsearch.errors import DataError, UsageError
from recsearch.text.shown import shown

_HASHED_ROWS = 1 << 20


@dataclass(frozen=True)
class Frame:
    """A table in the caller's memory; messages refer to it as to a file.

    Attributes:
        argument: Argument of `recsearch.search`: data, users, items, test, ...
        kind: Name of the table's class, such as "DataFrame".
        table: Its columns. Numbers without missing values are not copied.
        notes: Assumptions about the table.
    """

    argument: str
    kind: str
    table: pa.Table
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, argument: str, value: Any) -> "Frame":
        """Returns the frame of any object that Arrow can read; the value is never modified.

        Args:
            argument: Argument of `recsearch.search`, for messages.
            value: A pandas DataFrame (without its index), or an object that `pyarrow.table`
                accepts: one with `__arrow_c_stream__`, a mapping of columns, ...

        Raises:
            UsageError: If the value is not a table.
            DataError: If a column has no Arrow type, such as a column of mixed objects.
        """
        kind = type(value).__name__
        try:
            if _is_pandas(value):
                table = pa.Table.from_pandas(value, preserve_index=False)
                return cls(argument, kind, _plain(table), _index_note(value))
            if _is_table(value) or isinstance(value, Mapping | pa.RecordBatch):
                return cls(argument, kind, _plain(pa.table(value)))
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise DataError(f"{argument}={shown(value)}", [_reason(error)]) from None
        raise UsageError(
            f"{argument}={shown(value)}: expected a path, a DataFrame (pandas, Polars), an Arrow "
            "table or another object with __arrow_c_stream__."
        )

    @property
    def name(self) -> str:
        """The text that run.json contains instead of a path, such as "DataFrame (900 rows)"."""
        return f"{self.kind} ({self.table.num_rows:,} rows)"

    def __str__(self) -> str:
        return f"{self.argument}={self.name}"

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the names, types and values; the chunks of the rows do not matter."""
        hashed = _Hashed()
        with pa.ipc.new_stream(pa.PythonFile(hashed, mode="w"), self.table.schema) as stream:
            for start in range(0, self.table.num_rows, _HASHED_ROWS):
                stream.write_table(self.table.slice(start, _HASHED_ROWS).combine_chunks())
        return hashed.sha.digest()


class _Hashed:
    """A file object that hashes the bytes written to it."""

    closed = False

    def __init__(self) -> None:
        self.sha = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha.update(data)
        return len(data)

    def flush(self) -> None:
        """Does nothing: nothing is buffered."""

    def close(self) -> None:
        """Does nothing: the hash is read afterwards."""


Source = Path | Frame
"""Where a table is read from."""


def source_of(argument: str, text: str, frames: Mapping[str, Frame]) -> Source:
    """Returns the frame of an argument, or the path in the settings.

    Args:
        argument: data, users, items, ...
        text: Value of the setting: a path, or the `name` of a frame.
        frames: Argument -> frame, for tables in the caller's memory.

    Raises:
        DataError: If a resumed run had a frame that was never copied to the run directory.
    """
    if argument in frames:
        return frames[argument]
    path = Path(text)
    if text.endswith(" rows)") and not path.is_absolute() and not path.exists():
        raise DataError(
            f"{argument}={text}",
            [
                "This table was in the memory of the process that started the run. The process "
                "ended before it had copied the table to the run directory. Start a new run."
            ],
        )
    return path


def _is_pandas(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "columns")


def _is_table(value: Any) -> bool:
    # A Series has this method too, but only one dimension.
    return hasattr(value, "__arrow_c_stream__") and getattr(value, "ndim", 2) == 2


def _plain(table: pa.Table) -> pa.Table:
    return table.replace_schema_metadata(None)


def _index_note(frame: Any) -> tuple[str, ...]:
    names = [str(name) for name in frame.index.names if name is not None]
    if not names:
        return ()
    return (
        f"The index ({', '.join(names)}) is not read; frame.reset_index() turns it into a column.",
    )


def _reason(error: Exception) -> str:
    """Returns the first line of an error; Arrow names the column in a later argument."""
    parts = [str(part).strip() for part in error.args if str(part).strip()] or [str(error)]
    return f"Arrow cannot read this table: {'; '.join(parts).splitlines()[0][:300]}."
