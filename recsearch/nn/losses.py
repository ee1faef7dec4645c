"""Losses over one positive and its sampled negatives, and over a user's whole bag of items.

Dimension letters: B positives or users of a batch, k negatives of each positive, N items (with the
unknown 0).
"""

from typing import Any

import keras
import tensorflow as tf

from recsearch.contract.list_loss import ListLoss


@keras.saving.register_keras_serializable(package="recsearch")
class Listwise(ListLoss):
    """Lets any Keras loss see each positive beside its negatives: [B, 1 + k], the positive first.

    The pipeline feeds a model with flat pairs, B * (1 + k) of them, list after list; this wrapper
    folds labels and scores back before the wrapped loss sees them.

    Args:
        loss: A Keras loss for arrays of shape [B, 1 + k].
        num_negatives: k, at least 1; the same as in the recommender's `Negatives`.
        **kwargs: As for every Keras loss.
    """

    def __init__(self, loss: keras.losses.Loss, num_negatives: int, **kwargs: Any) -> None:
        super().__init__(num_negatives, **kwargs)
        self.loss = keras.losses.get(loss)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the wrapped loss of the folded arrays."""
        return self.loss(self.fold(y_true), self.fold(y_pred))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that rebuild the loss."""
        return {**super().get_config(), "loss": keras.losses.serialize(self.loss)}


@keras.saving.register_keras_serializable(package="recsearch")
class BPR(ListLoss):
    """Bayesian personalised ranking: mean over negatives of -log sigmoid(s_positive - s_negative).

    Source: Rendle et al. 2009, "BPR: Bayesian Personalized Ranking from Implicit Feedback",
    arXiv 1205.2618, equation 4 without the regulariser (that is the layers' `l2`), averaged over
    the k negatives of each positive.

    Args:
        num_negatives: k, at least 1; the same as in the recommender's `Negatives`.
        **kwargs: As for every Keras loss.
    """

    def __init__(self, num_negatives: int, name: str = "bpr", **kwargs: Any) -> None:
        super().__init__(num_negatives, name=name, **kwargs)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns one loss per positive, [B]; `y_pred`: scores (logits), list after list."""
        scores = self.fold(y_pred)
        margin = scores[:, :1] - scores[:, 1:]
        return tf.reduce_mean(tf.nn.softplus(-margin), axis=-1)


@keras.saving.register_keras_serializable(package="recsearch")
class PairwiseHinge(ListLoss):
    """Mean over negatives of max(0, 1 - (s_positive - s_negative)).

    Source: Herbrich, Graepel, Obermayer 1999, "Support vector learning for ordinal regression",
    with a margin of 1, averaged over the k negatives of each positive.

    Args:
        num_negatives: k, at least 1; the same as in the recommender's `Negatives`.
        **kwargs: As for every Keras loss.
    """

    def __init__(self, num_negatives: int, name: str = "hinge", **kwargs: Any) -> None:
        super().__init__(num_negatives, name=name, **kwargs)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns one loss per positive, [B]; `y_pred` contains scores, list after list."""
        scores = self.fold(y_pred)
        margin = scores[:, :1] - scores[:, 1:]
        return tf.reduce_mean(tf.nn.relu(1.0 - margin), axis=-1)


@keras.saving.register_keras_serializable(package="recsearch")
class SampledSoftmax(ListLoss):
    """-log softmax of the positive among itself and its negatives, corrected for the sampling.

    Each negative's score is lowered by log(k q); k q is the expected number of its draws. So the
    denominator estimates, without bias, the sum over the positive and all items that the user has
    not seen.

    Source: Bengio and Senecal 2008, "Adaptive importance sampling to accelerate training of a
    neural probabilistic language model"; Jean et al. 2015 (arXiv 1412.2007), equation 7, with the
    positive kept out of the draws.

    Args:
        num_negatives: k, as in the recommender's `Negatives(k, with_expected=True)`.
        **kwargs: As for every Keras loss.
    """

    needs_expected = True

    def __init__(self, num_negatives: int, name: str = "sampled_softmax", **kwargs: Any) -> None:
        super().__init__(num_negatives, name=name, **kwargs)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns one loss per positive, [B].

        Args:
            y_true: [B * (1 + k), 2] with log(k q) in the second column, 0 for the positive.
            y_pred: Scores (logits) of the pairs, list after list.
        """
        logits = self.fold(y_pred) - self.fold(y_true[:, 1])
        return tf.reduce_logsumexp(logits, axis=-1) - logits[:, 0]


@keras.saving.register_keras_serializable(package="recsearch")
class Multinomial(keras.losses.Loss):
    """-log likelihood of a user's items under a softmax over the catalogue, per item.

    L_u = sum over the user's items i of -log softmax(s_u)_i. The mean over a batch is the sum
    of L_u over its users, divided by the number of their items: it does not grow with their
    activity, so that penalties mean the same for all data sets. Items may have weights, which are
    then summed in place of the number of items.

    Source: Liang et al. 2018, "Variational Autoencoders for Collaborative Filtering" (arXiv
    1802.05814), equation 2, divided as described.
    """

    def __init__(self, name: str = "multinomial", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns one loss per user, [B].

        Args:
            y_true: [B, N], 1, or the weight, at the items of the user.
            y_pred: [B, N] scores (logits).
        """
        size = tf.reduce_sum(y_true, axis=-1)
        likelihood = tf.reduce_sum(y_true * y_pred, axis=-1)
        likelihood -= size * tf.reduce_logsumexp(y_pred, axis=-1)
        return -likelihood / tf.maximum(tf.reduce_mean(size), 1.0)


@keras.saving.register_keras_serializable(package="recsearch")
class ObservedSquaredError(keras.losses.Loss):
    """Squared error of the known labels of a user's whole bag.

    The mean over a batch is the mean squared error over the labels of the batch.

    Source: Sedhain et al. 2015, "AutoRec: Autoencoders Meet Collaborative Filtering", equation 3
    without the regulariser.
    """

    def __init__(self, name: str = "observed_squared_error", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns one loss per user, [B].

        Args:
            y_true: [B, N] labels, NaN where there is none.
            y_pred: [B, N] predictions.
        """
        missing = tf.math.is_nan(y_true)
        error = tf.where(missing, tf.zeros_like(y_pred), y_pred - y_true)
        count = tf.reduce_sum(tf.cast(~missing, y_pred.dtype), axis=-1)
        return tf.reduce_sum(tf.square(error), axis=-1) / tf.maximum(tf.reduce_mean(count), 1.0)
