"""Values in error messages: the received value, and why a path is not valid."""

import errno
import os
from typing import Any

_MAX_SHOWN = 60


def shown(value: Any) -> str:
    """Returns a value for an error message: the repr of a short value, the type of another.

    Example:
        >>> shown(2.5), shown({"a": list(range(100))})
        ('2.5', 'a dict')
    """
    if value is None or isinstance(value, bool | int | float | str | bytes | list | tuple | dict):
        text = repr(value)
        if len(text) <= _MAX_SHOWN:
            return text
        if isinstance(value, str):
            return f"{text[:_MAX_SHOWN]}... ({len(value):,} characters)"
    kind = type(value).__name__
    article = "an" if kind[:1].lower() in "aeiou" else "a"
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and len(shape) == 2 and all(isinstance(n, int) for n in shape):
        return f"{article} {kind} of {shape[0]:,} rows and {shape[1]:,} columns"
    return f"{article} {kind}"


def path_fault(text: str) -> str | None:
    """Returns why no file can have this path, or None."""
    try:
        os.stat(text)
    except ValueError:
        return "no path can contain the NUL character or half a surrogate pair"
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return f"the path has {len(text):,} characters, which is longer than a path can be"
    return None
