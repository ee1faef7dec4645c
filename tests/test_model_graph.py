"""The graph of a model as a list of calls, read without touching the model."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from recsearch.nn.model_graph import model_graph


class Halved(layers.Layer):
    """A layer of a user that states no shape of its output."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.scale = self.add_weight(shape=(), initializer="ones")

    def call(self, inputs: Any) -> Any:
        return {"half": 0.5 * self.scale * inputs, "all": inputs}


def vectors() -> tuple[Any, Any, Any, Any]:
    user = keras.Input((), dtype="int32", name="user_id")
    item = keras.Input((), dtype="int32", name="item_id")
    return user, item, layers.Embedding(5, 4)(user), layers.Embedding(7, 4)(item)


def shared() -> keras.Model:
    user, item, p, q = vectors()
    dense = layers.Dense(3)
    score = layers.Dot(-1)([dense(p), dense(q)]) + 1.0
    model = keras.Model([user, item], score, name="shared")
    model.compile("adam", lambda y, x: keras.ops.mean(y - x))  # Keras cannot serialize this loss
    return model


def nested() -> keras.Model:
    user, item, p, q = vectors()
    vector = keras.Input((4,))
    tower = keras.Model(vector, layers.Dense(3, "relu")(vector), name="tower")
    parts = Halved(name="halved")(layers.Multiply()([tower(p), tower(q)]))
    joined = layers.Concatenate()([parts["all"], parts["half"]])
    return keras.Model({"user_id": user, "item_id": item}, layers.Dense(1)(joined))


@pytest.mark.parametrize("make", [shared, nested])
def test_calls_in_order_give_the_output_of_the_model(make: Any) -> None:
    model = make()
    graph = model_graph(model)
    index = [tf.constant([1, 2, 3]), tf.constant([4, 0, 3])]
    fed = {tensor.name: value for tensor, value in zip(model.inputs, index, strict=True)}
    values = {id(tensor): fed[tensor.name] for tensor in graph.inputs}
    for call in graph.calls:
        assert all(id(operand) in values for operand in call.operands)
        results = call.run(values)
        for tensor, result in zip(call.outputs, results, strict=True):
            assert tensor.shape[1:] == tuple(result.shape[1:])
            assert tensor.dtype == result.dtype.name
        values |= dict(zip(map(id, call.outputs), results, strict=True))
    inputs = fed if isinstance(model.input, dict) else index
    np.testing.assert_array_equal(values[id(graph.outputs[0])], model(inputs))


def test_calls_name_the_layers_of_the_model_itself() -> None:
    model = shared()
    operations = [call.operation for call in model_graph(model).calls]
    dense = next(layer for layer in model.layers if isinstance(layer, layers.Dense))
    assert operations.count(dense) == 2
    assert [tensor.name for tensor in model_graph(model).inputs] == ["user_id", "item_id"]
    assert {op.name for op in operations} >= {layer.name for layer in model.layers[2:]}


@pytest.mark.parametrize("make", [shared, nested])
def test_model_stays_as_it_is(make: Any) -> None:
    model = make()
    config, tensors = model.get_config(), [layer.output for layer in model.layers[:4]]
    model_graph(model)
    assert model.get_config() == config
    # A layer that is called twice has no `output`.
    assert all(
        layer.output is tensor for layer, tensor in zip(model.layers[:4], tensors, strict=True)
    )


def test_types_are_those_that_a_layer_casts_to() -> None:
    numbers = keras.Input((4,), name="user_age")
    model = keras.Model(numbers, Halved(dtype="mixed_float16")(numbers)["half"])
    (call,) = model_graph(model).calls
    assert [tensor.dtype for tensor in call.operands] == ["float32"]
    assert [tensor.dtype for tensor in call.outputs] == ["float16", "float16"]


def test_every_layer_of_keras_that_spaces_use_is_a_call() -> None:
    bag = keras.Input((9,), name="bag")
    x = layers.UnitNormalization()(bag)
    x = layers.BatchNormalization()(layers.Dense(4, "tanh")(x))
    x = layers.LayerNormalization()(layers.Rescaling(2.0)(x))
    x = layers.Reshape((2, 2))(layers.Activation("relu")(x))
    x = layers.MultiHeadAttention(1, 2)(x, x)
    model = keras.Model(bag, layers.Dense(1)(layers.GlobalAveragePooling1D()(x)))
    assert len(model_graph(model).calls) == len(model.layers) - 1
