"""Examples `Negatives`: positives, each with sampled negatives.

Dimension letters: B batch, C examples of a chunk, k negatives of a positive, n training rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from recsearch.contract.examples.labelled_pairs import misfit_of_pairs
from recsearch.contract.examples.negative_sampler import NegativeSampler, popularity_weights
from recsearch.contract.inputs import scores_pairs
from recsearch.contract.kinds import Arrays, Batch, Rows
from recsearch.contract.recommender import Recommender
from recsearch.data.task import Task
from recsearch.data.vocabulary import DataSpec

DEFAULT_NUM_NEGATIVES = 4  # He et al. 2017 (NCF) found 3 to 6 best


@dataclass(frozen=True)
class Negatives:
    """Lists of one positive and `num_negatives` sampled negatives.

    The lists are concatenated to B * (1 + k) pairs.

    The target is 1 for the positive, which comes first, and 0 for its negatives. A loss that needs
    the lists folds them back (`recsearch.nn.BPR`, `recsearch.nn.Listwise`).

    Attributes:
        num_negatives: k, at least 1.
        popularity: Negatives are drawn in proportion to (interactions of the item)^popularity, from
            the items that the user has not seen: 0 draws uniformly.
        with_expected: Whether the target is [B * (1 + k), 2], with log(k q) in the second column:
            k q is the expected number of times that the negative is drawn
            (`recsearch.nn.SampledSoftmax`).
    """

    num_negatives: int = DEFAULT_NUM_NEGATIVES
    popularity: float = 0.0
    with_expected: bool = False

    @classmethod
    def implied(
        cls, model: keras.Model, spec: DataSpec, values: Mapping[str, Any]
    ) -> "Negatives | None":
        """Returns negatives for a model of pairs on implicit data.

        k is the hyperparameter `num_negatives`, if the builder has it.
        """
        if not scores_pairs(model) or spec.task is not Task.IMPLICIT:
            return None
        return cls(int(values.get("num_negatives", DEFAULT_NUM_NEGATIVES)))

    def misfit(self, recommender: Recommender, spec: DataSpec) -> str | None:
        """Returns a reason if the model has no item input."""
        return misfit_of_pairs(self, recommender)

    def bind(self, arrays: Arrays) -> "PositivesWithNegatives":
        """Returns the positives of the training part, with a sampler."""
        return PositivesWithNegatives(
            arrays.user,
            arrays.item,
            arrays.once(("rows with an unseen item",), lambda: _rows_with_unseen_item(arrays)),
            sampler(arrays, self.popularity),
            self.num_negatives,
            self.with_expected,
        )


def sampler(arrays: Arrays, popularity: float = 0.0) -> NegativeSampler:
    """Returns the sampler by popularity^exponent; created once per exponent and process."""

    def make() -> NegativeSampler:
        data, weights = arrays.data, None
        if popularity:
            weights = popularity_weights(data.train.item, data.spec.num_items, popularity)
        return NegativeSampler.of(data.seen, data.spec.num_items, weights)

    return arrays.once(("negative sampler", popularity), make)


def _rows_with_unseen_item(arrays: Arrays) -> NDArray[np.int64]:
    """Returns the rows whose user has an unseen item."""
    data = arrays.data
    unseen = data.spec.num_items - 1 - data.seen.counts()
    return np.flatnonzero(unseen[data.train.user] > 0)


class PositivesWithNegatives:
    """A unit is a row of the training part: flat pairs [B * (1 + k)], the positive of a list first.

    The target is 1 for the positive and 0 for its negatives; with `with_expected` it is
    [B * (1 + k), 2], with log(k q) in the second column, the logarithm of the expected number of
    times that a negative is drawn (0 for the positive).

    Args:
        user: [n] int32, the users of the training part.
        item: [n] int32, its items.
        units: Rows whose user has an unseen item; other rows have no negatives.
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
        self.units = units
        self.sampler = sampler
        self.num_negatives = num_negatives
        self.with_expected = with_expected

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Returns a permutation of the rows."""
        return rng.permutation(self.units)

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
        return Batch(Rows(tf.repeat(user, width), tf.reshape(item, [-1])), target)
