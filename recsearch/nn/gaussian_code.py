"""The code of a variational autoencoder.

Dimension letters: B batch, D width of the code.
"""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="recsearch")
class GaussianCode(keras.layers.Layer):
    """Draws a code from a normal distribution in training; its mean in use.

    Adds the loss weight * mean over the batch of KL(N(mean, variance) || N(0, 1)). The weight grows
    in proportion to the samples seen, up to `kl_weight` after `anneal_samples` of them.

    Source: Kingma and Welling 2014 (arXiv 1312.6114), appendix B, with the annealing of Liang et
    al. 2018 (arXiv 1802.05814), section 2.2.2.

    Args:
        kl_weight: Final weight of the KL term, at least 0.
        anneal_samples: Samples after which it is reached, at least 1.
        **kwargs: As for every Keras layer.
    """

    def __init__(self, kl_weight: float, anneal_samples: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kl_weight = kl_weight
        self.anneal_samples = anneal_samples
        self.seed_generator = keras.random.SeedGenerator()

    def build(self, input_shape: Any) -> None:
        """Creates the count of the samples seen."""
        self.seen = self.add_weight(shape=(), initializer="zeros", trainable=False, name="seen")

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Returns the code, [B, D], of [mean, logarithm of the variance], [B, D] each."""
        mean, log_variance = inputs
        if not training:
            return mean
        divergence = 0.5 * tf.reduce_sum(
            tf.exp(log_variance) + tf.square(mean) - 1.0 - log_variance, axis=-1
        )
        self.seen.assign_add(tf.cast(tf.shape(mean)[0], tf.float32))
        share = tf.minimum(1.0, self.seen.value / float(self.anneal_samples))
        self.add_loss(self.kl_weight * share * tf.reduce_mean(divergence))
        noise = keras.random.normal(tf.shape(mean), seed=self.seed_generator)
        return mean + tf.exp(0.5 * log_variance) * noise

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Returns the shape of the mean."""
        return tuple(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        """Returns what rebuilds the layer."""
        config = {"kl_weight": self.kl_weight, "anneal_samples": self.anneal_samples}
        return {**super().get_config(), **config}
