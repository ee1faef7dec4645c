"""The kind of a user or item column: categorical, numeric, multi-valued, text, or not useful."""

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsearch.data.arrow import count_distinct, empty_to_null, one_chunk
from recsearch.data.columns import bare_name, normalised_name
from recsearch.data.interactions import ColumnKind, FeatureColumn
from recsearch.data.parsing import infer_type
from recsearch.data.plain_types import is_text, plain_column

TITLE_NAMES = (
    *("title", "name", "originaltitle", "movietitle", "filmtitle", "booktitle", "itemname"),
    *("itemtitle", "productname", "producttitle", "trackname", "artistname", "songtitle"),
)
"""Normalised names of columns that are shown to people. They are text, even with few values."""

MULTI_NAMES = ("genres", "genre", "tags", "categories")
MULTI_SEPARATORS = ("|", ";", ",")
MULTI_FRACTION = 0.2  # of the values contain "|"

FEW_CATEGORIES = 50
CATEGORY_FRACTION = 0.05  # of the rows
MAX_CATEGORICAL_VALUES = 5000

IDENTIFIER_FRACTION = 0.9  # of the values are distinct
IDENTIFIER_NAME = re.compile(r"(id|isbn|isbn10|isbn13|asin|ean|upc|url)$")


@dataclass(frozen=True)
class Dropped:
    """The reason why a column is not a feature, in a few words."""

    reason: str


def classify_column(name: str, column: pa.ChunkedArray) -> FeatureColumn | Dropped:
    """Returns the column as a feature, or the reason why it is not one.

    Args:
        name: As in the file; a RecBole type at its end is used.
        column: [rows] of any Arrow type.

    Returns:
        Values [rows]: string for categories and text, float64 for numbers (null where missing),
        list<string> for several values (empty where missing).
    """
    if _is_list_of_values(column.type):
        return _useful(ColumnKind.MULTI, one_chunk(pc.cast(column, pa.list_(pa.string()))))
    plain = plain_column(column, name)
    if plain.values is None:
        nested = pa.types.is_nested(column.type)
        return Dropped(f"{column.type} values are not supported" if nested else "not UTF-8 text")
    column, kind = plain.values, plain.values.type
    if pa.types.is_string(kind) and pa.types.is_boolean(infer_type(column).type):
        column, kind = infer_type(column), pa.bool_()  # as text in CSV is read
    if pa.types.is_null(kind):
        return Dropped("empty")
    if pa.types.is_boolean(kind):
        return _useful(ColumnKind.CATEGORICAL, one_chunk(pc.cast(column, pa.string())))
    if pa.types.is_string(kind) and not name.endswith(":float_seq"):
        return _classify_text(name, empty_to_null(column))
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        seconds = pc.cast(pc.cast(column, pa.timestamp("s"), safe=False), pa.int64())
        return _classify_numbers(name, seconds)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _classify_numbers(name, column)
    return Dropped(f"{kind} values are not supported")


def split_values(text: pa.Array, separator: str) -> pa.Array:
    """Returns list<string> [rows]: the parts of each text, trimmed, without empty ones.

    Example:
        >>> split_values(pa.array(["Drama| War", None]), "|").to_pylist()
        [['Drama', 'War'], []]
    """
    lists = pc.split_pattern(pc.fill_null(text, ""), separator)
    return _without_blanks(lists)


def _classify_numbers(name: str, column: pa.ChunkedArray) -> FeatureColumn | Dropped:
    integers = pa.types.is_integer(column.type)
    distinct = count_distinct(column)
    if _is_identifier(name, distinct, len(column) - column.null_count):
        return Dropped("an identifier")
    if integers and name.endswith(":token") and _few(distinct, len(column)):
        # By RecBole's header, these numbers are names.
        return _useful(ColumnKind.CATEGORICAL, one_chunk(pc.cast(column, pa.string())))
    values = one_chunk(pc.cast(column, pa.float64(), safe=False))
    finite = pc.if_else(pc.is_finite(values), values, pa.scalar(None, pa.float64()))
    return _useful(ColumnKind.NUMERIC, finite)


def _classify_text(name: str, column: pa.ChunkedArray) -> FeatureColumn | Dropped:
    text = one_chunk(column)
    plain = normalised_name(name)
    present = len(text) - text.null_count
    distinct = count_distinct(text)
    if distinct <= 1:
        return Dropped("empty" if not present else "the same value in each row")
    if plain in TITLE_NAMES:
        return FeatureColumn(ColumnKind.TEXT, text)
    if name.endswith(":token_seq"):
        return _useful(ColumnKind.MULTI, split_values(text, " "))
    if plain in MULTI_NAMES or _count_with(text, "|") >= MULTI_FRACTION * present:
        separators = [mark for mark in MULTI_SEPARATORS if _count_with(text, mark)]
        return _useful(ColumnKind.MULTI, split_values(text, separators[0] if separators else "|"))
    if _few(distinct, len(text)):
        return FeatureColumn(ColumnKind.CATEGORICAL, text)
    links = _count_with(text, "://") > present / 2
    if links or (distinct >= IDENTIFIER_FRACTION * present and not _count_with(text, " ")):
        return Dropped("an identifier")
    return FeatureColumn(ColumnKind.TEXT, text)


def _useful(kind: ColumnKind, values: pa.Array) -> FeatureColumn | Dropped:
    """Drops columns with only one value; in lists, the distinct elements count."""
    flat = values
    if kind is ColumnKind.MULTI:
        values = _without_blanks(values)
        flat = values.flatten()
    distinct = count_distinct(flat)
    if distinct > 1:
        return FeatureColumn(kind, values)
    return Dropped("the same value in each row" if distinct else "empty")


def _without_blanks(lists: pa.Array) -> pa.Array:
    parts = pc.utf8_trim_whitespace(lists.flatten())
    kept = pc.fill_null(pc.not_equal(parts, ""), False)
    row = pc.list_parent_indices(lists).to_numpy()[kept.to_numpy(zero_copy_only=False)]
    offsets = np.zeros(len(lists) + 1, dtype=np.int32)
    np.cumsum(np.bincount(row, minlength=len(lists)), out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), parts.filter(kept))


def _is_identifier(name: str, distinct: int, present: int) -> bool:
    named = IDENTIFIER_NAME.search(normalised_name(bare_name(name))) is not None
    return named and distinct > FEW_CATEGORIES and distinct >= IDENTIFIER_FRACTION * present


def _few(distinct: int, rows: int) -> bool:
    return distinct <= min(MAX_CATEGORICAL_VALUES, max(FEW_CATEGORIES, CATEGORY_FRACTION * rows))


def _count_with(text: pa.Array, mark: str) -> int:
    return int(pc.sum(pc.match_substring(text, mark)).as_py() or 0)


def _is_list_of_values(kind: pa.DataType) -> bool:
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return False
    return bool(is_text(kind.value_type) or pa.types.is_integer(kind.value_type))
