"""Converts values from Python or TOML to the form of the settings: dicts, paths, numpy numbers."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from recsearch.text.shown import shown

PATHS = ("data", "users", "items", "test", "validation", "test_candidates", "out")
"""Settings that are a path."""


def plain(name: str, value: Any) -> Any:
    """Returns the value of a setting as text, numbers and lists of text.

    Args:
        name: Name of the setting. `set` and `enqueue` accept a dict, and a text instead of a list.
        value: The value as given; it is not changed.

    Raises:
        ValueError: If a dict contains a value that the setting cannot express.

    Example:
        >>> plain("set", {"units": [16, 32], "learning_rate": (1e-4, 1e-2), "bias": True})
        ['units=16,32', 'learning_rate=0.0001:0.01', 'bias=true']
    """
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if name == "set":
        return _listed(value, _overrides)
    if name == "enqueue":
        return _listed(value, _configuration)
    if name == "spaces":
        return _listed(value, lambda one: [plain("", one)])
    return _number(value)


def _number(value: Any) -> Any:
    """Returns a numpy number as a Python number; anything else unchanged."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "dtype") and hasattr(value, "item"):
        return value.item()
    return value


def _listed(value: Any, texts: Any) -> Any:
    """Returns the texts of one value or of a list of values; anything else unchanged."""
    if isinstance(value, str | Mapping | os.PathLike):
        return texts(value)
    if isinstance(value, list | tuple):
        return [text for one in value for text in texts(one)]
    return value


def _overrides(value: Any) -> list[Any]:
    """Returns NAME=VALUE for each entry of a dict; anything else as a list of one element."""
    if not isinstance(value, Mapping):
        return [value]
    return [f"{_name(name)}={_range_or_choices(name, one)}" for name, one in value.items()]


def _range_or_choices(name: str, value: Any) -> str:
    value = _number(value)
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, tuple) and len(value) == 2 and not any(map(_is_text, value)):
        return ":".join(_text(name, one) for one in value)
    if isinstance(value, tuple):
        raise ValueError(
            f"{{{name!r}: {shown(value)}}}: a tuple is a range of numbers, (low, high). "
            "Give choices as a list."
        )
    if isinstance(value, list) and value:
        return ",".join(_text(name, one) for one in value)
    return _text(name, value)


def _configuration(value: Any) -> list[Any]:
    """Returns NAME=VALUE,... for a dict; anything else as a list of one element."""
    if not isinstance(value, Mapping):
        return [plain("", value)]
    pairs = [(_name(name), _text(name, one)) for name, one in value.items()]
    for name, text in pairs:
        if "," in text:
            raise ValueError(
                f"{{{name!r}: {shown(text)}}}: a value cannot contain a comma here. "
                "Write the configuration to a .json file and pass its path."
            )
    return [",".join(f"{name}={text}" for name, text in pairs)]


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name.strip() or any(c in name for c in "=,"):
        raise ValueError(f"expected the name of a hyperparameter. Received {shown(name)}.")
    return name


def _text(name: str, value: Any) -> str:
    value = _number(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str) and value.strip():
        return value
    raise ValueError(
        f"{{{name!r}: {shown(value)}}}: expected a number, a text or a bool; in `set` also a list "
        "of choices or a range (low, high)."
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str | bool | Sequence)
