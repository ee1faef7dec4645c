"""A column that was read: its values, or what is wrong with them, to be reported together."""

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
    """The outcome of reading one column.

    Attributes:
        values: What was read; None if there are faults.
        faults: One message a fault.
        notes: What a person should know although it is no fault.
    """

    values: Values | None
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def failed(fault: str) -> Checked[Values]:
    """Returns the outcome of a column that has one fault."""
    return Checked(None, faults=(fault,))


@contextmanager
def carried(notes: Sequence[str]) -> Iterator[None]:
    """Adds notes to an error that leaves the block: they often explain it.

    Args:
        notes: Read when the error leaves the block, so that later notes count too.
    """
    try:
        yield
    except RecsearchError as error:
        for note in notes:
            if note not in getattr(error, "__notes__", ()):
                error.add_note(note)
        raise


def describe_rows(mask: NDArray[np.bool_]) -> str:
    """Returns the 1-based numbers of the first rows [n] at which `mask` holds: "rows 2, 5, 9, ...".

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
