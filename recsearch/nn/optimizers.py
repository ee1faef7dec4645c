"""Optimizers that update only the rows of a batch in an embedding table.

Keras' own optimizers decay the moments of every row at every step, so that a step costs as much as
the table is long. Here a gradient that names rows (`tf.IndexedSlices`) is summed over its
duplicates, and only the named rows of the variable and of its moments change. The gradient of a
dense weight is applied as Keras does.

What differs from the dense optimizer: a row that is absent from a batch keeps its moments as they
are (no decay) and does not move; in the dense one the moments decay, and a moment that is not zero
yet still moves the row. The bias correction of Adam counts all steps. This is the variant known as
LazyAdam (TensorFlow Addons) and SparseAdam (PyTorch). Adagrad, and descent without momentum, have
no moments that decay: they equal the dense optimizer.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf

from recsearch.errors import UsageError
from recsearch.nn.fused_adam import AdamStep, has_plain_steps, is_half
from recsearch.nn.slots import AdamSlots, NotesSlots, tensor_variable


def sum_duplicate_rows(gradient: tf.IndexedSlices) -> tf.IndexedSlices:
    """Returns the same gradient with each row named once."""
    rows, position = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, position, tf.size(rows))
    return tf.IndexedSlices(values, rows, gradient.dense_shape)


def _update_rows(slot: tf.Variable, rows: Any, decay: float, value: Any) -> Any:
    """Sets rows of a moment to decay * row + (1 - decay) * value, and returns them."""
    return _add_to_rows(slot, rows, decay, (1.0 - decay) * value)


def _add_to_rows(slot: tf.Variable, rows: Any, decay: float, value: Any) -> Any:
    """Sets rows of a moment to decay * row + value, and returns them."""
    updated = decay * tf.gather(slot, rows) + value
    slot.scatter_update(tf.IndexedSlices(updated, rows))
    return updated


@keras.saving.register_keras_serializable(package="recsearch")
class SparseAdam(NotesSlots, keras.optimizers.Adam):
    """Adam (Kingma and Ba 2015, arXiv 1412.6980) with lazy moments for embedding rows.

    For a named row with gradient g at step t:
    m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;
    w <- w - lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon), as in `keras.optimizers.Adam`.
    """

    def apply(self, grads: Sequence[Any], trainable_variables: Iterable[Any] | None = None) -> None:
        """Takes one step; whatever is the same for all variables is computed once, if possible."""
        variables = None if trainable_variables is None else list(trainable_variables)
        if variables is None or not self._steps_at_once(grads, variables):
            super().apply(grads, variables)
            return
        step = AdamStep.of(self, self.learning_rate)
        for gradient, variable in zip(grads, variables, strict=True):
            self._apply_step(step, gradient, variable)
        for variable in variables:
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable))
        self.iterations.assign_add(1)

    def _steps_at_once(self, grads: Sequence[Any], variables: Sequence[Any]) -> bool:
        """Returns whether a step consists of nothing but the update of each variable."""
        return (
            has_plain_steps(self)
            and len(grads) > 0
            and all(gradient is not None for gradient in grads)
            and all(isinstance(variable, keras.Variable) for variable in variables)
            and all(self.slots.has("velocity", variable) for variable in variables)
        )

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates the rows that the gradient names, or the whole variable if it is dense."""
        if self.amsgrad or self.gradient_accumulation_steps:  # accumulated gradients are dense
            super().update_step(gradient, variable, learning_rate)
            return
        self._apply_step(AdamStep.of(self, learning_rate), gradient, variable)

    def _apply_step(self, step: AdamStep, gradient: Any, variable: Any) -> None:
        slots = AdamSlots(*(self.slots.of(name, variable) for name in ("momentum", "velocity")))
        if isinstance(gradient, tf.IndexedSlices):
            self._step_rows(step, sum_duplicate_rows(gradient), variable, slots)
        elif is_half(variable):
            super().update_step(gradient, variable, step.learning_rate)
        else:
            step.apply(gradient, variable, slots)

    def _step_rows(
        self, step: AdamStep, gradient: tf.IndexedSlices, variable: Any, slots: AdamSlots
    ) -> None:
        rows, values = gradient.indices, gradient.values
        momentum = _update_rows(slots.momentum, rows, self.beta_1, values)
        velocity = _update_rows(slots.velocity, rows, self.beta_2, tf.square(values))
        rate = step.learning_rate * tf.sqrt(1.0 - step.power_2) / (1.0 - step.power_1)
        change = tf.cast(rate, values.dtype) * momentum / (tf.sqrt(velocity) + self.epsilon)
        tensor_variable(variable).scatter_sub(tf.IndexedSlices(change, rows))


