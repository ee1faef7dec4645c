"""Imports TensorFlow without the notes that its C++ side writes to standard error.

They come before any log level counts, on every start, and tell a user nothing (which instruction
sets are used, that there is no GPU). Python's own errors are raised as ever.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any


def import_tensorflow(lean: bool = False) -> None:
    """Imports TensorFlow, standard error closed to it meanwhile.

    Args:
        lean: Also import Keras Tuner, and let it and Keras take scikit-learn for absent: they
            import it for wrappers in its style and for Keras Tuner's own Bayesian search, which
            takes a second. For processes that are recsearch's alone, not for a user's notebook.
    """
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # for what it logs later
    sys.stderr.flush()
    kept = os.dup(2)
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        with _absent("sklearn") if lean else nullcontext():
            import keras  # noqa: F401  it loads TensorFlow's parts that write the same notes
            import tensorflow  # noqa: F401  the import is the purpose

            if lean:
                import keras_tuner  # noqa: F401  the same
    finally:
        os.dup2(kept, 2)
        os.close(sink)
        os.close(kept)


def detach_from_terminal() -> None:
    """Sends the output to nowhere if its terminal was closed: each write would be an error."""
    sink = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):
        try:
            os.write(descriptor, b"")  # a closed terminal refuses even this
        except OSError:
            os.dup2(sink, descriptor)
    os.close(sink)


@contextmanager
def _absent(package: str) -> Iterator[None]:
    """Makes a package seem not to be installed, unless it has been imported already."""
    if package in sys.modules:
        yield
        return
    modules: dict[str, Any] = sys.modules
    modules[package] = None  # Python's own way of saying so
    try:
        yield
    finally:
        del modules[package]
