"""How a model of the built-in spaces is trained: optimizer, loss and examples, from `hp`.

A space of your own may use these functions or not.
"""

from dataclasses import dataclass, replace
from typing import Any

import keras
import keras_tuner

from recsearch.contract.examples import Bags, Negatives, Pairs
from recsearch.contract.recommender import ExampleKind, Pretraining, Recommender
from recsearch.data.task import Task
from recsearch.data.vocabulary import DataSpec
from recsearch.errors import SpaceError
from recsearch.nn.losses import (
    BPR,
    Multinomial,
    ObservedSquaredError,
    PairwiseHinge,
    SampledSoftmax,
)
from recsearch.nn.optimizers import make_optimizer

LARGE_DATA = 300_000  # from this number of interactions on, larger batches
MANY_USERS = 4_000  # from this number of users on, larger batches of users
MAX_SOFTMAX_ITEMS = 100_000  # 512 users and their scores of all items: 200 MB, a few times over
POPULARITY = 0.75  # exponent of "popularity"; Mikolov et al. 2013 (arXiv 1310.4546), section 2.2

MAX_CELLS_PER_LABEL = 100  # a whole bag costs as much as its row of the matrix: not worth more

PAIR_LOSSES = {
    Task.RATING: ("mse", "huber"),
    Task.CLICK: ("bce",),
    Task.IMPLICIT: ("bce", "bpr", "hinge", "sampled_softmax"),
}
BAG_LOSSES = {Task.RATING: "observed", Task.CLICK: "observed", Task.IMPLICIT: "multinomial"}


@dataclass(frozen=True)
class TrainingChoices:
    """How a model is trained: the values of the hyperparameters that all built-in spaces share.

    Attributes:
        optimizer: adam, rmsprop or sgd.
        learning_rate: Its step size.
        batch_size: Interactions (positives), or users with their bags, per step.
        loss: One of `PAIR_LOSSES` or `BAG_LOSSES` of the task.
        num_negatives: Negatives of each positive; None unless the loss compares with negatives.
        negatives: How they are drawn: "uniform" or "popularity".
        half_life: Of `Bags`, or None.
    """

    optimizer: str
    learning_rate: float
    batch_size: int
    loss: str
    num_negatives: int | None = None
    negatives: str = "uniform"
    half_life: float | None = None

    @property
    def examples(self) -> ExampleKind:
        """The examples that the loss is compatible with."""
        if self.loss in BAG_LOSSES.values():
            return Bags(self.half_life)
        if self.num_negatives is None:
            return Pairs()
        return Negatives(
            self.num_negatives,
            popularity=POPULARITY if self.negatives == "popularity" else 0.0,
            with_expected=self.loss == "sampled_softmax",
        )


def read_training(
    hp: keras_tuner.HyperParameters,
    data: DataSpec,
    learning_rate: float = 3e-3,
    *,
    whole_bags: bool = False,
) -> TrainingChoices:
    """Returns how to train a model that scores pairs, from `hp`.

    Hyperparameters: `optimizer`, `learning_rate` (adam, rmsprop) or `sgd_learning_rate` (sgd does
    not rescale its steps, so it has a range of its own), `loss` (except for clicks), `batch_size`;
    for implicit data `num_negatives` and `negatives`.

    Args:
        hp: The hyperparameters.
        data: The data.
        learning_rate: The default of adam and rmsprop.
        whole_bags: Whether the model can also score a whole catalogue. Then `loss` may also be that
            of complete bags, with `users_per_batch`, unless the data are too large or sparse.
    """
    optimizer, rate = _read_optimizer(hp, learning_rate)
    bag_loss = [BAG_LOSSES[data.task]] if whole_bags and _suits_bags(data) else []
    losses = list(PAIR_LOSSES[data.task])
    implicit = data.task is Task.IMPLICIT
    # Where each loss can be had, the softmax over the catalogue gave the best rankings.
    choices = bag_loss + losses if implicit else losses + bag_loss
    loss = hp.Choice("loss", choices) if len(choices) > 1 else choices[0]
    if not bag_loss:
        return _read_pair_training(hp, data, optimizer, rate, loss)
    with hp.conditional_scope("loss", bag_loss):
        users_per_batch = _read_users_per_batch(hp, data)
    if loss in bag_loss:
        return TrainingChoices(optimizer, rate, users_per_batch, loss)
    with hp.conditional_scope("loss", losses):
        return _read_pair_training(hp, data, optimizer, rate, loss)


