"""Adam's step on a dense weight as one operation of TensorFlow.

Keras writes it as a dozen operations for each variable. They are traced, optimised and dispatched
for models whose matrices are so small that this, not the arithmetic, is what a step costs.
"""

from typing import Any

import keras
import tensorflow as tf


def fuse(optimizer: keras.optimizers.Optimizer) -> None:
    """Lets a plain `keras.optimizers.Adam` take its steps by `adam_step`; others stay as they are.

    Only this object is changed: its variables, its configuration and what is saved stay the same.
    """
    plain = type(optimizer) is keras.optimizers.Adam and not optimizer.amsgrad
    if not plain or optimizer.beta_2 == 0:  # `_dense_as_keras` divides by it
        return

    def step(gradient: Any, variable: Any, learning_rate: Any) -> None:
        if isinstance(gradient, tf.IndexedSlices):
            gradient = _dense_as_keras(optimizer, gradient, variable)
        adam_step(optimizer, gradient, variable, learning_rate)

    optimizer.update_step = step


def _dense_as_keras(
    optimizer: keras.optimizers.Adam, gradient: tf.IndexedSlices, variable: Any
) -> tf.Tensor:
    """Returns the dense form of a gradient that names rows (of Keras' own `Embedding`).

    Keras squares the parts g of a row that is named more than once one by one: it adds
    (1 - b2) sum(g^2) to b2 v, where s = sum(g) stands for the row and (1 - b2) s^2 would be
    expected. So that the step gives what Keras' gives, the difference, sum(g^2) - s^2 = sum(g (g -
    s)), is added to v before it; it is zero for a row that is named once.
    """
    rows, values = gradient.indices, gradient.values
    total = tf.math.unsorted_segment_sum(values, rows, variable.shape[0])
    difference = values * (values - tf.gather(total, rows))
    velocity = optimizer._velocities[optimizer._get_variable_index(variable)]
    share = (1.0 - optimizer.beta_2) / optimizer.beta_2
    velocity.value.scatter_add(tf.IndexedSlices(share * difference, rows))
    return total


def adam_step(
    optimizer: keras.optimizers.Adam, gradient: Any, variable: Any, learning_rate: Any
) -> None:
    """Does what `keras.optimizers.Adam.update_step` does, up to rounding.

    m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;
    w <- w - lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon)

    Source: Kingma and Ba 2015 (arXiv 1412.6980), the variant at the end of their section 2, by the
    operation `ResourceApplyAdam`.

    Args:
        optimizer: Not amsgrad; built.
        gradient: Of the variable; dense.
        variable: A Keras or TensorFlow variable.
        learning_rate: Scalar.
    """
    weight = variable.value if isinstance(variable, keras.Variable) else variable
    position = optimizer._get_variable_index(variable)
    step = tf.cast(optimizer.iterations.value + 1, weight.dtype)
    beta_1, beta_2 = (tf.cast(beta, weight.dtype) for beta in (optimizer.beta_1, optimizer.beta_2))
    tf.raw_ops.ResourceApplyAdam(
        var=weight.handle,
        m=optimizer._momentums[position].value.handle,
        v=optimizer._velocities[position].value.handle,
        beta1_power=tf.pow(beta_1, step),
        beta2_power=tf.pow(beta_2, step),
        lr=tf.cast(learning_rate, weight.dtype),
        beta1=beta_1,
        beta2=beta_2,
        epsilon=tf.cast(optimizer.epsilon, weight.dtype),
        grad=tf.cast(gradient, weight.dtype),
    )
