"""Epochs of training examples, over arrays that all trials of a process share.

One epoch is a dataset of chunks; a chunk holds the examples of several batches, gathered at once
from arrays that are mapped from disk, so that the cost of a hand-over is paid once for many steps.
Negatives are sampled inside the graph, afresh in each epoch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from recsearch.data.preparation import PreparedData
from recsearch.nn.recommender import Bags, ExampleKind, Negatives
from recsearch.pipeline.examples import (
    Batch,
    CutHistories,
    Examples,
    LabelledPairs,
    PositivesWithNegatives,
    UsersWithBags,
)
from recsearch.pipeline.feed import Feed
from recsearch.pipeline.mapped import as_tensor
from recsearch.pipeline.negatives import NegativeSampler, popularity_weights

BATCHES_PER_CHUNK = 32

Step = Callable[[Batch], object]


class Pipeline:
    """The arrays of one run inside one process, made once and shared by all its trials.

    Args:
        data: The prepared arrays.
    """

    def __init__(self, data: PreparedData) -> None:
        self.data = data
        self.feed = Feed(data)
        self.user = as_tensor(data.train.user)
        self.item = as_tensor(data.train.item)
        self.label = as_tensor(data.train.label)
        self._samplers: dict[float, NegativeSampler] = {}

    def sampler(self, popularity: float = 0.0) -> NegativeSampler:
        """Returns the sampler of negatives by popularity^exponent; made once for each exponent."""
        if popularity not in self._samplers:
            num_items = self.data.spec.num_items
            weights = None
            if popularity:
                weights = popularity_weights(self.data.train.item, num_items, popularity)
            self._samplers[popularity] = NegativeSampler.of(self.data.seen, num_items, weights)
        return self._samplers[popularity]

    @cached_property
    def rows_with_negatives(self) -> NDArray[np.int64]:
        """Rows whose user has an unseen item left: others have nothing to be compared with."""
        unseen = self.data.spec.num_items - 1 - self.data.seen.counts()
        return np.flatnonzero(unseen[self.data.train.user] > 0)

    def examples(self, kind: ExampleKind) -> Examples:
        """Returns the training examples of a kind.

        Made eagerly, before a graph is traced: a tensor made there would belong to that graph.
        """
        if isinstance(kind, Negatives):
            return PositivesWithNegatives(
                self.user,
                self.item,
                self.rows_with_negatives,
                self.sampler(kind.popularity),
                kind.num_negatives,
                kind.with_expected,
            )
        if isinstance(kind, Bags):
            data = self.data
            counts = data.seen.counts()
            if kind.half_life is not None:
                return CutHistories(self.feed.bags, counts, kind.half_life)
            return UsersWithBags(self.feed.bags, counts, data.spec.task)
        return LabelledPairs(self.user, self.item, self.label)

    def training(self, kind: ExampleKind, batch_size: int, seed: int) -> "Training":
        """Returns the training examples of one trial."""
        return Training(self.feed, self.examples(kind), batch_size, seed)


@dataclass(frozen=True)
class Training:
    """Training examples of one recommender, epoch after epoch.

    Attributes:
        feed: Assembles a model's inputs.
        examples: How examples are made.
        batch_size: Units a step: interactions (positives), or users with their bags.
        seed: Seeds the order, the negatives and the cuts, together with the epoch.
    """

    feed: Feed
    examples: Examples
    batch_size: int
    seed: int

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Returns the order of the units in this epoch (from 0), [n]: a permutation."""
        rng = np.random.default_rng([self.seed, epoch])
        return rng.permutation(self.examples.units)

    def chunks(self, order: tf.Tensor, epoch: tf.Tensor) -> tf.data.Dataset:
        """Returns the epoch as a dataset of chunks, as the kind of examples gathers them.

        Args:
            order: [n] int64, from `order`.
            epoch: Scalar int32; together with the seed it fixes negatives and cuts.
        """
        size = self.batch_size * BATCHES_PER_CHUNK
        count = tf.size(order, out_type=tf.int64)
        # (seed, epoch) names a stream of random numbers, `begin` a place in it.
        stream = tf.stack([tf.constant(self.seed % 2**31, tf.int32), epoch])

        def gather(begin: tf.Tensor) -> tuple[tf.Tensor, ...]:
            place = tf.random.experimental.stateless_fold_in(stream, tf.cast(begin, tf.int32))
            return self.examples.gather(order[begin : tf.minimum(begin + size, count)], place)

        chunks = tf.data.Dataset.range(0, count, size).map(gather).prefetch(2)
        return chunks.with_options(_not_rewritten())

    def for_each_batch(self, order: tf.Tensor, epoch: tf.Tensor, step: Step) -> None:
        """Calls `step(batch)` for every batch of an epoch, inside a graph or eagerly.

        One flat loop that carries the running chunk along: a loop of batches within a loop of
        chunks takes twice as long to trace, and each trial is traced anew.

        Args:
            order: [n] int64, from `order`.
            epoch: Scalar int32.
            step: Takes a batch, as the kind of examples makes it.
        """
        chunks = iter(self.chunks(order, epoch))
        count = (tf.size(order) + self.batch_size - 1) // self.batch_size

        def body(number: tf.Tensor, *chunk: tf.Tensor) -> tuple[tf.Tensor, ...]:
            place = number % BATCHES_PER_CHUNK
            chunk = tf.cond(place == 0, lambda: tuple(next(chunks)), lambda: chunk)
            begin = place * self.batch_size
            part = (array[begin : begin + self.batch_size] for array in chunk)
            step(self.examples.batch(*part))
            return number + 1, *chunk

        specs = chunks.element_spec
        nothing_yet = [tf.zeros([0, *spec.shape[1:]], spec.dtype) for spec in specs]
        tf.while_loop(
            lambda number, *_: number < count,
            body,
            [tf.constant(0), *nothing_yet],
            shape_invariants=[tf.TensorShape([]), *(spec.shape for spec in specs)],
            parallel_iterations=1,
        )


def _not_rewritten() -> tf.data.Options:
    """Returns the options by which a dataset runs as it was written.

    To rewrite it, TensorFlow would copy every array that a chunk is gathered from.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    return options
