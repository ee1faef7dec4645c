"""Matrix factorisation: score(u, i) = b_u + b_i + p_u . q_i (plus the mean label for ratings).

Koren, Bell, Volinsky 2009, "Matrix Factorization Techniques for Recommender Systems", equation 5.
There is no global bias: ratings use the mean label, and for the other tasks it does not change the
ranking.

The loss is a hyperparameter. Two losses train on each user's complete bag of items at once:
"multinomial" (implicit data) with a softmax over the catalogue (Liang et al. 2018, arXiv
1802.05814, here with a user vector in place of the encoder and without b_u, which does not change a
softmax), and "observed" (ratings) with the squared errors of all labels of the user. With these
losses, `implicit_feedback` adds the items that the user has interacted with to the user's vector,
whatever their labels: p_u + |N(u)|^-1/2 sum of y_j over the user's items j, which is SVD++ (Koren
2008, "Factorization Meets the Neighborhood", equation 15), with dropout of items. For the softmax,
`similarity` can also be the cosine of both vectors, divided by a temperature, without biases (Wu et
al. 2022, arXiv 2201.02327), which is better for sparse data. With `recency` (implicit data with
timestamps, implicit feedback), the latest items have more weight in the sum (after Ding and Li
2005, "Time weight collaborative filtering"), and the model learns to predict the items after a
random cut of a user's history.
"""

from dataclasses import dataclass, replace
from typing import Any

from keras import Model, initializers, layers, regularizers
from keras_tuner import HyperParameters

from recsearch.data.task import Task
from recsearch.data.vocabulary import DataSpec
from recsearch.nn import (
    Bags,
    ByteDropout,
    CosineScores,
    Embedding,
    Recommender,
    bag_inputs,
    biases,
    compile_recommender,
    id_inputs,
    read_half_life,
    read_training,
    task_output,
)

NAME = "matrix_factorization"
DEFAULT_L2 = {Task.RATING: 0.06}  # squared errors are larger than log losses


def build(hp: HyperParameters, data: DataSpec) -> Recommender:
    """Returns the recommender: two tables of vectors and their biases, joined by a dot product."""
    implicit = data.task is Task.IMPLICIT
    dim = hp.Int("embedding_dim", 4, 512 if implicit else 128, step=2, sampling="log", default=32)
    l2 = hp.Float("l2", 1e-5, 1.0, sampling="log", default=DEFAULT_L2.get(data.task, 1e-3))
    dropout = hp.Float("dropout", 0.0, 0.75, step=0.125, default=0.0)
    training = read_training(hp, data, learning_rate=6e-3, whole_bags=True)
    if not isinstance(training.examples, Bags):
        return compile_recommender(_of_pairs(data, dim, l2, dropout), training, data)
    with hp.conditional_scope("loss", [training.loss]):
        feedback = _read_feedback(hp, data)
        temperature = _read_temperature(hp) if implicit else None
    model = _of_catalogue(data, dim, l2, dropout, feedback, temperature)
    if feedback is not None:
        training = replace(training, half_life=feedback.half_life)
    return compile_recommender(model, training, data)


@dataclass(frozen=True)
class _Feedback:
    """Implicit feedback: the dropout of a user's items, and their half-life or None."""

    dropout: float
    half_life: float | None


def _read_feedback(hp: HyperParameters, data: DataSpec) -> _Feedback | None:
    """Returns the choices for implicit feedback, or None if it is off."""
    feedback = hp.Boolean("implicit_feedback")
    with hp.conditional_scope("implicit_feedback", [True]):
        dropout = hp.Float("bag_dropout", 0.0, 0.75, step=0.125, default=0.5)
        half_life = read_half_life(hp, data)
    return _Feedback(dropout, half_life) if feedback else None


def _read_temperature(hp: HyperParameters) -> float | None:
    """Returns the temperature of cosines, or None for the dot product."""
    similarity = hp.Choice("similarity", ["dot", "cosine"])
    with hp.conditional_scope("similarity", ["cosine"]):
        temperature: float = hp.Float("temperature", 0.05, 0.5, sampling="log", default=0.12)
    return temperature if similarity == "cosine" else None


def _of_pairs(data: DataSpec, dim: int, l2: float, dropout: float) -> Model:
    user, item = id_inputs()
    user_vector = Embedding(data.num_users, dim, l2=l2, name="user_vector")(user)
    item_vector = Embedding(data.num_items, dim, l2=l2, name="item_vector")(item)
    score = layers.Add()(
        [
            layers.Dot(axes=-1)([ByteDropout(dropout)(user_vector), item_vector]),
            *biases(data, user, item, l2),
        ]
    )
    return Model([user, item], task_output(data, score), name=NAME)


def _of_catalogue(
    data: DataSpec,
    dim: int,
    l2: float,
    dropout: float,
    feedback: _Feedback | None,
    temperature: float | None,
) -> Model:
    user, _ = id_inputs()
    # A mean over all items; the penalty of the user table is a mean over the users of the batch.
    item_l2 = regularizers.L2(l2 / data.num_items)
    inputs = [user]
    # For cosines only directions matter: longer initial vectors change direction more steadily.
    own, added = (0.05, 0.01) if temperature is None else (0.1, 0.1)
    user_vector = Embedding(data.num_users, dim, own, l2=l2, name="user_vector")(user)
    if feedback is not None:
        of_bag, bag = bag_inputs(data, feedback.half_life)
        inputs += of_bag
        user_vector += _feedback_vector(bag, dim, feedback.dropout, item_l2, added)
    user_vector = ByteDropout(dropout)(user_vector)
    if temperature is not None:
        return Model(inputs, CosineScores(data.num_items, temperature)(user_vector), name=NAME)
    score = layers.Dense(
        data.num_items,
        kernel_initializer=initializers.RandomNormal(stddev=0.05),
        kernel_regularizer=item_l2,
        name="item_vector_and_bias",
    )(user_vector)
    if data.task is not Task.IMPLICIT:
        score += Embedding(data.num_users, 1, "zeros", l2=l2, name="user_bias")(user)
    return Model(inputs, task_output(data, score), name=NAME)


def _feedback_vector(bag: Any, dim: int, dropout: float, l2: Any, stddev: float) -> Any:
    """Returns the normalised sum [B, dim] of the vectors y_j of the items in a bag [B, N]."""
    return layers.Dense(
        dim,
        use_bias=False,
        kernel_initializer=initializers.RandomNormal(stddev=stddev),
        kernel_regularizer=l2,
        name="feedback_vector",
    )(ByteDropout(dropout)(layers.UnitNormalization()(bag)))