@keras.saving.register_keras_serializable(package="recsearch")
class SparseRMSprop(NotesSlots, keras.optimizers.RMSprop):
    """RMSprop (Hinton 2012, lecture 6e) with lazy averages for embedding rows.

    For a named row with gradient g, as in `keras.optimizers.RMSprop`:
    v <- rho v + (1 - rho) g^2;  centred also a <- rho a + (1 - rho) g, else a = 0;
    d <- lr g / sqrt(v - a^2 + epsilon), with momentum d <- momentum d + the same;  w <- w - d.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates the rows that the gradient names, or the whole variable if it is dense."""
        if not isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable, learning_rate)
            return
        gradient = sum_duplicate_rows(gradient)
        rows, values = gradient.indices, gradient.values
        spread = _update_rows(
            self.slots.of("velocity", variable), rows, self.rho, tf.square(values)
        )
        if self.centered:
            averages = self.slots.of("average_gradient", variable)
            average = _update_rows(averages, rows, self.rho, values)
            spread = spread - tf.square(average)
        change = tf.cast(learning_rate, values.dtype) * values / tf.sqrt(spread + self.epsilon)
        if self.momentum > 0:
            slot = self.slots.of("momentum", variable)
            change = _add_to_rows(slot, rows, self.momentum, change)
        tensor_variable(variable).scatter_sub(tf.IndexedSlices(change, rows))


@keras.saving.register_keras_serializable(package="recsearch")
class SparseSGD(NotesSlots, keras.optimizers.SGD):
    """Stochastic gradient descent, with lazy momentum (Polyak 1964; Nesterov 1983) for rows.

    For a named row with gradient g, as in `keras.optimizers.SGD`: w <- w - lr g, which equals the
    dense optimizer exactly; with momentum m <- momentum m - lr g;  w <- w + m, or with Nesterov's
    w <- w + momentum m - lr g.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates the rows that the gradient names, or the whole variable if it is dense."""
        if not isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable, learning_rate)
            return
        if self.momentum != 0:
            gradient = sum_duplicate_rows(gradient)
        rows = gradient.indices
        change = tf.cast(-learning_rate, gradient.values.dtype) * gradient.values
        if self.momentum != 0:
            slot = self.slots.of("momentum", variable)
            step = _add_to_rows(slot, rows, self.momentum, change)
            change = self.momentum * step + change if self.nesterov else step
        tensor_variable(variable).scatter_add(tf.IndexedSlices(change, rows))


@keras.saving.register_keras_serializable(package="recsearch")
class SparseAdagrad(NotesSlots, keras.optimizers.Adagrad):
    """Adagrad (Duchi, Hazan, Singer 2011); for rows it equals the dense optimizer.

    For a named row with gradient g, as in `keras.optimizers.Adagrad`:
    a <- a + g^2;  w <- w - lr g / sqrt(a + epsilon). A row without a gradient has nothing to add.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates the rows that the gradient names, or the whole variable if it is dense."""
        if not isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable, learning_rate)
            return
        gradient = sum_duplicate_rows(gradient)
        rows, values = gradient.indices, gradient.values
        slot = self.slots.of("accumulator", variable)
        total = _add_to_rows(slot, rows, 1.0, tf.square(values))
        change = tf.cast(learning_rate, values.dtype) * values / tf.sqrt(total + self.epsilon)
        tensor_variable(variable).scatter_sub(tf.IndexedSlices(change, rows))


OPTIMIZERS = {
    "adam": SparseAdam,
    "rmsprop": SparseRMSprop,
    "sgd": SparseSGD,
    "adagrad": SparseAdagrad,
}


def make_optimizer(name: str, learning_rate: float) -> keras.optimizers.Optimizer:
    """Returns the sparse optimizer called `name`: adam, rmsprop, sgd or adagrad.

    Raises:
        UsageError: If there is none of this name.
    """
    if name not in OPTIMIZERS:
        expected = ", ".join(OPTIMIZERS)
        raise UsageError(f"optimizer must be one of {expected}. Received: {name!r}.")
    return OPTIMIZERS[name](learning_rate=learning_rate)
