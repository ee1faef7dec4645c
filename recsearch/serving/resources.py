"""What a model holds beside its weights: variables and tables of TensorFlow that a graph uses.

TensorFlow saves a variable or a table only if it is reachable by attributes from the saved module.
Keras tracks neither a `tf.Variable` nor a table of a layer as a weight.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import tensorflow as tf

from recsearch.errors import ExportError
from recsearch.nn.layer_names import layer_of

_HELD = (tf.Variable, tf.saved_model.experimental.TrackableResource)


def held_resources(model: keras.Model) -> list[Any]:
    """Returns each variable and table of TensorFlow that a layer of the model holds, once."""
    found: dict[int, Any] = {}
    for layer in tf.train.TrackableView(model).descendants():
        for held in _held(layer, depth=0):
            found[id(held)] = held
    return list(found.values())


def _held(value: Any, depth: int) -> Iterator[Any]:
    """Yields what a layer holds itself, also in lists and dictionaries that are not tracked."""
    if isinstance(value, _HELD):
        yield value
    elif isinstance(value, keras.layers.Layer) and depth == 0:
        for attribute in vars(value).values():
            yield from _held(attribute, depth + 1)
    elif isinstance(value, dict):
        for entry in value.values():
            yield from _held(entry, depth + 1)
    elif isinstance(value, list | tuple) and depth < 4:
        for entry in value:
            yield from _held(entry, depth + 1)


def save_module(
    module: tf.Module, path: str, signatures: Mapping[str, Any], model: keras.Model
) -> None:
    """Writes a SavedModel.

    Args:
        module: Reaches, by attributes, all that the signatures use.
        path: The directory.
        signatures: Functions by name.
        model: The model that they call.

    Raises:
        ExportError: If the model uses a variable or a table that no layer holds.
    """
    try:
        tf.saved_model.save(module, path, signatures=dict(signatures))
    except AssertionError as error:
        if "untracked" not in str(error):
            raise
        raise ExportError(
            f"{_culprit(module, signatures, model)} uses a TensorFlow variable or table that a "
            "SavedModel cannot contain, because it is no attribute of the layer. Assign it to an "
            "attribute in the layer's __init__ or build (self.table = ...)."
        ) from error


def _culprit(module: tf.Module, signatures: Mapping[str, Any], model: keras.Model) -> str:
    """Returns which layer uses what the module does not reach, as far as the graphs show it."""
    reachable = tf.train.TrackableView(module).descendants()
    variables = {id(held.handle) for held in reachable if isinstance(held, tf.Variable)}
    tables = {id(held.resource_handle) for held in reachable if isinstance(held, _HELD[1])}
    for signature in signatures.values():
        function = signature.get_concrete_function()
        captured = function.captured_inputs
        inner = function.inputs[len(function.inputs) - len(captured) :]
        for outside, inside in zip(captured, inner, strict=True):
            if outside.dtype == tf.resource and id(outside) not in variables | tables:
                name = layer_of(model, [use.name for use in inside.consumers()])
                if name:
                    return f"The layer {name!r}"
    return f"A layer of the model {model.name!r}"
