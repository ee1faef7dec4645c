"""Finds the builder that a reference names: a built-in space, ./file.py:build or module:build."""

import difflib
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsearch.errors import SpaceError
from recsearch.printable import error_text
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


def family_names(references: Sequence[str]) -> tuple[str, ...]:
    """Returns the name of each family, without importing one of them.

    Raises:
        SpaceError: If a reference names no built-in space and no file, or two have one name.
    """
    names: list[str] = []
    for reference in references:
        name = _family_name(reference)
        if name in names:
            raise SpaceError(f"The space {name} is named twice. Give each space once.")
        names.append(name)
    return tuple(names)


def _family_name(reference: str) -> str:
    location, colon, attribute = reference.partition(":")
    if attribute not in ("", "build"):
        name = attribute
    elif location.endswith(".py"):
        name = Path(location).stem
    else:
        name = location.rpartition(".")[2]
    is_file, is_builtin = location.endswith(".py"), location in builtin_names()
    if is_file and not Path(location).is_file():
        raise SpaceError(f"There is no file {location} to load a search space from.")
    if not location or not name or not (is_file or is_builtin or colon):
        close = difflib.get_close_matches(location, builtin_names())
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise SpaceError(
            f"There is no search space called {reference!r}.{hint} Try `recsearch spaces` to see "
            "all, or name your own as ./file.py:build or package.module:build."
        )
    return name


def load_family(reference: str) -> Family:
    """Imports and returns the builder that a reference names.

    Raises:
        SpaceError: If there is none, or its module cannot be imported.
    """
    name = _family_name(reference)
    location, _, attribute = reference.partition(":")
    if location.endswith(".py"):
        module = _module_from_file(Path(location))
    elif location in builtin_names():
        module = importlib.import_module(f"{PACKAGE}.{location}")
    else:
        module = _module_by_name(location)
    attribute = attribute or "build"
    builder = getattr(module, attribute, None)
    if not callable(builder):
        raise SpaceError(f"{location} has no function {attribute!r}. Received: {reference!r}.")
    return Family(name, builder, reference)


def _module_from_file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"recsearch_user_space_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise SpaceError(f"{path} cannot be imported as a Python module.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # so that classes defined there can be found by name
    with _import_errors(str(path)):
        spec.loader.exec_module(module)
    return module


def _module_by_name(name: str) -> Any:
    if os.getcwd() not in sys.path:  # a console script lacks the entry that `python -m` has
        sys.path.insert(0, os.getcwd())
    with _import_errors(f"The module {name}"):
        return importlib.import_module(name)


@contextmanager
def _import_errors(what: str) -> Iterator[None]:
    """Turns whatever a module raises on import into one message."""
    try:
        yield
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        raise SpaceError(f"{what} cannot be imported: {error_text(error)}") from error
