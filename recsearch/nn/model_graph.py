"""The graph of a functional model as a list of calls.

Keras has no public view of a graph. `keras.models.clone_model` passes every call of the graph to a
function, each call after the calls that it depends on. Here the clone consists of stand-ins: the
layers of the user's model keep their place in the graph, and only a layer that does not state its
output shape is traced, once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer or operation.

    Attributes:
        operation: The layer or operation of the model itself.
        arguments: Positional arguments, with symbolic tensors among them.
        keywords: Keyword arguments.
        outputs: The symbolic tensors that the call returns.
    """

    operation: Any
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]
    outputs: tuple[keras.KerasTensor, ...]

    @property
    def operands(self) -> list[keras.KerasTensor]:
        """The symbolic tensors among the arguments, in order."""
        leaves = keras.tree.flatten((self.arguments, dict(self.keywords)))
        return [leaf for leaf in leaves if isinstance(leaf, keras.KerasTensor)]

    def run(self, values: Mapping[int, tf.Tensor]) -> list[tf.Tensor]:
        """Returns the outputs for other operands.

        Args:
            values: By the identity of each symbolic operand.
        """
        arguments, keywords = keras.tree.map_structure(
            lambda leaf: values.get(id(leaf), leaf), (self.arguments, dict(self.keywords))
        )
        return list(keras.tree.flatten(self.operation(*arguments, **keywords)))


@dataclass(frozen=True, eq=False)
class ModelGraph:
    """The calls of a model.

    Attributes:
        inputs: Symbolic inputs, named as the inputs of the model, in the same order.
        calls: Each after the calls that it depends on.
        outputs: Symbolic outputs of the model.
    """

    inputs: tuple[keras.KerasTensor, ...]
    calls: tuple[Call, ...]
    outputs: tuple[keras.KerasTensor, ...]


def model_graph(model: keras.Model) -> ModelGraph:
    """Returns the graph of a functional model; the model stays as it is."""
    calls: list[Call] = []

    def call(stand_in: StandIn, *arguments: Any, **keywords: Any) -> Any:
        outputs = stand_in(*arguments, **keywords)
        flat = tuple(keras.tree.flatten(outputs))
        calls.append(Call(stand_in.operation, arguments, keywords, flat))
        return outputs

    # Not the model itself: Keras would compile the clone of a compiled model.
    plain = keras.Model(model.inputs, model.outputs, name=model.name)
    clone = keras.models.clone_model(plain, clone_function=StandIn, call_function=call)
    return ModelGraph(tuple(clone.inputs), tuple(calls), tuple(clone.outputs))


class StandIn(keras.Operation):
    """Is called in place of a layer or operation, which gets no new place in a graph.

    Args:
        operation: The layer or operation.
    """

    def __init__(self, operation: Any) -> None:
        super().__init__(name=operation.name)
        self.operation = operation

    def call(self, *arguments: Any, **keywords: Any) -> Any:
        """Returns what the operation returns."""
        return self.operation(*arguments, **keywords)

    def compute_output_spec(self, *arguments: Any, **keywords: Any) -> Any:
        """Returns the symbolic outputs."""
        if _states_no_shape(self.operation):
            return _traced_spec(self.operation, arguments, keywords)
        return self.operation.compute_output_spec(*arguments, **keywords)


def _states_no_shape(operation: Any) -> bool:
    """Returns whether a layer leaves the shape and type of its output to a trace of its call."""
    return isinstance(operation, keras.Layer) and all(
        getattr(type(operation), name) is getattr(keras.Layer, name)
        for name in ("compute_output_shape", "compute_output_spec")
    )


def _traced_spec(layer: keras.Layer, arguments: Any, keywords: Any) -> Any:
    """Returns the symbolic outputs of a call, which also casts the operands as the layer does."""

    def spec(leaf: Any) -> Any:
        known = isinstance(leaf, keras.KerasTensor)
        return tf.TensorSpec(leaf.shape, leaf.dtype) if known else leaf

    arguments, keywords = keras.tree.map_structure(spec, (arguments, keywords))
    traced = tf.function(layer, autograph=False).get_concrete_function(*arguments, **keywords)
    return keras.tree.map_structure(
        lambda output: keras.KerasTensor(output.shape, output.dtype.name), traced.structured_outputs
    )
