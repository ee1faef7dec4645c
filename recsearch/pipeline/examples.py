"""How the training examples of each kind are gathered, and how a batch of them meets the model.

Dimension letters: B batch, C examples of a chunk, k negatives of a positive, N items (with the
unknown 0).
"""

from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from recsearch.data.interactions import Task
from recsearch.pipeline.bags import BagTable
from recsearch.pipeline.negatives import NegativeSampler


class Batch(NamedTuple):
    """What a model is trained on at once.

    Attributes:
        user: [B] int32, or [B * (1 + k)] of flat pairs.
        item: Likewise.
        target: As the kind of examples tells.
        cut: [B] int32, where histories are cut, as in `BagTable`; None where they are not.
    """

    user: tf.Tensor
    item: tf.Tensor
    target: tf.Tensor
    cut: tf.Tensor | None = None


class Examples(Protocol):
    """One way of making training examples."""

    @property
    def units(self) -> NDArray[np.int64] | int:
        """What an epoch is a permutation of: [n] int64, or n for the numbers below it."""

    def gather(self, units: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns the examples of a chunk, arrays [C, ...].

        Args:
            units: [C] int64.
            seed: [2] int32, of this chunk alone.
        """

    def batch(self, *examples: tf.Tensor) -> Batch:
        """Returns what the model is trained on, of the examples of a batch [B, ...]."""


class LabelledPairs:
    """A unit is a row of the training part: user [B], item [B], label [B]."""

    def __init__(self, user: tf.Tensor, item: tf.Tensor, label: tf.Tensor) -> None:
        self.arrays = (user, item, label)
        self.units: NDArray[np.int64] | int = int(user.shape[0])

    def gather(self, units: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns the rows."""
        return tuple(tf.gather(array, units) for array in self.arrays)

    def batch(self, *examples: tf.Tensor) -> Batch:
        """Returns the rows as they are."""
        return Batch(*examples)


class PositivesWithNegatives:
    """A unit is a row of the training part: flat pairs [B * (1 + k)], the positive of a list first.

    The target is 1 for the positive and 0 for its negatives; with `with_expected` it is
    [B * (1 + k), 2], and its second column holds log(k q), the logarithm of how often a negative is
    expected among the k draws (0 for the positive).

    Args:
        user: [n] int32, the users of the training part.
        item: [n] int32, its items.
        units: Rows whose user has an unseen item: others have nothing to be compared with.
        sampler: Draws the negatives.
        num_negatives: k.
        with_expected: Whether the target has the second column.
    """

    def __init__(
        self,
        user: tf.Tensor,
        item: tf.Tensor,
        units: NDArray[np.int64],
        sampler: NegativeSampler,
        num_negatives: int,
        with_expected: bool,
    ) -> None:
        self.user = user
        self.item = item
        self.units: NDArray[np.int64] | int = units
        self.sampler = sampler
        self.num_negatives = num_negatives
        self.with_expected = with_expected

    def gather(self, units: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns user [C], item [C, 1 + k] and, if wanted, expected [C, 1 + k]."""
        user = tf.gather(self.user, units)
        positive = tf.gather(self.item, units)[:, tf.newaxis]
        drawn = self.sampler.sample(user, self.num_negatives, seed)
        item = tf.concat([positive, drawn.item], axis=1)
        if not self.with_expected:
            return user, item
        return user, item, tf.pad(tf.math.log(drawn.expected), [[0, 0], [1, 0]])

    def batch(self, *examples: tf.Tensor) -> Batch:
        """Returns the lists as flat pairs."""
        user, item, *log_expected = examples
        width = 1 + self.num_negatives
        first = tf.one_hot(tf.zeros_like(user), width)
        target = tf.reshape(first, [-1])
        if log_expected:
            target = tf.reshape(tf.stack([first, *log_expected], axis=-1), [-1, 2])
        return Batch(tf.repeat(user, width), tf.reshape(item, [-1]), target)


class UsersWithBags:
    """A unit is a user with a training item: user [B], and a target [B, N] of all his items.

    For implicit data the target is 1 at the items of the bag and else 0; for ratings and clicks it
    is their label and else NaN.

    Args:
        bags: The bags.
        counts: [num_users] items of each user.
        task: What the labels mean.
    """

    def __init__(self, bags: BagTable, counts: NDArray[np.int64], task: Task) -> None:
        self.bags = bags
        self.units: NDArray[np.int64] | int = np.flatnonzero(counts > 0)
        self.task = task

    def gather(self, units: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns the users [C]; their bags are too wide to be handed over."""
        return (tf.cast(units, tf.int32),)

    def batch(self, *examples: tf.Tensor) -> Batch:
        """Returns the users and their bags; there is no item input that an item could go to."""
        (user,) = examples
        implicit = self.task is Task.IMPLICIT
        target = self.bags.multi_hot(user) if implicit else self.bags.labels_or(np.nan, user)
        return Batch(user, tf.zeros_like(user), target)


class CutHistories:
    """A unit is a user with two training items or more, whose history is cut at a drawn place.

    The target [B, N] is the weight of the items after the cut, and the model is to be fed with
    those before it.

    Args:
        bags: The bags, with ages.
        counts: [num_users] items of each user.
        half_life: Of the target, in items.
    """

    def __init__(self, bags: BagTable, counts: NDArray[np.int64], half_life: float) -> None:
        self.bags = bags
        self.units: NDArray[np.int64] | int = np.flatnonzero(counts > 1)
        self.half_life = half_life

    def gather(self, units: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns the users [C] and the places of their cuts, [C] in [0, 1)."""
        return tf.cast(units, tf.int32), tf.random.stateless_uniform(tf.shape(units), seed)

    def batch(self, *examples: tf.Tensor) -> Batch:
        """Returns the users, no items, what follows the cuts, and the cuts."""
        user, place = examples
        cut = self.bags.cut(user, place)
        target = self.bags.following(user, cut, self.half_life)
        return Batch(user, tf.zeros_like(user), target, cut)
