"""Dropout whose mask is drawn from one byte per element, where Keras draws a float.

On a CPU, most of the cost of dropout is generating random numbers. Four random bytes cost as much
as one random float, and the remaining work per byte is negligible.
"""

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

_BYTE = 256
_WORD = 2**32


@keras.saving.register_keras_serializable(package="recsearch")
class ByteDropout(keras.layers.Dropout):
    """A `keras.layers.Dropout` that draws a `ByteMask` in training.

    The arguments and the seed state are those of Keras. With a `noise_shape`, or for a rate of 0 or
    of at least 255/256, Keras draws the mask.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Returns the inputs, in training some of them replaced by 0 and the others scaled."""
        known = isinstance(inputs, tf.Tensor) and inputs.dtype.is_floating
        if not (training and draws_bytes(self) and known):
            return super().call(inputs, training=training)
        return inputs * ByteMask.of(self.rate).draw(inputs, self.seed_generator.next())


def draws_bytes(layer: keras.layers.Dropout) -> bool:
    """Returns whether a mask of bytes can serve the noise shape and the rate of a layer."""
    return layer.noise_shape is None and 0 < layer.rate < 1 - 1 / _BYTE


@dataclass(frozen=True)
class ByteMask:
    """Inverted dropout: m = 0 with probability r, else 1 / (1 - r).

    An element is dropped if its byte is below a threshold. 256 r is seldom a whole number, so the
    threshold of a draw is floor(256 r) + 1 with the probability 256 r - floor(256 r), and floor(256
    r) otherwise. The scale is 256 / (256 - threshold), so that E[m] = 1 in each draw.

    Source: Srivastava et al. 2014 (JMLR 15), in the variant of their section 10 that scales in
    training. They have one r; here each draw uses one of the two multiples of 1/256 next to r.

    Attributes:
        lower: floor(256 r), 0 to 254.
        odds: Probability of the higher threshold, in units of 2^-32, rounded down.
    """

    lower: int
    odds: int

    @classmethod
    def of(cls, rate: float) -> "ByteMask":
        """Returns the mask for a rate in (0, 255/256)."""
        lower = int(_BYTE * rate)
        return cls(lower, int((_BYTE * rate - lower) * _WORD))

    def draw(self, values: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns a mask to multiply with; the same seed gives the same one.

        Args:
            values: Of any shape, floating point; only shape and type are used.
            seed: Two integers, of int32 or int64.

        Returns:
            0 or the scale, in the shape and type of `values`.
        """
        shape = tf.shape(values)
        size = tf.reduce_prod(shape, keepdims=True)
        # The first word decides on the threshold.
        words = tf.random.stateless_uniform(
            size // 4 + 2, seed, minval=None, maxval=None, dtype=tf.uint32
        )
        higher = words[0] < tf.constant(self.odds, tf.uint32)
        threshold = tf.where(
            higher, tf.constant(self.lower + 1, tf.uint8), tf.constant(self.lower, tf.uint8)
        )
        scale = _BYTE / (_BYTE - tf.cast(threshold, values.dtype))
        lanes = tf.slice(tf.reshape(tf.bitcast(words, tf.uint8), [-1]), [4], size)
        return tf.cast(tf.reshape(lanes, shape) >= threshold, values.dtype) * scale
