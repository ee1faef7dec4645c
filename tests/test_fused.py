"""Adam in one operation against Keras' own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsearch.nn.fused_adam import fuse
from recsearch.nn.optimizers import SparseAdam


def trained(optimizer: keras.optimizers.Optimizer, steps: int = 20, rows: bool = False) -> list:
    """Returns weights and slots after steps on two variables, one of them a table."""
    rng = np.random.default_rng(0)
    dense = keras.Variable(rng.normal(size=(3, 2)).astype("float32"))
    table = keras.Variable(rng.normal(size=(5, 2)).astype("float32"))
    optimizer.build([dense, table])
    for _ in range(steps):
        first = tf.constant(rng.normal(size=(3, 2)).astype("float32"))
        second = tf.constant(rng.normal(size=(5, 2)).astype("float32"))
        if rows:
            second = tf.IndexedSlices(second, tf.constant([1, 1, 4, 0, 1]), tf.constant([5, 2]))
        optimizer.apply_gradients([(first, dense), (second, table)])
    return [np.asarray(v) for v in (dense, table, *optimizer.variables)]


@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.parametrize(
    "settings",
    [{}, {"learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
     {"weight_decay": 0.01, "clipnorm": 1.0}, {"use_ema": True}],
)  # fmt: skip
def test_fused_adam_equals_keras_adam(settings: dict, rows: bool) -> None:
    fused = keras.optimizers.Adam(**settings)
    fuse(fused)
    assert "_backend_update_step" in vars(fused)
    expected = trained(keras.optimizers.Adam(**settings), rows=rows)
    for ours, theirs in zip(trained(fused, rows=rows), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [(keras.optimizers.Adam, {"amsgrad": True}), (keras.optimizers.AdamW, {}), (SparseAdam, {})],
)
def test_other_optimizers_stay_as_they_are(kind: type, settings: dict) -> None:
    optimizer = kind(**settings)
    fuse(optimizer)
    assert "_backend_update_step" not in vars(optimizer)


def test_fused_adam_is_saved_as_keras_adam() -> None:
    optimizer = keras.optimizers.Adam(0.25)
    fuse(optimizer)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is keras.optimizers.Adam
    assert float(again.learning_rate) == 0.25
