"""Adam's step on a dense weight as one operation of TensorFlow.

Keras writes it as a dozen operations for each variable. They are traced, optimised and dispatched
for models whose matrices are so small that this, not the arithmetic, is what a step costs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf


def fuse(optimizer: keras.optimizers.Optimizer) -> None:
    """Lets a plain `keras.optimizers.Adam` take its steps by `AdamStep`; others stay as they are.

    Only this object is changed: its variables, its configuration and what is saved stay the same.
    """
    plain = type(optimizer) is keras.optimizers.Adam and not optimizer.amsgrad
    if not plain or optimizer.beta_2 == 0:  # `_dense_as_keras` divides by it
        return
    if optimizer.gradient_accumulation_steps:  # Keras updates inside a conditional of its own
        return

    def update(gradients: Sequence[Any], variables: Sequence[Any], learning_rate: Any) -> None:
        step = AdamStep.of(optimizer, learning_rate)
        for gradient, variable in zip(gradients, variables, strict=True):
            if isinstance(gradient, tf.IndexedSlices) and not is_half(variable):
                gradient = _dense_as_keras(optimizer, gradient, variable)
            step.apply(gradient, variable)

    optimizer._backend_update_step = update


def is_half(variable: Any) -> bool:
    """Returns whether a variable has half precision, in which beta_2 rounds to 1.

    Keras computes such a step in another order, of which fewer numbers overflow.
    """
    return bool(tf.as_dtype(variable.dtype).size < tf.float32.size)


@dataclass(frozen=True)
class AdamStep:
    """One step of Adam: what is the same for all variables, computed once.

    Attributes:
        optimizer: Built, not amsgrad.
        learning_rate: Scalar float32, as all that follow.
        beta_1: Decay of the first moment.
        beta_2: Decay of the second moment.
        power_1: beta_1^t at step t, from 1.
        power_2: beta_2^t.
    """

    optimizer: keras.optimizers.Adam
    learning_rate: tf.Tensor
    beta_1: tf.Tensor
    beta_2: tf.Tensor
    power_1: tf.Tensor
    power_2: tf.Tensor

    @classmethod
    def of(cls, optimizer: keras.optimizers.Adam, learning_rate: Any) -> "AdamStep":
        """Returns the step that the optimizer is about to take."""
        number = tf.cast(optimizer.iterations.value + 1, tf.float32)
        betas = [tf.constant(beta, tf.float32) for beta in (optimizer.beta_1, optimizer.beta_2)]
        powers = [tf.pow(beta, number) for beta in betas]
        return cls(optimizer, tf.cast(learning_rate, tf.float32), *betas, *powers)

    def apply(self, gradient: Any, variable: Any) -> None:
        """Does what `keras.optimizers.Adam.update_step` does, up to rounding.

        m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;
        w <- w - lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon)

        Source: Kingma and Ba 2015 (arXiv 1412.6980), the variant at the end of their section 2, by
        the operation `ResourceApplyAdam`.

        Args:
            gradient: Of the variable; dense.
            variable: A Keras or TensorFlow variable.
        """
        weight = variable.value if isinstance(variable, keras.Variable) else variable
        if is_half(variable):
            self.optimizer.update_step(gradient, variable, self.learning_rate)
            return
        position = self.optimizer._get_variable_index(variable)
        scalars = {
            "lr": self.learning_rate,
            "beta1": self.beta_1,
            "beta2": self.beta_2,
            "beta1_power": self.power_1,
            "beta2_power": self.power_2,
        }
        tf.raw_ops.ResourceApplyAdam(
            var=weight.handle,
            m=self.optimizer._momentums[position].value.handle,
            v=self.optimizer._velocities[position].value.handle,
            epsilon=tf.constant(self.optimizer.epsilon, weight.dtype),
            grad=tf.cast(gradient, weight.dtype),
            **{name: tf.cast(scalar, weight.dtype) for name, scalar in scalars.items()},
        )


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
