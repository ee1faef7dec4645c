"""Checks the shape of values read from JSON, once, where a file is read.

A shape is a function that raises `Mismatch` if a value does not have this shape. Messages name the
place and the types, never the content: a file may contain text that is unsafe for a terminal.
"""

import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from typing import Any

from recsearch.text.printable import printable_line

MOST_LEVELS = 50
"""Maximum nesting of a file; the files of a run have fewer than ten levels."""
LARGEST_COUNT = 2**53
LONGEST_KEY = 60
"""Characters of a key that a message shows."""

Shape = Callable[[Any], None]


class Mismatch(ValueError):  # noqa: N818  # users never see it directly
    """A value does not have its shape.

    Attributes:
        keys: The path to the value: keys and positions, outermost first.
        expected: What was expected, in words.
        received: What the value is, in words.
    """

    def __init__(self, expected: str, received: str) -> None:
        super().__init__(expected, received)
        self.keys: tuple[str | int, ...] = ()
        self.expected = expected
        self.received = received

    def __str__(self) -> str:
        """Returns the place, the expected type and the received type."""
        place = ".".join(printable_line(str(key)[:LONGEST_KEY]) for key in self.keys)
        return f"{place + ': ' if place else ''}expected {self.expected}, received {self.received}"


def parse_json(content: bytes) -> Any:
    """Returns the value of a strict JSON text in UTF-8.

    Raises:
        Mismatch: If it is not JSON, contains NaN or an infinity, or is nested too deeply.
    """
    try:
        return json.loads(content, parse_constant=_refuse_constant)
    except RecursionError:
        raise Mismatch(f"at most {MOST_LEVELS} levels of nesting", "more") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise Mismatch("JSON", f"something else at {place}") from None
    except UnicodeDecodeError as error:
        raise Mismatch("JSON in UTF-8", f"another byte at position {error.start}") from None
    except ValueError as error:  # a number of thousands of digits
        raise error if isinstance(error, Mismatch) else Mismatch("JSON", "a huge number") from None


def require_flat(value: Any) -> None:
    """Refuses a value that is nested deeper than `MOST_LEVELS`."""
    level = [value]
    for _ in range(MOST_LEVELS):
        inner = [each for each in level if isinstance(each, dict | list)]
        level = [x for each in inner for x in (each.values() if isinstance(each, dict) else each)]
        if not level:
            return
    raise Mismatch(f"at most {MOST_LEVELS} levels of nesting", "more")


def _refuse_constant(name: str) -> Any:
    raise Mismatch("finite numbers (NaN and infinities are not JSON)", name)


def kind_of(value: Any) -> str:
    """Returns the type of a JSON value in words."""
    if value is None:
        return "null"
    names = {bool: "true or false", int: "a number", float: "a number", str: "a text"}
    return names.get(type(value), "a list" if isinstance(value, list) else "an object")


def anything(value: Any) -> None:
    """Accepts every value."""


def text(value: Any) -> None:
    """Accepts a text."""
    if not isinstance(value, str):
        raise Mismatch("a text", kind_of(value))


def boolean(value: Any) -> None:
    """Accepts true and false."""
    if not isinstance(value, bool):
        raise Mismatch("true or false", kind_of(value))


def number(value: Any) -> None:
    """Accepts a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Mismatch("a number", kind_of(value))
    if (isinstance(value, int) and abs(value) >= 2**63) or not math.isfinite(value):
        raise Mismatch("a finite number", "one out of range")


def count(value: Any) -> None:
    """Accepts a whole number from 0 to 2**53."""
    if isinstance(value, bool) or not isinstance(value, int):
        received = "a fraction" if isinstance(value, float) else kind_of(value)
        raise Mismatch("a whole number", received)
    if not 0 <= value <= LARGEST_COUNT:
        raise Mismatch("a whole number from 0 to 2**53", "one out of range")


def seconds(value: Any) -> None:
    """Accepts a time or a duration: a number from 0 to 10**12."""
    number(value)
    if not 0 <= value <= 1e12:
        raise Mismatch("a number of seconds from 0 to 10**12", "one out of range")


def scalar(value: Any) -> None:
    """Accepts a text, a finite number, true and false."""
    if isinstance(value, bool | str):
        return
    if not isinstance(value, int | float):
        raise Mismatch("a text, a number, true or false", kind_of(value))
    number(value)


def one_of(values: Collection[str]) -> Shape:
    """Returns the shape of a text that is one of the given values."""

    def check(value: Any) -> None:
        text(value)
        if value not in values:
            raise Mismatch(f"one of {', '.join(values)}", "another text")

    return check


def optional(shape: Shape) -> Shape:
    """Returns a shape that also accepts null."""

    def check(value: Any) -> None:
        if value is not None:
            shape(value)

    return check


def list_of(shape: Shape) -> Shape:
    """Returns the shape of a list of values of one shape."""

    def check(value: Any) -> None:
        if not isinstance(value, list):
            raise Mismatch("a list", kind_of(value))
        for place, each in enumerate(value):
            _check(shape, each, place)

    return check


def map_of(shape: Shape) -> Shape:
    """Returns the shape of an object whose values have one shape."""

    def check(value: Any) -> None:
        if not isinstance(value, dict):
            raise Mismatch("an object", kind_of(value))
        for key, each in value.items():
            _check(shape, each, key)

    return check


def record(required: Mapping[str, Shape], others: Mapping[str, Shape] | None = None) -> Shape:
    """Returns the shape of an object with known keys; unknown keys are accepted.

    Args:
        required: Shapes of the keys that must exist.
        others: Shapes of the keys that may exist.
    """
    shapes = {**required, **(others or {})}

    def check(value: Any) -> None:
        if not isinstance(value, dict):
            raise Mismatch("an object", kind_of(value))
        for key in required:
            if key not in value:
                raise Mismatch(f"the key '{key}'", "an object without it")
        for key, shape in shapes.items():
            if key in value:
                _check(shape, value[key], key)

    return check


def known_fields(cls: Any, value: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of a dataclass that a JSON object has; null counts as missing."""
    names = [field.name for field in fields(cls)]
    return {name: value[name] for name in names if value.get(name) is not None}


def _check(shape: Shape, value: Any, key: str | int) -> None:
    try:
        shape(value)
    except Mismatch as mismatch:
        mismatch.keys = (key, *mismatch.keys)
        raise
