"""Our own training step against the step of Keras, and the models that are left to Keras."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsearch.nn import Embedding, SparseAdam
from recsearch.training.step import training_step

Adam = keras.optimizers.Adam
ROWS, STEPS, BATCH = 6, 7, 16


class Decayed(keras.layers.Layer):
    """Adds a loss of its own."""

    def call(self, inputs: Any) -> Any:
        squares = keras.ops.square(keras.ops.cast(inputs, "float32"))
        self.add_loss(0.01 * keras.ops.sum(squares))
        return inputs


def model_of(
    optimizer: Any, kind: type = keras.Model, policy: str = "float32", **compiled: Any
) -> keras.Model:
    """Returns a model with a table whose rows are named more than once, and all kinds of losses."""
    keras.utils.set_random_seed(3)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        index = keras.Input((2,), dtype="int32", name="item_id")
        numbers = keras.Input((3,), name="user_age")
        rows = keras.layers.Flatten()(keras.layers.Embedding(ROWS, 4)(index))
        x = keras.layers.Concatenate()([Decayed()(rows), numbers])
        x = keras.layers.Dense(5, "relu", kernel_regularizer="l2")(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.Dense(1, kernel_constraint="max_norm")(x)
        model = kind([index, numbers], x)
    finally:
        keras.config.set_dtype_policy(before)
    model.compile(optimizer, "mse", metrics=["mae"], **compiled)
    return model


def batches() -> list[tuple[list[tf.Tensor], tf.Tensor]]:
    rng = np.random.default_rng(0)
    return [
        (
            [
                tf.constant(rng.integers(0, ROWS, (size, 2)), tf.int32),
                tf.constant(rng.normal(size=(size, 3)), tf.float32),
            ],
            tf.constant(rng.normal(size=(size, 1)), tf.float32),
        )
        for size in [BATCH] * (STEPS - 1) + [3]  # the last batch of an epoch is shorter
    ]


def trained(model: keras.Model, step: Callable[[Any, Any], Any]) -> tuple[list, dict[str, float]]:
    """Returns weights, optimizer variables and metrics after some steps in a graph."""
    model.reset_metrics()
    for inputs, targets in batches():
        step(inputs, targets)
    variables = [np.asarray(v) for v in (*model.variables, *model.optimizer.variables)]
    return variables, {name: float(value) for name, value in model.get_metrics_result().items()}


def in_a_graph(step: Callable[[Any, Any], None]) -> Any:
    inputs = [tf.TensorSpec([None, 2], tf.int32), tf.TensorSpec([None, 3])]
    signature = [inputs, tf.TensorSpec([None, 1])]
    return tf.function(step, input_signature=signature, autograph=False)


def by_us(model: keras.Model) -> tuple[list, dict[str, float]]:
    model.optimizer.build(model.trainable_variables)
    step = training_step(model)
    return trained(model, step if model.run_eagerly else in_a_graph(step))


def by_keras(model: keras.Model) -> tuple[list, dict[str, float]]:
    model.optimizer.build(model.trainable_variables)

    def step(inputs: Any, targets: Any) -> None:
        model.train_step((inputs, targets))

    return trained(model, step if model.run_eagerly else in_a_graph(step))


def is_fused(model: keras.Model) -> bool:
    """Returns whether a step contains TensorFlow's fused operation, which Keras never uses."""
    model.optimizer.build(model.trainable_variables)
    graph = in_a_graph(training_step(model)).get_concrete_function().graph
    return "ResourceApplyAdam" in {operation.type for operation in graph.get_operations()}


def assert_same(ours: Any, theirs: Any, rtol: float = 2e-5) -> None:
    for one, other in zip(ours[0], theirs[0], strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=2e-5 if rtol else 0)
    assert ours[1] == pytest.approx(theirs[1], rel=1e-4)
    assert list(ours[1]) == list(theirs[1])


SCHEDULE = keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
        {"learning_rate": SCHEDULE},
    ],
)
def test_fused_step_equals_the_step_of_keras(settings: dict[str, Any]) -> None:
    assert is_fused(model_of(Adam(**settings)))
    assert_same(by_us(model_of(Adam(**settings))), by_keras(model_of(Adam(**settings))))


def test_step_changes_no_attribute_of_the_users_objects() -> None:
    model = model_of(Adam())
    model.optimizer.build(model.trainable_variables)
    before = [set(vars(part)) for part in (model.optimizer, *model.layers)]
    config = keras.optimizers.serialize(model.optimizer)
    training_step(model)(*batches()[0])
    assert [set(vars(part)) for part in (model.optimizer, *model.layers)] == before
    assert keras.optimizers.serialize(model.optimizer) == config
    assert int(model.optimizer.iterations) == 1


