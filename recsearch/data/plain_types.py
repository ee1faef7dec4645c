"""Plain types: Arrow has many types for one kind of value, and each column gets the basic one."""

import pyarrow as pa
import pyarrow.compute as pc

from recsearch.data.parsing import first_unparsable
from recsearch.data.validated import Checked, failed


def plain_column(column: pa.ChunkedArray, name: str) -> Checked[pa.ChunkedArray]:
    """Returns a column as string, bool, int64 or uint64, float64, date, timestamp or null.

    Text may be `string`, `large_string`, `string_view` (Polars), bytes in UTF-8, or a dictionary of
    these; numbers may be any integer, float (also half precision) or decimal.

    Args:
        column: [n] of any Arrow type.
        name: The column's name, for messages.

    Returns:
        [n] values; a fault if cells contain several values (lists, structs, maps), or bytes that
        are not UTF-8.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        chunks = [chunk.dictionary_decode() for chunk in column.chunks]
        return plain_column(pa.chunked_array(chunks, type=kind.value_type), name)
    if pa.types.is_run_end_encoded(kind):
        chunks = [pc.run_end_decode(chunk) for chunk in column.chunks]
        return plain_column(pa.chunked_array(chunks, type=kind.value_type), name)
    if pa.types.is_nested(kind):
        return failed(
            f"Column '{name}' contains {_short(kind)} values. Expected one value in each row: "
            "a number, a text, or a date."
        )
    if is_text(kind) or is_bytes(kind):
        return _text(column, name)
    if pa.types.is_decimal(kind):
        return Checked(_from_decimal(column))
    if pa.types.is_floating(kind):
        return Checked(pc.cast(column, pa.float64()))
    if pa.types.is_integer(kind) and not pa.types.is_uint64(kind):
        return Checked(pc.cast(column, pa.int64()))
    return Checked(column)


def is_text(kind: pa.DataType) -> bool:
    """Returns whether an Arrow type is one of the types of text."""
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def is_bytes(kind: pa.DataType) -> bool:
    """Returns whether an Arrow type is one of the types of bytes."""
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def _text(column: pa.ChunkedArray, name: str) -> Checked[pa.ChunkedArray]:
    # Arrow does not check the text of a Parquet file, but it checks a cast from bytes to text.
    raw = pc.cast(column, pa.binary())
    row = first_unparsable(raw, pa.string())
    if row < 0:
        return Checked(pc.cast(raw, pa.string()))
    return failed(
        f"Column '{name}', row {row + 1}: {raw[row].as_py()[:40]!r} is not UTF-8 text. "
        "Write the column as UTF-8."
    )


def _from_decimal(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Returns decimals as int64 if all are whole and fit, else as float64."""
    if first_unparsable(column, pa.int64(), whole=True) < 0:
        return pc.cast(column, pa.int64())
    return pc.cast(column, pa.float64())


def _short(kind: pa.DataType) -> str:
    return str(kind).partition("<")[0]
