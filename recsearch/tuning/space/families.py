"""The families of a search: their names, and their builders, which may be user code."""

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from recsearch.errors import SpaceError
from recsearch.text.printable import error_text
from recsearch.tuning.space.builtin import PACKAGE, builtin_names
from recsearch.tuning.space.hypermodels import Builder, named_builder
from recsearch.tuning.space.precision import Precision, import_with_precision
from recsearch.tuning.space.references import FILE_MODULE, require_reference


@dataclass(frozen=True)
class Family:
    """One builder.

    Attributes:
        name: The value of the hyperparameter `space` that selects the family.
        builder: `build(hp, data)` or `build(hp)`.
        reference: A built-in name, ./file.py:build, or package.module:build.
        precision: Number types that the builder's module set as Keras defaults, or None.
    """

    name: str
    builder: Builder
    reference: str
    precision: Precision | None = None


def family_names(references: Sequence[str]) -> tuple[str, ...]:
    """Returns the name of each family, without importing any of them.

    Raises:
        SpaceError: If a reference cannot name a builder, or two families have one name.
    """
    names: list[str] = []
    for reference in references:
        require_reference(reference)
        name = _family_name(reference)
        if name in names:
            raise SpaceError(f"The space {name} is named twice. Give each space once.")
        names.append(name)
    return tuple(names)


def _family_name(reference: str) -> str:
    location, _, attribute = reference.partition(":")
    if attribute not in ("", "build"):
        return attribute.removesuffix(".build")  # ./mine.py:model.build is called model
    return Path(location).stem if location.endswith(".py") else location.rpartition(".")[2]


def load_family(reference: str) -> Family:
    """Imports and returns the builder that a reference names.

    Raises:
        SpaceError: If there is no such builder, or its module cannot be imported.
    """
    require_reference(reference)
    name = _family_name(reference)
    location, _, attribute = reference.partition(":")
    load = partial(_module_by_name, location)
    if location.endswith(".py"):
        load = partial(_module_from_file, Path(location))
    elif location in builtin_names():
        load = partial(importlib.import_module, f"{PACKAGE}.{location}")
    module, precision = import_with_precision(load)
    builder = named_builder(module, attribute or "build", reference)
    return Family(name, builder, reference, precision)


def _module_from_file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"{FILE_MODULE}{path.stem}", path)
    if spec is None or spec.loader is None:
        raise SpaceError(f"{path} cannot be imported as a Python module.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # so that classes defined in the file can be found by name
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
    """Turns any error raised during the import of a module into a `SpaceError`."""
    try:
        yield
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        raise SpaceError(f"{what} cannot be imported: {error_text(error)}") from error