def _read_pair_training(
    hp: keras_tuner.HyperParameters, data: DataSpec, optimizer: str, rate: float, loss: str
) -> TrainingChoices:
    training = TrainingChoices(optimizer, rate, _read_batch_size(hp, data), loss)
    if data.task is not Task.IMPLICIT:
        return training
    return replace(
        training,
        num_negatives=hp.Int("num_negatives", 1, 10, default=4),
        negatives=hp.Choice("negatives", ["uniform", "popularity"]),
    )


def _suits_bags(data: DataSpec) -> bool:
    """Returns whether the scores of all users and items are few enough for each epoch."""
    cells = data.num_users * data.num_items
    if data.task is Task.IMPLICIT:
        return data.num_items <= MAX_SOFTMAX_ITEMS
    return data.num_items <= MAX_SOFTMAX_ITEMS and (
        cells <= MAX_CELLS_PER_LABEL * data.num_interactions
    )


def read_bag_training(
    hp: keras_tuner.HyperParameters, data: DataSpec, learning_rate: float = 3e-3
) -> TrainingChoices:
    """Returns how to train a model that scores the whole catalogue, from `hp`.

    Hyperparameters: `optimizer`, `learning_rate` or `sgd_learning_rate`, `users_per_batch`.

    Raises:
        SpaceError: If there are over 100,000 items.
    """
    if data.num_items > MAX_SOFTMAX_ITEMS:
        raise SpaceError(
            f"A model of the whole catalogue is for at most {MAX_SOFTMAX_ITEMS:,} items. These data"
            f" have {data.num_items:,}. Take a space that scores pairs, such as neumf."
        )
    optimizer, rate = _read_optimizer(hp, learning_rate)
    return TrainingChoices(optimizer, rate, _read_users_per_batch(hp, data), BAG_LOSSES[data.task])


def _read_optimizer(hp: keras_tuner.HyperParameters, default: float) -> tuple[str, float]:
    optimizer = hp.Choice("optimizer", ["adam", "rmsprop", "sgd"])
    with hp.conditional_scope("optimizer", ["adam", "rmsprop"]):
        adaptive = hp.Float("learning_rate", 1e-4, 3e-2, sampling="log", default=default)
    with hp.conditional_scope("optimizer", ["sgd"]):
        plain = hp.Float("sgd_learning_rate", 1e-2, 1.0, sampling="log", default=0.3)
    return optimizer, plain if optimizer == "sgd" else adaptive


def _read_batch_size(hp: keras_tuner.HyperParameters, data: DataSpec) -> int:
    large = data.num_interactions >= LARGE_DATA
    sizes = [128 * 2**power for power in range(7 if large else 5)]
    size: int = hp.Choice("batch_size", sizes, default=1024 if large else 256)
    return size


def _read_users_per_batch(hp: keras_tuner.HyperParameters, data: DataSpec) -> int:
    smallest = 128 if data.num_users >= MANY_USERS else 32
    size: int = hp.Choice("users_per_batch", [smallest, 2 * smallest, 4 * smallest])
    return size


def read_half_life(hp: keras_tuner.HyperParameters, data: DataSpec) -> float | None:
    """Returns the half-life of `Bags`, or None, for a model that reads `bag`.

    Hyperparameters, for implicit data with timestamps: `recency` and, with it, `half_life`.
    """
    if not data.has_ages:
        return None
    recency = hp.Boolean("recency")
    with hp.conditional_scope("recency", [True]):
        half_life: float = hp.Float("half_life", 1.0, 128.0, sampling="log", default=8.0)
    return half_life if recency else None


def compile_recommender(
    model: keras.Model,
    training: TrainingChoices,
    data: DataSpec,
    pretraining: Pretraining | None = None,
) -> Recommender:
    """Compiles a model with the optimizer and the loss that were chosen; returns the recommender.

    The output is a probability for clicks, and a logit for implicit data.
    """
    compile_model(model, training, data)
    return Recommender(model, training.examples, training.batch_size, pretraining)


def compile_model(model: keras.Model, training: TrainingChoices, data: DataSpec) -> None:
    """Compiles a model with the optimizer and the loss that were chosen."""
    optimizer = make_optimizer(training.optimizer, training.learning_rate)
    model.compile(optimizer, make_loss(training, data))


def make_loss(training: TrainingChoices, data: DataSpec) -> Any:
    """Returns the loss of that name, as Keras takes it."""
    if training.loss == "bce":
        return keras.losses.BinaryCrossentropy(from_logits=data.task is Task.IMPLICIT)
    by_lists = {"bpr": BPR, "hinge": PairwiseHinge, "sampled_softmax": SampledSoftmax}
    if training.num_negatives is not None:
        return by_lists[training.loss](training.num_negatives)
    return {
        "mse": keras.losses.MeanSquaredError,
        "huber": keras.losses.Huber,
        "multinomial": Multinomial,
        "observed": ObservedSquaredError,
    }[training.loss]()
