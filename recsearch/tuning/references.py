"""Finds the builder that a reference names: a built-in space, ./file.py:build or module:build."""

import difflib
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsearch.errors import SpaceError
from recsearch.tuning.builtin import PACKAGE, builtin_names

Builder = Callable[..., Any]


@dataclass(frozen=True)
class Family:
    """One builder.

    Attributes:
        name: The choice of `space` that stands for it.
        builder: `build(hp, data)` or `build(hp)`.
        reference: What names it: a built-in name, ./file.py:build, or package.module:build.
    """

    name: str
    builder: Builder
    reference: str


def load_family(reference: str) -> Family:
    """Returns the builder that a reference names."""
    location, _, attribute = reference.partition(":")
    if location.endswith(".py"):
        module, name = _module_from_file(Path(location)), Path(location).stem
    elif location in builtin_names():
        module, name = importlib.import_module(f"{PACKAGE}.{location}"), location
    elif ":" in reference:
        module, name = _module_by_name(location), location.rpartition(".")[2]
    else:
        close = difflib.get_close_matches(location, builtin_names())
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise SpaceError(
            f"There is no search space called {reference!r}.{hint} Try `recsearch spaces` to see "
            "all, or name your own as ./file.py:build or package.module:build."
        )
    attribute = attribute or "build"
    builder = getattr(module, attribute, None)
    if not callable(builder):
        raise SpaceError(f"{location} has no function {attribute!r}. Received: {reference!r}.")
    return Family(name if attribute == "build" else attribute, builder, reference)


def _module_from_file(path: Path) -> Any:
    if not path.is_file():
        raise SpaceError(f"There is no file {path} to load a search space from.")
    spec = importlib.util.spec_from_file_location(f"recsearch_user_space_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise SpaceError(f"{path} cannot be imported as a Python module.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # so that classes defined there can be found by name
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise SpaceError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    return module


def _module_by_name(name: str) -> Any:
    if os.getcwd() not in sys.path:  # a console script has not what `python -m` has
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise SpaceError(f"The module {name} cannot be imported: {error}") from error
