"""An epoch here against `model.fit` on the same batches, for what a model can be compiled with."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from prepared import pipeline

from recsearch.contract.recommender import Recommender
from recsearch.data.task import Task
from recsearch.nn import Pairs
from recsearch.nn.embedding import Embedding
from recsearch.nn.optimizers import SparseAdam, SparseRMSprop
from recsearch.pipeline import Training
from recsearch.training.fit import Fitter, ModelFitter

EPOCHS, BATCH = 2, 120  # 10 batches an epoch
Adam = keras.optimizers.Adam


def model(table: type, policy: str = "float32", **compiled: Any) -> keras.Model:
    """A small model of pairs; the policy is the process's own while it is built."""
    spec = pipeline(Task.RATING).data.spec
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        user = keras.Input((), dtype="int32", name="user_id")
        item = keras.Input((), dtype="int32", name="item_id")
        vectors = [table(spec.num_users, 4)(user), table(spec.num_items, 4)(item)]
        hidden = keras.layers.Dense(4, activation="relu")(keras.layers.Concatenate()(vectors))
        made = keras.Model([user, item], keras.layers.Dense(1)(hidden))
        made.compile(**compiled)
    finally:
        keras.config.set_dtype_policy(before)
    return made


def training() -> Training:
    return pipeline(Task.RATING).training(Pairs(), BATCH, seed=7)


def by_fit(made: keras.Model) -> dict[str, float]:
    """Trains by `fit` on the batches of our epochs; returns the metrics of the last epoch."""
    batches: list[tuple[Any, ...]] = []
    given = training()
    for epoch in range(EPOCHS):
        order = tf.constant(given.order(epoch), tf.int64)
        given.for_each_batch(
            order,
            tf.constant(epoch),
            lambda batch: batches.append((*batch.rows[:2], batch.target)),
        )
    users, items, targets = (tf.stack(column) for column in zip(*batches, strict=True))
    data = tf.data.Dataset.from_tensor_slices(((users, items), targets)).repeat()
    fitted = made.fit(
        data, epochs=EPOCHS, steps_per_epoch=len(batches) // EPOCHS, shuffle=False, verbose=0
    )
    return {name: values[-1] for name, values in fitted.history.items()}


def by_us(made: keras.Model) -> dict[str, float]:
    fitter = ModelFitter(made, training())
    for epoch in range(EPOCHS):
        logs = fitter.run_epoch(epoch)
    fitter.finish()
    return {name.removeprefix("train_"): value for name, value in logs.items()}


def trained_both_ways(make: Callable[[], keras.Model]) -> list[tuple[list[Any], dict[str, float]]]:
    both = []
    for train in (by_us, by_fit):
        keras.utils.set_random_seed(3)
        made = make()
        logs = train(made)
        both.append((made.get_weights(), logs))
    return both


CASES: dict[str, dict[str, Any]] = {
    "use_ema": {"optimizer": lambda: Adam(0.01, use_ema=True)},
    "ema_overwrite_frequency": {
        "optimizer": lambda: Adam(0.01, use_ema=True, ema_overwrite_frequency=3)
    },
    "gradient_accumulation_steps": {"optimizer": lambda: Adam(0.01, gradient_accumulation_steps=3)},
    "accumulation and averages": {
        "optimizer": lambda: keras.optimizers.SGD(0.01, gradient_accumulation_steps=2, use_ema=True)
    },
    "clipping and decay": {"optimizer": lambda: Adam(0.01, clipnorm=0.1, weight_decay=0.01)},
    "mixed_float16": {"optimizer": lambda: Adam(0.01), "policy": "mixed_float16"},
    "mixed_float16 with averages": {
        "optimizer": lambda: Adam(0.01, use_ema=True),
        "policy": "mixed_float16",
    },
    "loss scale": {
        "optimizer": lambda: keras.optimizers.LossScaleOptimizer(Adam(0.01), initial_scale=8.0)
    },
    "sparse averages": {"optimizer": lambda: SparseAdam(0.01, use_ema=True), "table": Embedding},
    "sparse accumulation": {
        "optimizer": lambda: SparseAdam(0.01, gradient_accumulation_steps=2),
        "table": Embedding,
    },
    "sparse mixed_float16": {
        "optimizer": lambda: SparseRMSprop(0.01),
        "table": Embedding,
        "policy": "mixed_float16",
    },
    "run_eagerly": {"optimizer": lambda: Adam(0.01), "run_eagerly": True},
    "jit_compile": {"optimizer": lambda: Adam(0.01), "jit_compile": True},
    "steps_per_execution": {"optimizer": lambda: Adam(0.01), "steps_per_execution": 5},
    "weighted_metrics": {
        "optimizer": lambda: Adam(0.01),
        "metrics": ["mse"],
        "weighted_metrics": ["mae"],
    },
    "loss_weights": {"optimizer": lambda: Adam(0.01), "loss_weights": [0.3]},
}


@pytest.mark.parametrize("case", CASES)
def test_training_equals_fit(case: str) -> None:
    settings = dict(CASES[case])
    optimizer = settings.pop("optimizer")
    table = settings.pop("table", keras.layers.Embedding)
    (ours, our_logs), (theirs, their_logs) = trained_both_ways(
        lambda: model(table, optimizer=optimizer(), loss="mse", **settings)
    )
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=2e-5)
    assert our_logs == pytest.approx(their_logs, rel=1e-4)


def test_run_eagerly_runs_each_step_as_python() -> None:
    values = []

    class Seen(keras.layers.Layer):
        def call(self, inputs, training=False):
            if training and tf.executing_eagerly():
                values.append(float(tf.reduce_mean(inputs)))
            return inputs

    item = keras.Input((), dtype="int32", name="item_id")
    table = keras.layers.Embedding(pipeline(Task.RATING).data.spec.num_items, 1)(item)
    made = keras.Model(item, Seen()(table))
    made.compile("sgd", "mse", run_eagerly=True)
    fitter = ModelFitter(made, training())
    fitter.run_epoch(0)
    assert len(values) == 10
    assert fitter.operations() == frozenset()


def test_epoch_is_measured_with_the_averages_and_continues_without_them() -> None:
    keras.utils.set_random_seed(0)
    made = model(keras.layers.Embedding, optimizer=Adam(0.05, use_ema=True), loss="mse")
    fitter = Fitter(Recommender(made, Pairs(), BATCH), pipeline(Task.RATING), seed=0)
    fitter.callbacks.begin(1)
    measured: list[Any] = []

    def measure() -> dict[str, float]:
        measured.extend(made.get_weights())
        return {}

    fitter.run_measured_epoch(0, measure)
    after = made.get_weights()
    assert not np.allclose(measured[0], after[0])
    fitter.finish()
    for one, other in zip(made.get_weights(), measured, strict=True):
        np.testing.assert_array_equal(one, other)
