"""Imports TensorFlow without the notes that its C++ code writes to standard error.

The notes (which instruction sets are used, that there is no GPU) appear on every start, before any
log level applies, and do not help users. Python errors are raised as usual.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from recsearch.errors import UsageError

BACKEND = "tensorflow"


def require_tensorflow_backend() -> None:
    """Chooses the TensorFlow backend of Keras, for this process and those that it starts.

    Raises:
        UsageError: If KERAS_BACKEND names another backend, or Keras was imported with another one.
    """
    chosen = os.environ.get("KERAS_BACKEND") or BACKEND
    if "keras" in sys.modules:
        import keras

        chosen = keras.config.backend()
    if chosen != BACKEND:
        raise UsageError(
            "recsearch works with the TensorFlow backend of Keras only. "
            f"Received: the backend {chosen}. Set KERAS_BACKEND=tensorflow."
        )
    os.environ["KERAS_BACKEND"] = BACKEND  # keras.json may name another one


def import_tensorflow(lean: bool = False) -> None:
    """Imports TensorFlow with standard error redirected to nowhere during the import.

    Args:
        lean: Also import Keras Tuner, and hide scikit-learn from it and from Keras: they import
            scikit-learn for wrappers and for Keras Tuner's own Bayesian search, which takes a
            second. Only for recsearch's own processes, not for a user's notebook.

    Raises:
        UsageError: If Keras is set to another backend.
    """
    require_tensorflow_backend()
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # for later log messages
    sys.stderr.flush()
    kept = os.dup(2)
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        with _absent("sklearn") if lean else nullcontext():
            import keras  # noqa: F401  it loads parts of TensorFlow that write the same notes
            import tensorflow  # noqa: F401  the import is the purpose

            if lean:
                import keras_tuner  # noqa: F401  the same
    finally:
        os.dup2(kept, 2)
        os.close(sink)
        os.close(kept)


def detach_from_terminal() -> None:
    """Redirects the output to nowhere if its terminal was closed: every write would fail."""
    sink = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):
        try:
            os.write(descriptor, b"")  # fails if the terminal is closed
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
    modules[package] = None  # Python then raises ImportError
    try:
        yield
    finally:
        del modules[package]
