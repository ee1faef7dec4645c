"""Arrow columns: the operations that several modules of this package share.

Dimension letters: n rows.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """Returns the column as one array."""
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def encoded(values: pa.Array) -> pa.DictionaryArray:
    """Returns the values as an array of codes and a dictionary; an encoded array is unchanged."""
    return values if pa.types.is_dictionary(values.type) else pc.dictionary_encode(values)


def decoded(values: pa.Array) -> pa.Array:
    """Returns the values of a dictionary-encoded array; any other array is unchanged."""
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def codes(arrays: Sequence[pa.Array]) -> list[NDArray[np.int64]]:
    """Returns codes from 0 in place of the values of each array: equal values, equal codes."""
    both = pa.concat_arrays(list(arrays))  # unifies the dictionaries of text ids
    code = encoded(both).indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return np.split(code, np.cumsum([len(array) for array in arrays])[:-1])


def count_distinct(values: pa.Array | pa.ChunkedArray) -> int:
    """Returns the number of distinct values; nulls do not count."""
    is_encoded = isinstance(values, pa.DictionaryArray)
    return int(pc.count_distinct(values.indices if is_encoded else values).as_py())


def empty_to_null(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Returns the text [n] with null in place of empty cells."""
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def words_to_null(text: pa.ChunkedArray, words: pa.Array) -> pa.ChunkedArray:
    """Returns the text [n] with null in place of each cell that is one of the `words`."""
    return pc.if_else(pc.is_in(text, value_set=words), pa.scalar(None, pa.string()), text)
