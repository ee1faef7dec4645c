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

from typing import Any

import keras
import tensorflow as tf

from recsearch.errors import UsageError
from recsearch.nn.fused_adam import AdamStep


def sum_duplicate_rows(gradient: tf.IndexedSlices) -> tf.IndexedSlices:
    """Returns the same gradient with each row named once."""
    rows, position = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, position, tf.size(rows))
    return tf.IndexedSlices(values, rows, gradient.dense_shape)


def _tensor_variable(variable: Any) -> tf.Variable:
    """Returns the TensorFlow variable behind a Keras variable."""
    return variable.value if isinstance(variable, keras.Variable) else variable


def _update_rows(variable: Any, rows: Any, decay: float, value: Any) -> Any:
    """Sets rows of a moment to decay * row + (1 - decay) * value, and returns them."""
    return _add_to_rows(variable, rows, decay, (1.0 - decay) * value)


def _add_to_rows(variable: Any, rows: Any, decay: float, value: Any) -> Any:
    """Sets rows of a moment to decay * row + value, and returns them."""
    target = _tensor_variable(variable)
    updated = decay * tf.gather(target, rows) + value
    target.scatter_update(tf.IndexedSlices(updated, rows))
    return updated


@keras.saving.register_keras_serializable(package="recsearch")
class SparseAdam(keras.optimizers.Adam):
    """Adam (Kingma and Ba 2015, arXiv 1412.6980) with lazy moments for embedding rows.

    For a named row with gradient g at step t:
    m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;
    w <- w - lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon), as in `keras.optimizers.Adam`.
    """

    def _backend_update_step(
        self, grads: Any, trainable_variables: Any, learning_rate: Any
    ) -> None:
        """Updates the rows that a gradient names, or the whole variable if it is dense."""
        if self.amsgrad or self.gradient_accumulation_steps:  # accumulated gradients are dense
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
        step = AdamStep.of(self, learning_rate)
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            if isinstance(gradient, tf.IndexedSlices):
                self._step_rows(step, sum_duplicate_rows(gradient), variable)
            else:
                step.apply(gradient, variable)

    def _step_rows(self, step: AdamStep, gradient: tf.IndexedSlices, variable: Any) -> None:
        rows, values = gradient.indices, gradient.values
        position = self._get_variable_index(variable)
        momentum = _update_rows(self._momentums[position], rows, self.beta_1, values)
        velocity = _update_rows(self._velocities[position], rows, self.beta_2, tf.square(values))
        rate = step.learning_rate * tf.sqrt(1.0 - step.power_2) / (1.0 - step.power_1)
        change = tf.cast(rate, values.dtype) * momentum / (tf.sqrt(velocity) + self.epsilon)
        _tensor_variable(variable).scatter_sub(tf.IndexedSlices(change, rows))


@keras.saving.register_keras_serializable(package="recsearch")
class SparseRMSprop(keras.optimizers.RMSprop):
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
        position = self._get_variable_index(variable)
        spread = _update_rows(self._velocities[position], rows, self.rho, tf.square(values))
        if self.centered:
            average = _update_rows(self._average_gradients[position], rows, self.rho, values)
            spread = spread - tf.square(average)
        change = tf.cast(learning_rate, values.dtype) * values / tf.sqrt(spread + self.epsilon)
        if self.momentum > 0:
            change = _add_to_rows(self._momentums[position], rows, self.momentum, change)
        _tensor_variable(variable).scatter_sub(tf.IndexedSlices(change, rows))


@keras.saving.register_keras_serializable(package="recsearch")
class SparseSGD(keras.optimizers.SGD):
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
            slot = self.momentums[self._get_variable_index(variable)]
            step = _add_to_rows(slot, rows, self.momentum, change)
            change = self.momentum * step + change if self.nesterov else step
        _tensor_variable(variable).scatter_add(tf.IndexedSlices(change, rows))


@keras.saving.register_keras_serializable(package="recsearch")
class SparseAdagrad(keras.optimizers.Adagrad):
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
        slot = self._accumulators[self._get_variable_index(variable)]
        total = _add_to_rows(slot, rows, 1.0, tf.square(values))
        change = tf.cast(learning_rate, values.dtype) * values / tf.sqrt(total + self.epsilon)
        _tensor_variable(variable).scatter_sub(tf.IndexedSlices(change, rows))


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
