"""A feature column of numbers in which a few cells are words, such as 'unknown' or '-'."""

import pyarrow as pa
import pyarrow.compute as pc

from recsearch.data.arrow import words_to_null
from recsearch.data.columns import normalised_name
from recsearch.data.feature_kinds import MULTI_NAMES, TITLE_NAMES
from recsearch.data.parsing import MISSING_WORDS, NOT_A_NUMBER, infer_type
from recsearch.data.plain_types import is_text, plain_column

NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"

FEW_WORDS = 0.05  # up to this fraction of words, the column is read as numbers
MOST_NUMBERS = 0.5  # from this fraction of numbers on, a person may take it for a numeric column
MANY_NUMBERS = 10  # fewer distinct numbers may be names of groups, as in 1, 18, 25, "56 or more"


def words_as_missing(name: str, column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, str]:
    """Returns a column of numbers with nulls in place of a few words, and a note about them.

    Words with a digit may be codes ("T8H1N" among postal codes), and numbers with leading zeros
    are names. Columns with either stay text.

    Args:
        name: As in the file.
        column: [rows] of any Arrow type.

    Returns:
        The column, unchanged if it is not a column of numbers, and the note, or "".
    """
    if not _may_hold_numbers(name, column):
        return column, ""
    plain = plain_column(column, name)
    if plain.values is None:
        return column, ""
    text = words_to_null(pc.utf8_trim_whitespace(plain.values), pa.array(MISSING_WORDS))
    numeric = pc.fill_null(pc.match_substring_regex(text, NUMBER), False)
    numbers = pc.if_else(numeric, text, pa.scalar(None, pa.string()))
    words = text.filter(pc.and_not(pc.is_valid(text), numeric))
    num_present = len(text) - text.null_count
    if (
        not len(words)
        or num_present - len(words) < MOST_NUMBERS * num_present
        or pc.count_distinct(numbers).as_py() < MANY_NUMBERS
        or pc.any(pc.match_substring_regex(numbers, NOT_A_NUMBER)).as_py()
    ):
        return column, ""
    found = f"{len(words)} of {num_present} cells of column '{name}' are not numbers"
    few = len(words) <= FEW_WORDS * num_present
    if few and not pc.any(pc.match_substring_regex(words, r"\d")).as_py():
        return infer_type(numbers), f"{found}, such as '{words[0]}'; they are read as missing."
    return column, (
        f"{found}, such as '{words[0]}', so the column is read as text. "
        "To use it as numbers, empty these cells."
    )


def _may_hold_numbers(name: str, column: pa.ChunkedArray) -> bool:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    named = normalised_name(name) in (*TITLE_NAMES, *MULTI_NAMES)
    return is_text(kind) and not named and not name.endswith((":token", ":token_seq", ":float_seq"))
