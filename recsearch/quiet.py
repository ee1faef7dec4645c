"""Imports TensorFlow without the notes that its C++ side writes to standard error.

They come before any log level counts, on every start, and tell a user nothing (which instruction
sets are used, that there is no GPU). Python's own errors are raised as ever.
"""

import os
import sys


def import_tensorflow() -> None:
    """Imports TensorFlow, standard error closed to it meanwhile."""
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # for what it logs later
    sys.stderr.flush()
    kept = os.dup(2)
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        import keras  # noqa: F401  it loads TensorFlow's parts that write the same notes
        import tensorflow  # noqa: F401  the import is the purpose
    finally:
        os.dup2(kept, 2)
        os.close(sink)
        os.close(kept)
