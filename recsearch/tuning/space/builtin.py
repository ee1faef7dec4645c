"""The built-in search spaces by name. None of them is imported here, nor is TensorFlow."""

import ast
import importlib.util
import pkgutil
from pathlib import Path

PACKAGE = "recsearch.search_spaces"


def builtin_names() -> tuple[str, ...]:
    """Returns the names of the built-in spaces, in alphabetical order."""
    spec = importlib.util.find_spec(PACKAGE)
    locations = list(spec.submodule_search_locations or []) if spec else []
    return tuple(sorted(module.name for module in pkgutil.iter_modules(locations)))


def summary(name: str) -> str:
    """Returns the first line of a built-in space's docstring, read from its source."""
    spec = importlib.util.find_spec(f"{PACKAGE}.{name}")
    if spec is None or spec.origin is None:
        return ""
    document = ast.get_docstring(ast.parse(Path(spec.origin).read_text())) or ""
    return document.partition("\n")[0]
