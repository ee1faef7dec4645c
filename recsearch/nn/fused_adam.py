"""Adam's step on a dense weight as one operation of TensorFlow.

Keras writes the step as a dozen operations for each variable. They are traced, optimised and
dispatched for models whose matrices are so small that these costs, not the arithmetic, decide how
long a step takes.
"""

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from recsearch.nn.slots import AdamSlots, tensor_variable


def is_half(variable: Any) -> bool:
    """Returns whether a variable has half precision, in which beta_2 rounds to 1.

    Keras computes such a step in another order, of which fewer numbers overflow.
    """
    return bool(tf.as_dtype(variable.dtype).size < tf.float32.size)


def has_plain_steps(optimizer: keras.optimizers.Adam) -> bool:
    """Returns whether a step of Adam is nothing but the update of each variable.

    That is: without amsgrad, accumulation, averages, clipping, weight decay and loss scale.
    """
    extras = (
        optimizer.amsgrad,
        optimizer.gradient_accumulation_steps,
        optimizer.use_ema,
        optimizer.clipnorm,
        optimizer.clipvalue,
        optimizer.global_clipnorm,
        optimizer.weight_decay,
        optimizer.loss_scale_factor,
    )
    return not any(extras)


@dataclass(frozen=True)
class AdamStep:
    """One step of Adam: what is the same for all variables, computed once.

    Attributes:
        optimizer: Not amsgrad.
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

    def apply(self, gradient: Any, variable: Any, slots: AdamSlots) -> None:
        """Does what `keras.optimizers.Adam.update_step` does, up to rounding.

        m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;
        w <- w - lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon)

        Source: Kingma and Ba 2015 (arXiv 1412.6980), the variant at the end of their section 2, by
        the operation `ResourceApplyAdam`.

        Args:
            gradient: Of the variable; dense.
            variable: A Keras or TensorFlow variable, not of half precision.
            slots: The moments of the variable.
        """
        weight = tensor_variable(variable)
        scalars = {
            "lr": self.learning_rate,
            "beta1": self.beta_1,
            "beta2": self.beta_2,
            "beta1_power": self.power_1,
            "beta2_power": self.power_2,
        }
        tf.raw_ops.ResourceApplyAdam(
            var=weight.handle,
            m=slots.momentum.handle,
            v=slots.velocity.handle,
            epsilon=tf.constant(self.optimizer.epsilon, weight.dtype),
            grad=tf.cast(gradient, weight.dtype),
            **{name: tf.cast(scalar, weight.dtype) for name, scalar in scalars.items()},
        )

    def apply_as_keras(self, gradient: Any, variable: Any, slots: AdamSlots) -> None:
        """Does the same for any gradient, of Keras' own `Embedding` too, which names rows.

        Keras squares the parts g of a row that is named more than once one by one: it adds
        (1 - b2) sum(g^2) to b2 v, where s = sum(g) is the gradient of the row and (1 - b2) s^2
        would be expected. So that the step equals the step of Keras, the difference, sum(g^2) - s^2
        = sum(g (g - s)), is added to v before the step; it is zero for a row that is named once.

        Args:
            gradient: Dense, or `tf.IndexedSlices`.
            variable: As for `apply`.
            slots: As for `apply`.
        """
        if isinstance(gradient, tf.IndexedSlices):
            rows, values = gradient.indices, gradient.values
            total = tf.math.unsorted_segment_sum(values, rows, variable.shape[0])
            difference = values * (values - tf.gather(total, rows))
            share = (1.0 - self.optimizer.beta_2) / self.optimizer.beta_2
            slots.velocity.scatter_add(tf.IndexedSlices(share * difference, rows))
            gradient = total
        self.apply(gradient, variable, slots)
