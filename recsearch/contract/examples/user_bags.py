"""Examples `Bags`: users with all their training items.

Dimension letters: B batch, C examples of a chunk, N items (with the unknown 0).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from recsearch.contract.inputs import input_names, scores_pairs
from recsearch.contract.inputs.bag_input import BAG, BAG_LABELS, BagTable
from recsearch.contract.inputs.history_input import HISTORY
from recsearch.contract.kinds import Arrays, Batch, Rows
from recsearch.contract.recommender import Recommender
from recsearch.data.task import Task
from recsearch.data.vocabulary import DataSpec


@dataclass(frozen=True)
class Bags:
    """A user and all the user's training items, for a model without an item input.

    The output of the model is [B, num_items], and so is the target: for implicit data 1 at the
    items of the user and else 0 (`recsearch.nn.Multinomial`); for ratings and clicks the label, and
    NaN where there is none (`recsearch.nn.ObservedSquaredError`). The batch size counts users.

    With a half-life (implicit data with timestamps) the model learns what comes next. In each
    epoch, the history of each user with at least two items is cut at a random position. The inputs
    `bag` and `bag_age` contain the items before the cut, with ages counted from there; the n-th
    item after the cut (from 0) has target 2^(-n / half_life). For scoring, the model receives
    complete bags.

    Attributes:
        half_life: In items of the user, above 0; None for complete bags.
    """

    half_life: float | None = None

    @classmethod
    def implied(
        cls, model: keras.Model, spec: DataSpec, values: Mapping[str, Any]
    ) -> "Bags | None":
        """Returns complete bags for a model without an item input."""
        return None if scores_pairs(model) else cls()

    def misfit(self, recommender: Recommender, spec: DataSpec) -> str | None:
        """Returns a reason if the model has an item input, or if nothing can be cut."""
        if scores_pairs(recommender.to_train):
            return (
                "A model with an item input scores pairs; it cannot be trained on Bags. Remove the "
                "item input and let the output be [batch, num_items], or use Pairs or Negatives."
            )
        outputs = [tuple(tensor.shape[1:]) for tensor in recommender.to_train.outputs]
        if recommender.trained is not None and outputs != [(spec.num_items,)]:
            return (
                f"Bags train a model that scores all items: an output of shape [batch, "
                f"{spec.num_items}] was expected. Received: "
                f"{[list(tensor.shape) for tensor in recommender.trained.outputs]}."
            )
        if self.half_life is None:
            return None
        return _misfit_of_half_life(recommender.to_train, self.half_life, spec)

    def bind(self, arrays: Arrays) -> "UsersWithBags | CutHistories":
        """Returns the users of the training part, with complete or cut bags."""
        bags, counts = arrays.bound(BAG), arrays.data.seen.counts()
        if self.half_life is not None:
            return CutHistories(bags, counts, self.half_life)
        return UsersWithBags(bags, counts, arrays.data.spec.task)


def _misfit_of_half_life(model: keras.Model, half_life: float, spec: DataSpec) -> str | None:
    if not spec.has_ages:
        return (
            "Bags with a half-life need the order of a user's items, which only implicit data with "
            f"timestamps have. Received: half_life={half_life}. Leave it out unless data.has_ages."
        )
    names = input_names(model)
    if BAG not in names or {BAG_LABELS, HISTORY}.intersection(names):
        return (
            f"Bags(half_life=...) cuts bags: an input named {BAG} was expected, and no input named "
            f"{BAG_LABELS} or {HISTORY}, which would contain items after the cut. "
            f"Received: {', '.join(names)}."
        )
    if not half_life > 0:
        return f"The half-life of Bags must be above 0. Received: {half_life}."
    return None


class UsersWithBags:
    """A unit is a user with a training item: user [B], and a target [B, N] of all the user's items.

    For implicit data the target is 1 at the items of the bag and else 0; for ratings and clicks it
    is their label and else NaN.

    Args:
        bags: The bags.
        counts: [num_users] items of each user.
        task: What the labels mean.
    """

    def __init__(self, bags: BagTable, counts: NDArray[np.int64], task: Task) -> None:
        self.bags = bags
        self.units = np.flatnonzero(counts > 0)
        self.task = task

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Returns a permutation of the users."""
        return rng.permutation(self.units)

    def gather(self, units: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns the users [C].

        `batch` computes their bags, because a chunk of bags would need too much memory.
        """
        return (tf.cast(units, tf.int32),)

    def batch(self, *examples: tf.Tensor) -> Batch:
        """Returns the users and their bags; the items are 0, since there is no item input."""
        (user,) = examples
        implicit = self.task is Task.IMPLICIT
        target = self.bags.multi_hot(user) if implicit else self.bags.labels_or(np.nan, user)
        return Batch(Rows(user, tf.zeros_like(user)), target)


class CutHistories:
    """A unit is a user with at least two training items; the history is cut at a random position.

    The target [B, N] contains the weights of the items after the cut; the inputs contain the items
    before it.

    Args:
        bags: The bags, with ages.
        counts: [num_users] items of each user.
        half_life: Of the target, in items.
    """

    def __init__(self, bags: BagTable, counts: NDArray[np.int64], half_life: float) -> None:
        self.bags = bags
        self.units = np.flatnonzero(counts > 1)
        self.half_life = half_life

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Returns a permutation of the users."""
        return rng.permutation(self.units)

    def gather(self, units: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns the users [C] and the relative positions of their cuts, [C] in [0, 1)."""
        return tf.cast(units, tf.int32), tf.random.stateless_uniform(tf.shape(units), seed)

    def batch(self, *examples: tf.Tensor) -> Batch:
        """Returns the users with their cuts, and the weights of the items after the cuts."""
        user, place = examples
        cut = self.bags.cut(user, place)
        target = self.bags.following(user, cut, self.half_life)
        return Batch(Rows(user, tf.zeros_like(user), cut), target)
