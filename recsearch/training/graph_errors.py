"""TensorFlow's errors inside a graph as one sentence: it reports 30 lines of its own files."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf

from recsearch.errors import SpaceError
from recsearch.nn.layer_names import layer_of

_REASON = re.compile(r"([^\n]+)\n\s*\[\[\{\{node ([^}]+)\}\}\]\]")
_OUTSIDE_TABLE = re.compile(r"indices\S* = (-?\d+) is not in \[0, (\d+)\)")


@contextmanager
def explained(model: keras.Model) -> Iterator[None]:
    """Names the layer at which the graph of a model fails inside.

    Raises:
        SpaceError: In place of TensorFlow's error about a wrong shape, type or index.
    """
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        reason = _REASON.search(str(error))
        if reason is None:
            raise
        name = layer_of(model, [reason[2]])
        layer = f"the layer {name!r}" if name else f"the operation {reason[2]!r}"
        raise SpaceError(_sentence(layer, reason[1].strip())) from error


def _sentence(layer: str, reason: str) -> str:
    outside = _OUTSIDE_TABLE.search(reason)
    if outside is None:
        return f"The model fails in {layer}: {reason}."
    index, rows = int(outside[1]), int(outside[2])
    return (
        f"The table of {layer} has too few rows: expected more than {index:,}, received {rows:,}. "
        "Indices of ids begin with 0, the unknown id: tables need data.num_users and "
        "data.num_items rows."
    )
