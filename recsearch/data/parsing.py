"""Conversion of text cells to numbers: which columns are safe to convert, and where it fails."""

import pyarrow as pa
import pyarrow.compute as pc

from recsearch.data.arrow import empty_to_null, words_to_null

MISSING_WORDS = ("", "NA", "N/A", "<NA>", "NaN", "nan", "null", "NULL", "None", "\\N")

NOT_A_NUMBER = r"^[+-]?0\d|^\+|^-0$|^\d+[eE]\d+$"
"""Leading zeros, signs, ids such as "12e4": texts that a conversion to numbers would change."""

TOO_LONG_FOR_FLOAT = r"^[+-]?\d{16,}"

HEAD_ROWS = 10_000
FEW = 1_000  # with at most this many distinct values in HEAD_ROWS, each value is converted once


def infer_type(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Returns text cells as int64, float64 or bool if all can be converted, else as text.

    A column stays text if the conversion would change a value: a leading zero ("0012"), a plus
    sign, an integer too long for int64. Words for "missing" (NA, null, NaN, ...) become
    null in numbers; in text only the empty cell does, since NA can be a name.

    Args:
        text: [n] strings; white space around them is ignored.

    Returns:
        [n], of one of the four types.
    """
    text = pc.utf8_trim_whitespace(text)
    integers = _exact_integers(text)
    if integers is not None:
        return integers
    if len(text) <= HEAD_ROWS or len(pc.unique(text.slice(0, HEAD_ROWS))) > FEW:
        return _infer_trimmed(text)
    distinct = pc.unique(text)
    inferred = _infer_trimmed(pa.chunked_array([distinct])).combine_chunks()
    return pc.take(inferred, pc.index_in(text, value_set=distinct))


def _exact_integers(text: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Returns the text as int64 if each number converts back to its text, else None."""
    if not _can_cast(text.slice(0, HEAD_ROWS), pa.int64()) or not _can_cast(text, pa.int64()):
        return None
    values = pc.cast(text, pa.int64())
    return values if pc.all(pc.equal(pc.cast(values, pa.string()), text)).as_py() else None


def _infer_trimmed(text: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pc.any(pc.match_substring_regex(text, NOT_A_NUMBER)).as_py():
        values = words_to_null(text, pa.array(MISSING_WORDS))
        for kind in (pa.int64(), pa.float64(), pa.bool_()):
            if pa.types.is_float64(kind) and _has_long_integer(values):
                continue
            if values.null_count < len(values) and first_unparsable(values, kind, whole=True) < 0:
                return pc.cast(values, kind)
    return empty_to_null(text)


def first_unparsable(text: pa.ChunkedArray, kind: pa.DataType, whole: bool = False) -> int:
    """Returns the 0-based row of the first value that cannot be cast to `kind`, or -1.

    Args:
        text: [n] strings or nulls; nulls can always be cast.
        kind: The type to cast to.
        whole: Whether to return 0 for any row, which saves the search for the first one.
    """
    if _can_cast(text, kind):
        return -1
    if whole:
        return 0
    low, high = 0, len(text)  # the first `low` values can be cast, the first `high` cannot
    while high - low > 1:
        middle = (low + high) // 2
        if _can_cast(text.slice(low, middle - low), kind):
            low = middle
        else:
            high = middle
    return low


def _can_cast(text: pa.ChunkedArray, kind: pa.DataType) -> bool:
    try:
        pc.cast(text, kind)
    except pa.ArrowInvalid:
        return False
    return True


def _has_long_integer(text: pa.ChunkedArray) -> bool:
    return bool(pc.any(pc.match_substring_regex(text, TOO_LONG_FOR_FLOAT)).as_py())
