"""The view of a model that draws the masks of Dropout layers from bytes in training."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsearch.nn import ByteDropout
from recsearch.training.dropout_masks import training_view
from recsearch.training.step import training_step

ROWS, WIDTH = 64, 8


def model_with(dropout: keras.layers.Layer, *others: keras.layers.Layer) -> keras.Model:
    """Returns a compiled model with a Dropout, a shared layer and batch normalisation."""
    keras.utils.set_random_seed(5)
    inputs = keras.Input((WIDTH,), name="user_age")
    shared = keras.layers.Dense(WIDTH, "relu", kernel_regularizer="l2")
    x = shared(dropout(shared(inputs)))
    for layer in (keras.layers.BatchNormalization(), *others):
        x = layer(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def trained(model: keras.Model) -> list[np.ndarray]:
    """Returns all variables after four steps in a graph."""
    step = tf.function(training_step(model), autograph=False)
    rng = np.random.default_rng(0)
    for _ in range(4):
        inputs = tf.constant(rng.normal(size=(ROWS, WIDTH)), tf.float32)
        step(inputs, tf.constant(rng.normal(size=(ROWS, 1)), tf.float32))
    return [variable.numpy() for variable in model.variables]


def test_users_dropout_is_trained_as_byte_dropout_of_the_same_seed() -> None:
    plain = trained(model_with(keras.layers.Dropout(0.4, seed=1)))
    bytes_ = trained(model_with(ByteDropout(0.4, seed=1)))
    assert len(plain) == len(bytes_)
    for one, other in zip(plain, bytes_, strict=True):
        np.testing.assert_array_equal(one, other)
    without = trained(model_with(keras.layers.Dropout(0.0, seed=1)))
    assert any((one != other).any() for one, other in zip(plain, without, strict=True))


def test_view_drops_the_share_of_the_rate_and_changes_no_attribute() -> None:
    dropout = keras.layers.Dropout(0.25, seed=1)
    inputs = keras.Input((1000,))
    model = keras.Model(inputs, dropout(inputs))
    before = {layer: dict(vars(layer)) for layer in (model, dropout)}
    outputs = training_view(model)(tf.ones((50, 1000)), training=True).numpy()
    assert np.mean(outputs == 0) == pytest.approx(0.25, abs=0.01)
    assert np.mean(outputs) == pytest.approx(1.0, abs=0.02)
    assert {layer: dict(vars(layer)) for layer in (model, dropout)} == before
    np.testing.assert_array_equal(model(tf.ones((2, 1000)), training=False), 1.0)


class OwnLayer(keras.layers.Layer):
    def call(self, inputs: Any) -> Any:
        return inputs


@pytest.mark.parametrize(
    "make",
    [
        OwnLayer,
        lambda: keras.layers.Activation("relu", activity_regularizer="l2"),
        lambda: keras.Sequential([keras.layers.Dense(2)]),
    ],
)
def test_models_with_other_layers_are_left_to_keras(
    make: Callable[[], keras.layers.Layer],
) -> None:
    model = model_with(keras.layers.Dropout(0.5), make())
    assert training_view(model) is model


@pytest.mark.parametrize(
    "make",
    [
        lambda: ByteDropout(0.5),
        lambda: keras.layers.Dropout(0.0),
        lambda: keras.layers.Dropout(0.5, noise_shape=(None, 1)),
        lambda: keras.layers.GaussianDropout(0.5),
    ],
)
def test_models_without_a_dropout_to_replace_stay_themselves(
    make: Callable[[], keras.layers.Layer],
) -> None:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, make()(inputs))
    assert training_view(model) is model
