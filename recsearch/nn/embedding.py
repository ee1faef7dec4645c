"""Embedding tables whose cost follows the batch, not the table.

Dimension letters: B batch, D embedding, L values of a multi-valued column.
"""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="recsearch")
class Embedding(keras.layers.Layer):
    """A table of vectors, looked up by index.

    `keras.layers.Embedding` converts the table to a tensor before it looks up, and TensorFlow
    copies the table at each such read after a sparse update. This layer gathers from the variable
    itself. Its L2 penalty applies only to the rows of the batch, so that a step never touches the
    whole table: `l2 * mean over the batch of |row|^2`, as matrix factorisation regularises (Koren,
    Bell, Volinsky 2009, per observed rating; their lambda is `l2`).

    Args:
        input_dim: Rows of the table, the unknown index 0 included.
        output_dim: D.
        embeddings_initializer: A Keras initializer, or the standard deviation of a normal one.
        l2: Weight of the penalty; 0 turns it off.
        **kwargs: As for every Keras layer.
    """

    looks_up_indices = True  # the number of rows is checked against the data

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = 0.05,
        l2: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.input_dim = input_dim
        self.output_dim = output_dim
        if isinstance(embeddings_initializer, int | float):
            embeddings_initializer = keras.initializers.RandomNormal(stddev=embeddings_initializer)
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.l2 = l2

    def build(self, input_shape: Any) -> None:
        """Creates the table, [input_dim, D]."""
        self.embeddings = self.add_weight(
            shape=(self.input_dim, self.output_dim),
            initializer=self.embeddings_initializer,
            name="embeddings",
        )

    def call(self, indices: Any) -> Any:
        """Returns the rows: indices int32 of any shape S -> float32 of shape S + [D]."""
        rows = tf.gather(self.embeddings.value, indices)
        if self.l2:
            count = tf.cast(tf.size(indices), rows.dtype)
            self.add_loss(self.l2 * _squared_length(rows) / count)
        return rows

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Returns the shape of the indices with D appended."""
        return (*input_shape, self.output_dim)

    def get_config(self) -> dict[str, Any]:
        """Returns what rebuilds the layer."""
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
            "l2": self.l2,
        }


def _squared_length(rows: Any) -> Any:
    # One operation with a short gradient; that of a square and a sum takes a dozen, and they are
    # traced again for each trial.
    return 2.0 * tf.nn.l2_loss(rows)


@keras.saving.register_keras_serializable(package="recsearch")
class MeanEmbedding(Embedding):
    """The mean vector of a multi-valued column: indices [B, L], padded with 0 -> [B, D].

    Padding counts neither in the mean nor in the L2 penalty; only padding gives zeros.
    """

    def call(self, indices: Any) -> Any:
        """Returns the mean of the rows that are not padding."""
        present = tf.cast(tf.not_equal(indices, 0), self.compute_dtype)[..., tf.newaxis]
        rows = tf.gather(self.embeddings.value, indices) * present
        if self.l2:
            count = tf.maximum(tf.reduce_sum(present), 1.0)
            self.add_loss(self.l2 * _squared_length(rows) / count)
        return tf.reduce_sum(rows, axis=-2) / tf.maximum(tf.reduce_sum(present, axis=-2), 1.0)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Returns the shape of the indices with L replaced by D."""
        return (*input_shape[:-1], self.output_dim)


@keras.saving.register_keras_serializable(package="recsearch")
class HashedCross(keras.layers.Layer):
    """Hashes pairs of indices into buckets: the cross-product feature of a wide part.

    Cheng et al. 2016, "Wide & Deep Learning for Recommender Systems", equation 1; the hashing
    trick (Weinberger et al. 2009) keeps the number of weights bounded. Multiplicative hashing of
    both indices in int64; collisions are accepted. A pair with the unknown index 0 (or padding) on
    its right side falls into bucket 0, which holds nothing else.

    Args:
        num_buckets: Number of buckets, bucket 0 included; at least 2.
        **kwargs: As for every Keras layer.
    """

    def __init__(self, num_buckets: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if num_buckets < 2:
            raise ValueError(
                f"num_buckets must be at least 2 (bucket 0 is the unknown). Received {num_buckets}."
            )
        self.num_buckets = num_buckets

    def call(self, inputs: Any) -> Any:
        """Returns buckets: int32 [B] crossed with [B] or [B, L] -> int32 of the latter's shape."""
        left, right = (tf.cast(tensor, tf.int64) for tensor in inputs)
        if len(right.shape) > len(left.shape):
            left = left[:, tf.newaxis]
        # Two odd 32-bit constants (Knuth's golden ratio, MurmurHash3's c1); the shift mixes the
        # high bits in, as the low bits of a product depend only on the low bits of its factors.
        mixed = left * 2654435761 + right * 3432918353
        mixed = tf.bitwise.bitwise_xor(mixed, tf.bitwise.right_shift(mixed, 17))
        bucket = 1 + tf.math.floormod(mixed, self.num_buckets - 1)
        return tf.cast(tf.where(right == 0, tf.zeros_like(bucket), bucket), tf.int32)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns int32 indices of the right side's shape, whatever the layer's float type is."""
        return keras.KerasTensor(inputs[1].shape, dtype="int32")

    def get_config(self) -> dict[str, Any]:
        """Returns what rebuilds the layer."""
        return {**super().get_config(), "num_buckets": self.num_buckets}
