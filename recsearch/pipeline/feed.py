"""From rows, or from requests, to the inputs of a model, by their names.

Dimension letter: B rows.
"""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from recsearch.contract.inputs import kind_of
from recsearch.contract.kinds import BoundInput, InputKind, Request, Rows
from recsearch.data.preparation import PreparedData


class Feed:
    """Assembles a model's inputs, by their names.

    Args:
        data: The data that the inputs are computed from.
    """

    def __init__(self, data: PreparedData) -> None:
        self.data = data
        self._bound: dict[InputKind, BoundInput] = {}

    def bound(self, name: str) -> BoundInput:
        """Returns the bound input that computes the input `name`; created once per kind."""
        kind = kind_of(name)
        if kind is None:
            raise KeyError(name)
        if kind not in self._bound:
            with tf.init_scope():  # not inside the graph that may be being traced
                self._bound[kind] = kind.bind(self.data)
        return self._bound[kind]

    def bound_inputs(self, model: keras.Model) -> list[BoundInput]:
        """Returns the bound inputs that compute the model's inputs, each once."""
        found = {id(one): one for one in (self.bound(tensor.name) for tensor in model.inputs)}
        return list(found.values())

    def inputs(
        self, model: keras.Model, rows: Rows, replaced: Mapping[str, tf.Tensor] | None = None
    ) -> Any:
        """Returns the inputs of a functional model, in the structure that it was built with.

        Args:
            model: The model.
            rows: The rows.
            replaced: Name of an input -> its value, where it is not computed from the rows.
        """
        given = replaced or {}
        return keras.tree.map_structure(
            lambda tensor: (
                self.input(tensor, rows)
                if tensor.name not in given
                else _as_declared(given[tensor.name], tensor)
            ),
            model.input,
        )

    def input(self, tensor: Any, rows: Rows) -> tf.Tensor:
        """Returns one input, declared as the symbolic `tensor`, of the rows."""
        value = self.bound(tensor.name).feed(tensor.name, rows, tensor.shape[1:])
        return _as_declared(value, tensor)

    def served(self, tensor: Any, request: Request) -> tf.Tensor:
        """Returns one input, declared as the symbolic `tensor`, of the requests."""
        value = self.bound(tensor.name).serve(tensor.name, request, tensor.shape[1:])
        return _as_declared(value, tensor)


def _as_declared(value: tf.Tensor, tensor: Any) -> tf.Tensor:
    """Returns a value in the type and with the rank that the model declares."""
    value = tf.cast(value, tensor.dtype)
    if len(tensor.shape) > len(value.shape):  # declared as [B, 1] rather than [B]
        value = value[:, tf.newaxis]
    return value
