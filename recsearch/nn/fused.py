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
    Gradients that name rows (of Keras' own `Embedding`) keep Keras' path, which squares the
    duplicates of a row one by one.
    """
    if type(optimizer) is not keras.optimizers.Adam or optimizer.amsgrad:
        return
    keras_step = optimizer.update_step

    def step(gradient: Any, variable: Any, learning_rate: Any) -> None:
        if isinstance(gradient, tf.IndexedSlices):
            keras_step(gradient, variable, learning_rate)
        else:
            adam_step(optimizer, gradient, variable, learning_rate)

    optimizer.update_step = step


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
