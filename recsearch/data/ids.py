"""Raw ids: columns of integers or of text, each with one Arrow type."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsearch.data.arrow import empty_to_null, one_chunk
from recsearch.data.parsing import MISSING_WORDS, NOT_A_NUMBER, first_unparsable
from recsearch.data.plain_types import plain_column
from recsearch.data.validated import Checked, describe_rows, failed

LARGEST_EXACT_FLOAT = 2.0**53

WORDS = pa.array([word for word in (*MISSING_WORDS, "none", "undefined", "unknown") if word])


def read_ids(
    column: pa.ChunkedArray,
    role: str,
    name: str,
    like: pa.DataType | None = None,
    *,
    keep_missing: bool = False,
) -> Checked[pa.Array]:
    """Reads a column of ids: int64, or dictionary<int32, string> in one chunk.

    Args:
        column: [n] as in the file; floats without fractions, which pandas writes for nullable
            integers, are integers.
        role: "user" or "item", for messages.
        name: The column's name, for messages.
        like: Type of the ids of the training data; None keeps the column's own type.
        keep_missing: Whether missing ids become nulls, with a note that their rows were dropped;
            the caller must then drop them. Otherwise a missing id is a fault.

    Returns:
        [n] ids; a number with a fraction, an id with a NUL character, or text where `like` has
        numbers is a fault.
    """
    plain = plain_ids(column, role, name)
    if plain.values is None:
        return Checked(None, plain.faults)
    missing = pc.is_null(plain.values).to_numpy()
    if missing.all() or (missing.any() and not keep_missing):
        return failed(
            f"{missing.sum()} of {len(missing)} rows have no {role} id in column '{name}': "
            f"{describe_rows(missing)}. Expected an id in each row. "
            "Fill in the ids, or remove these rows."
        )
    ids = convert_ids(plain.values, like, role, name)
    return Checked(ids.values, ids.faults, _missing_notes(missing, role, name) + ids.notes)


def _missing_notes(missing: NDArray[np.bool_], role: str, name: str) -> tuple[str, ...]:
    if not missing.any():
        return ()
    return (
        f"{missing.sum()} of {len(missing)} rows were dropped: they have no {role} id in column "
        f"'{name}' ({describe_rows(missing)}).",
    )


def plain_ids(column: pa.ChunkedArray, role: str, name: str) -> Checked[pa.ChunkedArray]:
    """Returns ids [n] as int64 or string, null where missing; a fraction among them is a fault."""
    plain = plain_column(column, name)
    if plain.values is None:
        return plain
    column, kind = plain.values, plain.values.type
    if pa.types.is_floating(kind):
        return _whole_numbers(column, role, name)
    if pa.types.is_integer(kind) and first_unparsable(column, pa.int64(), whole=True) < 0:
        return Checked(pc.cast(column, pa.int64()))
    if first_unparsable(column, pa.string(), whole=True) == 0:
        return failed(
            f"Column '{name}' contains {kind} values. Expected one {role} id in each row."
        )
    return Checked(empty_to_null(pc.cast(column, pa.string())))


def convert_ids(
    plain: pa.ChunkedArray, like: pa.DataType | None, role: str, name: str
) -> Checked[pa.Array]:
    """Returns ids in the type `like`: int64, or dictionary<int32, string>; nulls stay.

    Args:
        plain: [n] int64 or string.
        like: The type to convert to; None keeps the type of the ids.
        role: "user" or "item", for messages.
        name: The column's name, for messages.
    """
    is_text = pa.types.is_string(plain.type)
    wants_text = is_text if like is None else pa.types.is_dictionary(like)
    if is_text and not wants_text:
        return _text_to_integers(plain, role, name)
    if wants_text:
        ids = pc.dictionary_encode(pc.cast(plain, pa.string())).unify_dictionaries()
        return _checked_text(one_chunk(ids), role, name)
    return Checked(one_chunk(plain))


def _checked_text(ids: pa.DictionaryArray, role: str, name: str) -> Checked[pa.Array]:
    """Returns text ids, with a note about ids that may mean "missing"; a NUL is a fault."""
    with_nul = pc.match_substring(ids.dictionary, "\0").to_numpy(zero_copy_only=False)
    if with_nul.any():
        first = int(np.argmax(with_nul))
        value = ids.dictionary[first].as_py()
        row = pc.index(ids.indices, first).as_py()
        return failed(
            f"Column '{name}', row {row + 1}: the {role} id {value!r} contains a NUL "
            "character. NumPy cannot keep it at the end of a text; remove it."
        )
    found = pc.is_in(ids.dictionary, value_set=WORDS).to_numpy(zero_copy_only=False)
    notes = []
    for code in np.flatnonzero(found).tolist():
        count = pc.sum(pc.equal(ids.indices, code)).as_py()
        notes.append(
            f"{count} of {len(ids)} rows have the {role} id '{ids.dictionary[code]}' in "
            f"column '{name}'; it is read as one {role}. If it means that the id is missing, "
            "remove these rows or empty the cells."
        )
    return Checked(ids, notes=tuple(notes))


def rows_with_ids(users: pa.Array, items: pa.Array) -> NDArray[np.int64] | None:
    """Returns the positions at which neither id [n] is null; None if no id is null."""
    if not users.null_count and not items.null_count:
        return None
    present = pc.and_(pc.is_valid(users), pc.is_valid(items))
    return np.flatnonzero(present.to_numpy(zero_copy_only=False))


def _whole_numbers(column: pa.ChunkedArray, role: str, name: str) -> Checked[pa.ChunkedArray]:
    values = column.to_numpy()
    missing = np.isnan(values)
    broken = ~missing & ~((np.floor(values) == values) & (np.abs(values) < LARGEST_EXACT_FLOAT))
    if broken.any():
        row = int(np.flatnonzero(broken)[0])
        return failed(
            f"Column '{name}', row {row + 1}: {values[row]} cannot be a {role} id. "
            "Expected whole numbers below 2**53, or text. Name another column with "
            f"--{role}-column, or store the ids as text."
        )
    whole = np.where(missing, 0, values).astype(np.int64)
    return Checked(pa.chunked_array([pa.array(whole, mask=missing)]))


def _text_to_integers(text: pa.ChunkedArray, role: str, name: str) -> Checked[pa.Array]:
    row = first_unparsable(text, pa.int64())
    if row < 0:
        inexact = pc.fill_null(pc.match_substring_regex(text, NOT_A_NUMBER), False).to_numpy()
        row = int(np.flatnonzero(inexact)[0]) if inexact.any() else -1
    if row >= 0:
        return failed(
            f"Column '{name}', row {row + 1}: the {role} id '{text[row]}' is text, but the {role} "
            "ids of the training data are whole numbers. Use the same ids in both files."
        )
    return Checked(one_chunk(pc.cast(text, pa.int64())))
