"""The result of reading a column: its values or its faults, which are reported together."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from recsearch.errors import RecsearchError

SHOWN_ROWS = 3

Values = TypeVar("Values")


@dataclass(frozen=True)
class Checked(Generic[Values]):
    """The result of reading one column.

    Attributes:
        values: The values; None if there are faults.
        faults: One message per fault.
        notes: Notes for the user about things that are not faults.
    """

    values: Values | None
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def failed(fault: str) -> Checked[Values]:
    """Returns the result for a column with one fault."""
    return Checked(None, faults=(fault,))


@contextmanager
def carried(notes: Sequence[str]) -> Iterator[None]:
    """Adds notes to an error that leaves the block, because they often explain it.

    Args:
        notes: Read when the error leaves the block, so notes added meanwhile are included.
    """
    try:
        yield
    except RecsearchError as error:
        for note in notes:
            if note not in getattr(error, "__notes__", ()):
                error.add_note(note)
        raise


def describe_rows(mask: NDArray[np.bool_]) -> str:
    """Returns the 1-based numbers of the first rows where `mask` [n] is True: "rows 2, 5, ...".

    Example:
        >>> describe_rows(np.array([False, True, True]))
        'rows 2, 3'
        >>> describe_rows(np.array([True, False, False]))
        'row 1'
    """
    numbers = np.flatnonzero(mask) + 1
    shown = ", ".join(str(number) for number in numbers[:SHOWN_ROWS])
    if len(numbers) == 1:
        return f"row {shown}"
    return f"rows {shown}, ..." if len(numbers) > SHOWN_ROWS else f"rows {shown}"