class OwnStep(keras.Model):
    """A model that doubles the loss."""

    def train_step(self, data: Any) -> Any:
        inputs, targets = data
        with tf.GradientTape() as tape:
            loss = 2 * self.compute_loss(inputs, targets, self(inputs, training=True))
        self.optimizer.apply(tape.gradient(loss, self.trainable_weights), self.trainable_weights)
        return self.compute_metrics(inputs, targets, self(inputs))


class OwnLoss(keras.Model):
    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        return 3 * super().compute_loss(*args, **kwargs)


class OwnMetrics(keras.Model):
    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return super().compute_metrics(x, y, 2 * y_pred, sample_weight)


@pytest.mark.parametrize(
    "make",
    [
        lambda: model_of(Adam(amsgrad=True)),
        lambda: model_of(Adam(beta_2=0.0)),
        lambda: model_of(Adam(use_ema=True)),
        lambda: model_of(Adam(gradient_accumulation_steps=2)),
        lambda: model_of(Adam(weight_decay=0.01)),
        lambda: model_of(Adam(clipnorm=0.1)),
        lambda: model_of(Adam(clipvalue=0.1)),
        lambda: model_of(Adam(global_clipnorm=0.1)),
        lambda: model_of(keras.optimizers.AdamW()),
        lambda: model_of(Adam(), policy="mixed_bfloat16"),
        lambda: model_of(Adam(), OwnStep),
        lambda: model_of(Adam(), OwnLoss),
        lambda: model_of(Adam(), OwnMetrics),
    ],
)
def test_other_models_take_the_step_of_keras(make: Callable[[], keras.Model]) -> None:
    assert not is_fused(make())
    ours, theirs = by_us(make()), by_keras(make())
    for one, other in zip(ours[0], theirs[0], strict=True):
        np.testing.assert_array_equal(one, other)
    assert ours[1] == theirs[1]


def test_scaled_loss_is_left_to_keras() -> None:
    numbers = keras.Input((3,), name="user_age")  # Keras cannot scale gradients that name rows
    steps = []
    for train in (training_step, lambda model: lambda x, y: model.train_step((x, y))):
        keras.utils.set_random_seed(3)
        model = keras.Model(numbers, keras.layers.Dense(1)(numbers))
        model.compile(Adam(0.1, loss_scale_factor=8.0), "mse")
        model.optimizer.build(model.trainable_variables)
        train(model)(batches()[0][0][1], batches()[0][1])
        steps.append(model.get_weights())
    np.testing.assert_array_equal(steps[0][0], steps[1][0])


def test_eager_model_takes_the_step_of_keras() -> None:
    ours, theirs = (train(model_of(Adam(), run_eagerly=True)) for train in (by_us, by_keras))
    assert_same(ours, theirs, rtol=0)


def test_optimizer_of_other_variables_is_left_to_keras() -> None:
    model = model_of(Adam())
    model.optimizer.build(model.trainable_variables[:2])
    step = training_step(model)
    with pytest.raises(ValueError, match="Unknown variable"):
        step(*batches()[0])


def test_weight_without_a_gradient_is_warned_of_as_by_keras() -> None:
    index = keras.Input((), dtype="int32", name="item_id")
    unused = keras.layers.Dense(1)
    vector = keras.layers.Embedding(ROWS, 4)(index)
    score = keras.layers.Dense(1)(vector) + 0.0 * keras.ops.stop_gradient(unused(vector))
    model = keras.Model(index, score)
    model.compile(Adam(), "mse")
    model.optimizer.build(model.trainable_variables)
    before = unused.get_weights()
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        training_step(model)(tf.constant([1, 2]), tf.zeros((2, 1)))
    for one, other in zip(unused.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("settings", [{}, {"use_ema": True}, {"clipnorm": 0.1}])
def test_sparse_adam_takes_one_fused_step_per_dense_weight(settings: dict[str, Any]) -> None:
    index = keras.Input((), dtype="int32", name="item_id")
    hidden = keras.layers.Dense(3)(Embedding(ROWS, 4)(index))
    model = keras.Model(index, keras.layers.Dense(1)(hidden))
    model.compile(SparseAdam(0.1, **settings), "mse")
    model.optimizer.build(model.trainable_variables)
    step = tf.function(training_step(model), autograph=False)
    graph = step.get_concrete_function(tf.zeros(4, tf.int32), tf.zeros((4, 1))).graph
    kinds = [operation.type for operation in graph.get_operations()]
    assert kinds.count("ResourceApplyAdam") == 4  # two kernels, two biases
    if not settings:
        assert kinds.count("Pow") == 2  # the powers of both betas are computed once
