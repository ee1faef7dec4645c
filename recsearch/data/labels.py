"""The label column: one number per row."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsearch.data.parsing import first_unparsable, infer_type
from recsearch.data.plain_types import plain_column
from recsearch.data.validated import Checked, describe_rows, failed


def read_labels(column: pa.ChunkedArray, name: str) -> Checked[NDArray[np.float32]]:
    """Reads labels; true and false become 1 and 0.

    Args:
        column: [n] numbers, booleans, or either of them as text, of any Arrow type.
        name: The column's name, for messages.

    Returns:
        [n] float32; a label that is missing, infinite or not a number is a fault.
    """
    plain = plain_column(column, name)
    if plain.values is None:
        return Checked(None, plain.faults)
    column = plain.values
    if pa.types.is_string(column.type):
        column = infer_type(column)  # as the cells of a text file
    if pa.types.is_string(column.type):
        row = first_unparsable(column, pa.float64())
        if row >= 0:
            return _not_numeric(name, row, column[row])
    elif not _is_numeric(column.type):
        return _not_numeric(name, 0, column[0])
    values = pc.cast(column, pa.float64(), safe=False).to_numpy()
    with np.errstate(over="ignore"):  # a label too large becomes infinite: a fault below
        label = values.astype(np.float32)
    broken = ~np.isfinite(label)
    if broken.any():
        return failed(
            f"{broken.sum()} of {len(label)} labels in column '{name}' are missing or not finite: "
            f"{describe_rows(broken)}. Expected a number in each row. Remove these rows."
        )
    return Checked(label)


def _not_numeric(name: str, row: int, value: pa.Scalar) -> Checked[NDArray[np.float32]]:
    return failed(
        f"Column '{name}', row {row + 1}: the label '{value}' is not a number. "
        "Expected numbers such as 4 or 3.5; correct it, or name another column with --label-column."
    )


def _is_numeric(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_null(kind)
    )
