"""Epochs of training examples, over arrays that all trials of a process share.

One epoch is a dataset of chunks; a chunk contains the examples of several batches, gathered at once
from arrays that are mapped from disk, so that the cost of a chunk is shared by many steps.
Negatives are sampled inside the graph, again in each epoch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from recsearch.contract.kinds import Batch, BoundExamples, BoundInput
from recsearch.contract.mapped import as_tensor
from recsearch.contract.recommender import ExampleKind
from recsearch.data.preparation import PreparedData
from recsearch.pipeline.feed import Feed

BATCHES_PER_CHUNK = 32

T = TypeVar("T")

Step = Callable[[Batch], object]


class Pipeline:
    """The arrays of one run inside one process, created once and shared by all its trials.

    Args:
        data: The prepared arrays.

    Attributes:
        data: The same.
        feed: Assembles a model's inputs.
        user: [n] int32: users of the training interactions.
        item: [n] int32: their items.
        label: [n] float32: their labels.
    """

    def __init__(self, data: PreparedData) -> None:
        self.data = data
        self.feed = Feed(data)
        self.user = as_tensor(data.train.user)
        self.item = as_tensor(data.train.item)
        self.label = as_tensor(data.train.label)
        self._made: dict[tuple[object, ...], Any] = {}

    def bound(self, name: str) -> BoundInput:
        """Returns the bound input that computes the input `name`."""
        return self.feed.bound(name)

    def once(self, key: tuple[object, ...], make: Callable[[], T]) -> T:
        """Returns `make()`, which is called once per key."""
        if key not in self._made:
            self._made[key] = make()
        made: T = self._made[key]
        return made

    def training(self, kind: ExampleKind, batch_size: int, seed: int) -> "Training":
        """Returns the training examples of one trial.

        Created eagerly, before a graph is traced: a tensor created there would belong to that
        graph.
        """
        return Training(self.feed, kind.bind(self), batch_size, seed)


@dataclass(frozen=True)
class Training:
    """Training examples of one recommender, epoch by epoch.

    Attributes:
        feed: Assembles a model's inputs.
        examples: The examples.
        batch_size: Units per step: interactions (positives), or users.
        seed: Seeds the order, the negatives and the cuts, together with the epoch.
    """

    feed: Feed
    examples: BoundExamples
    batch_size: int
    seed: int

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Returns the units of this epoch (from 0) in the order of training, [n]."""
        return self.examples.order(np.random.default_rng([self.seed, epoch]))

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
        chunks takes twice as long to trace, and each trial is traced again.

        Args:
            order: [n] int64, from `order`.
            epoch: Scalar int32.
            step: Called with each batch.
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
