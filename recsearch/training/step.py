"""One training step of a compiled model: the step of Keras, or the same step with a fused Adam.

The fused step serves the most common case: a functional model in float32 that is compiled with
`keras.optimizers.Adam`. In this case, an epoch with Keras' own step takes 1.45 times as long. The
fused step uses only public functions and changes no attribute of the model or of the optimizer.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from recsearch.nn.fused_adam import AdamStep, has_plain_steps, is_half
from recsearch.nn.slots import AdamSlots, adam_slots
from recsearch.training.dropout_masks import training_view

TrainingStep = Callable[[Any, tf.Tensor], None]
"""(inputs, targets) of a batch -> nothing; updates weights, optimizer and metrics."""

_STEP_METHODS = ("train_step", "compute_loss", "compute_metrics")


def training_step(model: keras.Model) -> TrainingStep:
    """Returns what a step of `model.fit` does, for use inside or outside a graph.

    Args:
        model: A compiled model whose optimizer is built.
    """
    slots = _fused_slots(model)
    if slots is None:
        return lambda inputs, targets: model.train_step((inputs, targets))
    view = training_view(model)

    def step(inputs: Any, targets: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            outputs = view(inputs, training=True)
            loss = model.compute_loss(inputs, targets, outputs, training=True)
        size = tf.shape(keras.tree.flatten(inputs)[0])[0]
        model.metrics[0].update_state(loss, sample_weight=size)
        weights = model.trainable_weights
        _update(model.optimizer, tape.gradient(loss, weights), weights, slots)
        model.compute_metrics(inputs, targets, outputs)

    return step


def _fused_slots(model: keras.Model) -> dict[Any, AdamSlots] | None:
    """Returns the moments for a fused step; None if the step of Keras must be used."""
    optimizer, weights = model.optimizer, model.trainable_weights
    if type(optimizer) is not keras.optimizers.Adam or not has_plain_steps(optimizer):
        return None
    # `apply_as_keras` divides by beta_2.
    if optimizer.beta_2 == 0 or model.run_eagerly or any(map(is_half, model.weights)):
        return None
    if not weights or not _steps_as_keras(model):
        return None
    return adam_slots(optimizer, weights)


def _steps_as_keras(model: keras.Model) -> bool:
    """Returns whether Keras' own step methods are used and no layer uses mixed precision."""
    own = any(
        name in vars(model) or getattr(type(model), name) is not getattr(keras.Model, name)
        for name in _STEP_METHODS
    )
    mixed = any(layer.compute_dtype != layer.variable_dtype for layer in model.layers)
    return not own and not mixed and [metric.name for metric in model.metrics[:1]] == ["loss"]


def _update(
    optimizer: keras.optimizers.Adam,
    gradients: list[Any],
    weights: list[keras.Variable],
    slots: dict[Any, AdamSlots],
) -> None:
    """Applies the gradients.

    If a gradient is missing or a weight is unknown, Keras applies them, with its own errors and
    warnings.
    """
    known = all(weight.value.ref() in slots for weight in weights)
    if not known or any(gradient is None for gradient in gradients):
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return
    adam = AdamStep.of(optimizer, optimizer.learning_rate)
    for gradient, weight in zip(gradients, weights, strict=True):
        adam.apply_as_keras(gradient, weight, slots[weight.value.ref()])
    for weight in weights:
        if weight.constraint is not None:
            weight.assign(weight.constraint(weight))
    optimizer.iterations.assign_add(1)
