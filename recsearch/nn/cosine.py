"""Scores of a whole catalogue that are cosines.

Dimension letters: B batch, D width of a vector, N items (with the unknown 0).
"""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="recsearch")
class CosineScores(keras.layers.Layer):
    """A table of item vectors, and their cosines with given vectors, divided by a temperature.

    score(v, i) = v . q_i / (|v| |q_i| temperature), a logit; a vector of length 0 has cosines of 0.

    Lengths do not count, so that an item cannot win only by its popularity, and vectors need
    hardly any regularisation. Source: Wu et al. 2022, "On the Effectiveness of Sampled Softmax Loss
    for Item Recommendation" (arXiv 2201.02327), here over the whole catalogue.

    Args:
        num_items: N.
        temperature: Above 0. The smaller, the more the nearest of the other items count in a
            softmax.
        stddev: Standard deviation of the initial item vectors; with Adam it decides, beside the
            learning rate, how fast they turn.
        **kwargs: As for every Keras layer.
    """

    def __init__(
        self, num_items: int, temperature: float, stddev: float = 0.1, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not temperature > 0:
            raise ValueError(f"temperature must be above 0. Received: {temperature}.")
        self.num_items = num_items
        self.temperature = temperature
        self.stddev = stddev

    def build(self, input_shape: Any) -> None:
        """Creates the table, [N, D]."""
        self.item_vector = self.add_weight(
            shape=(self.num_items, input_shape[-1]),
            initializer=keras.initializers.RandomNormal(stddev=self.stddev),
            name="item_vector",
        )

    def call(self, vector: Any) -> Any:
        """Returns the scores: vectors [B, D] -> [B, N]."""
        item = tf.math.l2_normalize(self.item_vector.value, axis=-1)
        scaled = tf.math.l2_normalize(vector, axis=-1) / self.temperature
        return tf.matmul(scaled, item, transpose_b=True)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Returns [B, N]."""
        return (input_shape[0], self.num_items)

    def get_config(self) -> dict[str, Any]:
        """Returns what rebuilds the layer."""
        config = {
            "num_items": self.num_items,
            "temperature": self.temperature,
            "stddev": self.stddev,
        }
        return {**super().get_config(), **config}
