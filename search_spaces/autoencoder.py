"""An autoencoder of a user's bag of items: denoising or variational; AutoRec for ratings.

Implicit data: Liang et al. 2018, "Variational Autoencoders for Collaborative Filtering" (arXiv
1802.05814). The bag is scaled to length 1, dropout is applied, tanh layers encode it, and the
decoder ends in a softmax over the catalogue. With `variational` the model is Mult-VAE, with a
sampled code and a KL term that is annealed up to `kl_weight`; without, it is Mult-DAE. With
`recency` (implicit data with timestamps) it predicts later items from a bag that gives more weight
to the latest items.

Ratings and clicks: Sedhain et al. 2015, "AutoRec: Autoencoders Meet Collaborative Filtering", the
user-based variant (U-AutoRec), on the differences from the mean label; for clicks the loss is the
squared error (Brier score).
"""

from dataclasses import replace
from typing import Any

from keras import Input, Model, initializers, layers, regularizers
from keras_tuner import HyperParameters

from recsearch.data.task import Task
from recsearch.data.vocabulary import DataSpec
from recsearch.nn import (
    BAG_LABELS,
    ByteDropout,
    GaussianCode,
    Recommender,
    bag_inputs,
    compile_recommender,
    mean_target,
    read_bag_training,
    read_half_life,
)


def build(hp: HyperParameters, data: DataSpec) -> Recommender:
    """Returns the recommender: encoder, code and decoder over the items of a user."""
    half_life = read_half_life(hp, data)
    inputs, bag = bag_inputs(data, half_life)
    if data.task is Task.IMPLICIT:
        scores = _reconstruct(hp, data, bag, half_life)
    else:
        labels = Input((data.num_items,), dtype="float32", name=BAG_LABELS)
        inputs, scores = [bag, labels], _autorec(hp, data, bag, labels)
    training = replace(read_bag_training(hp, data, learning_rate=2e-3), half_life=half_life)
    return compile_recommender(Model(inputs, scores, name="autoencoder"), training, data)


def _reconstruct(hp: HyperParameters, data: DataSpec, bag: Any, half_life: float | None) -> Any:
    """Returns scores [B, N] of a bag [B, N]."""
    dim = hp.Int("embedding_dim", 32, 256, step=2, sampling="log", default=128)
    hidden = hp.Choice("hidden_units", [0, 256, 512, 1024])
    l2 = _read_l2(hp)
    x = layers.UnitNormalization()(bag)
    x = ByteDropout(hp.Float("dropout", 0.0, 0.75, step=0.125, default=0.5))(x)
    if hidden:
        x = layers.Dense(hidden, "tanh", kernel_regularizer=l2)(x)
    code = _code(hp, data, x, dim, l2, half_life)
    if hidden:
        code = layers.Dense(hidden, "tanh", kernel_regularizer=l2)(code)
    return layers.Dense(data.num_items, kernel_regularizer=l2)(code)


def _code(
    hp: HyperParameters, data: DataSpec, x: Any, dim: int, l2: Any, half_life: float | None
) -> Any:
    variational = hp.Boolean("variational")
    with hp.conditional_scope("variational", [True]):
        kl_weight = hp.Float("kl_weight", 0.02, 1.0, sampling="log", default=0.2)
        anneal_epochs = hp.Int("kl_anneal_epochs", 1, 30, sampling="log", default=10)
    mean = layers.Dense(dim, kernel_regularizer=l2)(x)
    if not variational:
        return mean
    # `Multinomial` divides the loss by the mean sum of a target, so the KL weight is divided by the
    # same number.
    target = data.num_interactions / data.num_users
    if half_life is not None:
        target = mean_target(target, half_life)
    code = GaussianCode(kl_weight / target, anneal_samples=anneal_epochs * data.num_users)
    return code([mean, layers.Dense(dim, kernel_regularizer=l2)(x)])


def _autorec(hp: HyperParameters, data: DataSpec, bag: Any, labels: Any) -> Any:
    """Returns predicted labels [B, N] of a bag and its labels, [B, N] each."""
    hidden = hp.Choice("hidden_units", [128, 256, 512, 1024], default=512)
    l2 = _read_l2(hp)
    differences = layers.Multiply()([bag, layers.Rescaling(1.0, offset=-data.label_mean)(labels)])
    x = ByteDropout(hp.Float("dropout", 0.0, 0.75, step=0.125, default=0.5))(differences)
    code = layers.Dense(hidden, "sigmoid", kernel_regularizer=l2)(x)
    # Small, so that the sigmoid code starts near 1/2 and the output near the mean.
    small = initializers.RandomNormal(stddev=0.01)
    scores = layers.Dense(data.num_items, kernel_initializer=small, kernel_regularizer=l2)(code)
    if data.task is Task.CLICK:
        return layers.Activation("sigmoid", name="probability")(scores)
    return layers.Rescaling(1.0, offset=data.label_mean, name="rating")(scores)


def _read_l2(hp: HyperParameters) -> Any:
    return regularizers.L2(hp.Float("l2", 1e-7, 1e-2, sampling="log", default=1e-5))
