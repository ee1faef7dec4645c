"""References to search spaces: checked before the data are loaded, and derived from functions.

No builder is imported here: its module may take long to import, or fail.
"""

import difflib
import importlib.util
import inspect
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from recsearch.errors import SpaceError, UsageError
from recsearch.text.shown import path_fault, shown
from recsearch.tuning.space.builtin import builtin_names

FILE_MODULE = "recsearch_user_space_"
"""Prefix of the module name under which a builder's file is imported."""


def require_references(references: Sequence[str]) -> None:
    """Refuses references that cannot name a builder.

    Raises:
        SpaceError: If a reference has another form, or its file or top-level module is absent.
    """
    for reference in references:
        require_reference(reference)


def require_reference(reference: str) -> None:
    """Refuses one reference, as `require_references` does."""
    location, colon, attribute = reference.partition(":")
    if path_fault(location) is not None:
        raise SpaceError(f"There is no search space called {shown(reference)}. {_FORMS}")
    if location.endswith(".py"):
        if not Path(location).is_file():
            raise SpaceError(f"There is no file {Path(location)} to load a search space from.")
    elif colon and location not in builtin_names():
        _require_module(location, reference)
    elif location not in builtin_names():
        close = difflib.get_close_matches(location, builtin_names())
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise SpaceError(f"There is no search space called {shown(reference)}.{hint} {_FORMS}")
    if colon and not all(part.isidentifier() for part in attribute.split(".")):
        raise SpaceError(
            f"{shown(reference)}: expected the name of a function after the colon. "
            f"Received {shown(attribute)}."
        )


_FORMS = (
    "Run `recsearch spaces` to list all, or name your own as ./file.py:build or "
    "package.module:build."
)


def _require_module(name: str, reference: str) -> None:
    """Refuses a module whose top-level package is absent; nothing of it is imported."""
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        raise SpaceError(f"There is no search space called {shown(reference)}. {_FORMS}")
    if os.getcwd() not in sys.path:  # as the import of the builder finds it
        sys.path.insert(0, os.getcwd())
    if parts[0] not in sys.modules and importlib.util.find_spec(parts[0]) is None:
        raise SpaceError(f"The module {name} cannot be imported: there is no module {parts[0]}.")


def reference_of(space: Any) -> str:
    """Returns the reference of a search space that is given as a name or as a function.

    Workers and a later `recsearch resume` import the builder by this reference, so a function must
    be defined in a file or in a module.

    Args:
        space: A reference, or a function (or class) at the top level of a module.

    Raises:
        UsageError: If it is neither, or the function cannot be imported.
    """
    if isinstance(space, str | os.PathLike):
        return os.fspath(space)
    if not callable(space):
        raise UsageError(
            f"spaces: expected the name of a search space or a builder function. "
            f"Received {shown(space)}."
        )
    name, module = getattr(space, "__qualname__", ""), inspect.getmodule(space)
    if module is None or not name.isidentifier() or getattr(module, name, None) is not space:
        raise UsageError(
            f"The builder {_called(space)} cannot be imported by worker processes. Expected a "
            f"function at the top level of a module: def build(hp, data). {_WRITE_FILE}"
        )
    file = _own_file(module)
    if file is not None:
        return f"{file}:{name}"
    spec = getattr(module, "__spec__", None)
    if module.__name__ == "__main__" and spec is not None and hasattr(module, "__file__"):
        return f"{spec.name}:{name}"  # python -m package.module
    if module.__name__ == "__main__":
        raise UsageError(
            f"The builder {name} is defined in a notebook or at a prompt, and worker processes "
            f"cannot import it. {_WRITE_FILE}"
        )
    return f"{module.__name__}:{name}"


_WRITE_FILE = (
    "Put it in a file and pass './my_space.py:build'. In a notebook, write %%writefile "
    "my_space.py in the first line of the cell."
)


def _called(space: Any) -> str:
    return getattr(space, "__qualname__", "") or type(space).__name__


def _own_file(module: ModuleType) -> Path | None:
    """Returns the file of a script or of a module outside any package; otherwise None.

    A file can be loaded from every working directory, a module only where it can be imported.
    """
    path = Path(getattr(module, "__file__", None) or "")
    is_script = module.__name__ == "__main__" and getattr(module, "__spec__", None) is None
    is_alone = module.__name__ != "__main__" and "." not in module.__name__
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    if path.suffix != ".py" or installed or path.name == "__init__.py" or not path.is_file():
        return None
    return path.resolve() if is_script or is_alone else None


def refuse_nested_search() -> None:
    """Refuses a search that is started while a file is imported for its builder.

    Otherwise a script that searches with its own builder would start a search in every worker.

    Raises:
        UsageError: If such an import is in progress.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if frame.f_code.co_name == "<module>" and name.startswith(FILE_MODULE):
            raise UsageError(
                f"{frame.f_code.co_filename} starts a search when it is imported for its builder. "
                'Put the call of recsearch.search under if __name__ == "__main__":'
            )
        frame = frame.f_back
