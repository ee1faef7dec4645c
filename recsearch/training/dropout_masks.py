"""A view of a model for training, which draws the masks of its Dropout layers from bytes.

A `keras.layers.Dropout` draws a float per element, which is a sixth of an epoch of a small model.
The view calls the layers of the model itself. In place of each Dropout it draws a `ByteMask` with
the layer's own seed generator. No attribute of the model or of its layers is set.
"""

from typing import Any

import keras
import tensorflow as tf

from recsearch.nn.byte_dropout import ByteMask, draws_bytes
from recsearch.nn.model_graph import StandIn


def training_view(model: keras.Model) -> keras.Model:
    """Returns a model whose outputs with `training=True` are the same, except for the masks.

    It must not be called with `training=False`: a mask is drawn in any case.
    The model itself is returned if it has no Dropout to replace, or a layer that is not one of
    Keras or recsearch, or that adds losses when it is called.

    Args:
        model: Functional and built.
    """
    if not any(map(_is_replaced, model.layers)) or not all(map(_is_plain, model.layers)):
        return model
    # Not the model itself: Keras would compile the clone of a compiled model.
    plain = keras.Model(model.inputs, model.outputs, name=model.name)
    return keras.models.clone_model(plain, clone_function=_in_view, call_function=_call)


class _ByteMasked(StandIn):
    """Is called in training in place of a Dropout."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the inputs, some of them replaced by 0 and the others scaled."""
        if not inputs.dtype.is_floating:
            return self.operation(inputs)
        seed = self.operation.seed_generator.next()
        return inputs * ByteMask.of(self.operation.rate).draw(inputs, seed)


def _in_view(layer: keras.layers.Layer) -> keras.Operation:
    return _ByteMasked(layer) if _is_replaced(layer) else StandIn(layer)


def _call(operation: keras.Operation, *arguments: Any, **keywords: Any) -> Any:
    keywords.pop("training", None)  # Keras replaces it by the `training` of the call of the model
    return operation(*arguments, **keywords)


def _is_replaced(layer: keras.layers.Layer) -> bool:
    return type(layer) is keras.layers.Dropout and draws_bytes(layer)


def _is_plain(layer: keras.layers.Layer) -> bool:
    of_keras = type(layer).__module__.partition(".")[0] in ("keras", "recsearch")
    adds_losses = getattr(layer, "activity_regularizer", None) is not None
    return of_keras and not adds_losses and not isinstance(layer, keras.Model)
