"""Losses over one positive and its sampled negatives.

Dimension letters: B positives of a batch, k negatives of each.
"""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="recsearch")
class Listwise(keras.losses.Loss):
    """Lets any Keras loss see each positive beside its negatives: [B, 1 + k], the positive first.

    The pipeline feeds a model with flat pairs, B * (1 + k) of them, list after list; this wrapper
    folds labels and scores back before the wrapped loss sees them.

    Args:
        loss: A Keras loss for arrays of shape [B, 1 + k].
        num_negatives: k, at least 1; the same as in the recommender's `Negatives`.
        **kwargs: As for every Keras loss.
    """

    def __init__(self, loss: keras.losses.Loss, num_negatives: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.loss = keras.losses.get(loss)
        self.num_negatives = num_negatives

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the wrapped loss of the folded arrays."""
        shape = (-1, 1 + self.num_negatives)
        return self.loss(tf.reshape(y_true, shape), tf.reshape(y_pred, shape))

    def get_config(self) -> dict[str, Any]:
        """Returns what rebuilds the loss."""
        return {
            **super().get_config(),
            "loss": keras.losses.serialize(self.loss),
            "num_negatives": self.num_negatives,
        }


@keras.saving.register_keras_serializable(package="recsearch")
class BPR(keras.losses.Loss):
    """Bayesian personalised ranking: mean over negatives of -log sigmoid(s_positive - s_negative).

    Source: Rendle et al. 2009, "BPR: Bayesian Personalized Ranking from Implicit Feedback",
    arXiv 1205.2618, equation 4 without the regulariser (that is the layers' `l2`), averaged over
    the k negatives of each positive.

    Args:
        num_negatives: k, at least 1; the same as in the recommender's `Negatives`.
        **kwargs: As for every Keras loss.
    """

    def __init__(self, num_negatives: int, name: str = "bpr", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.num_negatives = num_negatives

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns one loss a positive, [B]; `y_pred` holds scores (logits), list after list."""
        scores = tf.reshape(y_pred, (-1, 1 + self.num_negatives))
        margin = scores[:, :1] - scores[:, 1:]
        return tf.reduce_mean(tf.nn.softplus(-margin), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Returns what rebuilds the loss."""
        return {**super().get_config(), "num_negatives": self.num_negatives}
