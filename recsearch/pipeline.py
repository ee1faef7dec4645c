"""The shared tf.data pipeline: from prepared arrays to batches, for every model and driver.

One epoch is a dataset of chunks; a chunk holds the examples of several batches, gathered at once
from arrays that stay in memory, so that the cost of a hand-over is paid once for many steps.
Negatives are sampled inside the graph, afresh in each epoch.

Dimension letters: B batch, C examples of a chunk, k negatives of a positive.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from recsearch.data.preparation import PreparedData, SeenItems
from recsearch.nn.recommender import Negatives, Pairs

BATCHES_A_CHUNK = 32

Step = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], object]


class Feed:
    """Assembles a model's inputs, by their names, from user and item indices.

    Args:
        features: Name of a model input -> array with one row a user or an item.
    """

    def __init__(self, features: dict[str, Any]) -> None:
        self.tables = {name: tf.constant(np.asarray(array)) for name, array in features.items()}

    def inputs(self, model: keras.Model, user: tf.Tensor, item: tf.Tensor) -> Any:
        """Returns the inputs of a functional model, in the structure that it was built with.

        Args:
            model: Its inputs are named `user_id`, `item_id`, `user_<column>`, `item_<column>`.
            user: [B] int32 indices.
            item: [B] int32 indices.
        """
        return keras.tree.map_structure(
            lambda tensor: self.input(tensor, user if tensor.name.startswith("user_") else item),
            model.input,
        )

    def input(self, tensor: Any, index: tf.Tensor) -> tf.Tensor:
        """Returns what one input takes for the users or items at `index` [B]."""
        name = tensor.name
        value = index if name in ("user_id", "item_id") else tf.gather(self.tables[name], index)
        value = tf.cast(value, tensor.dtype)
        if len(tensor.shape) > len(value.shape):  # declared as [B, 1] rather than [B]
            value = value[:, tf.newaxis]
        return value


@dataclass(frozen=True)
class NegativeSampler:
    """Draws items uniformly from those that a user has not seen in training, exactly.

    The r-th unseen item of a user (r from 0) is r plus the number of seen items before it. That
    number is found by binary search: the j-th seen item s_j has g_j = s_j - 1 - j unseen items
    before it (index 0 is no item), which never falls with j, so the count is the number of
    g_j <= r. One search over the keys user * num_items + g_j serves all users; nothing is rejected.

    Attributes:
        keys: [n] int64, ascending: user * num_items + g_j.
        offsets: [num_users + 1] int64: where each user's keys begin.
        num_items: Items, the unknown 0 included.
    """

    keys: tf.Tensor
    offsets: tf.Tensor
    num_items: int

    @classmethod
    def of(cls, seen: SeenItems, num_items: int) -> "NegativeSampler":
        """Returns the sampler for these training items."""
        counts = seen.counts()
        user = np.repeat(np.arange(len(counts)), counts)
        position = np.arange(len(seen.items)) - np.asarray(seen.offsets)[user]
        keys = user * num_items + (seen.items - 1 - position)
        return cls(tf.constant(keys, tf.int64), tf.constant(seen.offsets, tf.int64), num_items)

    def sample(self, user: tf.Tensor, num_negatives: int, seed: tf.Tensor) -> tf.Tensor:
        """Returns items [C, k] int32 for users [C] that have an unseen item left.

        Args:
            user: [C] int32.
            num_negatives: k.
            seed: [2] int32; the same seed gives the same items.
        """
        start = tf.gather(self.offsets, user)
        unseen = self.num_items - 1 - (tf.gather(self.offsets, user + 1) - start)
        fraction = tf.random.stateless_uniform(
            [tf.shape(user)[0], num_negatives], seed, dtype=tf.float64
        )
        rank = tf.cast(fraction * tf.cast(unseen, tf.float64)[:, tf.newaxis], tf.int64)
        wanted = tf.cast(user, tf.int64)[:, tf.newaxis] * self.num_items + rank
        found = tf.searchsorted(self.keys, tf.reshape(wanted, [-1]), "right", out_type=tf.int64)
        seen_before = tf.reshape(found, tf.shape(rank)) - start[:, tf.newaxis]
        return tf.cast(1 + rank + seen_before, tf.int32)


class Pipeline:
    """The arrays of one run inside one process, made once and shared by all its trials.

    Args:
        data: The prepared arrays.
    """

    def __init__(self, data: PreparedData) -> None:
        self.data = data
        self.feed = Feed(data.features)
        self.user = tf.constant(data.train.user)
        self.item = tf.constant(data.train.item)
        self.label = tf.constant(data.train.label)

    @cached_property
    def sampler(self) -> NegativeSampler:
        """The sampler of negatives; made when the first trial needs one."""
        return NegativeSampler.of(self.data.seen, self.data.spec.num_items)

    @cached_property
    def rows_with_negatives(self) -> NDArray[np.int64]:
        """Rows whose user has an unseen item left: others have nothing to be compared with."""
        unseen = self.data.spec.num_items - 1 - self.data.seen.counts()
        return np.flatnonzero(unseen[self.data.train.user] > 0)

    def training(self, examples: Pairs | Negatives, batch_size: int, seed: int) -> "Training":
        """Returns the training examples of one trial."""
        # Made here, eagerly: a tensor made while a graph is traced would belong to that graph.
        sampler = self.sampler if isinstance(examples, Negatives) else None
        return Training(self, examples, batch_size, seed, sampler)


@dataclass(frozen=True)
class Training:
    """Training examples of one recommender, epoch after epoch.

    Attributes:
        pipeline: Where the arrays are.
        examples: How examples are made.
        batch_size: Interactions (positives) a step.
        seed: Seeds the order and the negatives, together with the epoch.
        sampler: Draws the negatives; None for labelled pairs.
    """

    pipeline: Pipeline
    examples: Pairs | Negatives
    batch_size: int
    seed: int
    sampler: NegativeSampler | None = None

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Returns the order of the examples in this epoch (from 0): a permutation of the rows."""
        rng = np.random.default_rng([self.seed, epoch])
        if isinstance(self.examples, Negatives):
            return rng.permutation(self.pipeline.rows_with_negatives)
        return rng.permutation(len(self.pipeline.data.train))

    def chunks(self, order: tf.Tensor, epoch: tf.Tensor) -> tf.data.Dataset:
        """Returns the epoch as a dataset of chunks: (user [C], item [C] or [C, 1 + k], label [C]).

        Args:
            order: [n] int64, from `order`.
            epoch: Scalar int32; together with the seed it fixes the negatives.
        """
        size = self.batch_size * BATCHES_A_CHUNK
        count = tf.size(order, out_type=tf.int64)

        def gather(begin: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            rows = order[begin : tf.minimum(begin + size, count)]
            user = tf.gather(self.pipeline.user, rows)
            item = self._with_negatives(user, tf.gather(self.pipeline.item, rows), epoch, begin)
            return user, item, tf.gather(self.pipeline.label, rows)

        return tf.data.Dataset.range(0, count, size).map(gather).prefetch(2)

    def _with_negatives(
        self, user: tf.Tensor, item: tf.Tensor, epoch: tf.Tensor, begin: tf.Tensor
    ) -> tf.Tensor:
        if self.sampler is None or isinstance(self.examples, Pairs):
            return item
        # (seed, epoch) names a stream of random numbers, `begin` a place in it.
        stream = tf.stack([tf.constant(self.seed % 2**31, tf.int32), epoch])
        place = tf.random.experimental.stateless_fold_in(stream, tf.cast(begin, tf.int32))
        negatives = self.sampler.sample(user, self.examples.num_negatives, place)
        return tf.concat([item[:, tf.newaxis], negatives], axis=1)

    def for_each_batch(self, order: tf.Tensor, epoch: tf.Tensor, step: Step) -> None:
        """Calls `step(user, item, target)` for every batch of an epoch, inside a graph or eagerly.

        One flat loop that carries the running chunk along: a loop of batches within a loop of
        chunks takes twice as long to trace, and each trial is traced anew.

        Args:
            order: [n] int64, from `order`.
            epoch: Scalar int32.
            step: Takes flat pairs, as `_batch` returns them.
        """
        chunks = iter(self.chunks(order, epoch))
        count = (tf.size(order) + self.batch_size - 1) // self.batch_size

        def body(number: tf.Tensor, *chunk: tf.Tensor) -> tuple[tf.Tensor, ...]:
            place = number % BATCHES_A_CHUNK
            chunk = tf.cond(place == 0, lambda: next(chunks), lambda: chunk)
            step(*self._batch(chunk, place))
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

    def _batch(
        self, chunk: tuple[tf.Tensor, ...], place: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns the batch at a place of a chunk as flat pairs: user, item, target.

        Labelled pairs: [B] each. Positives with negatives: [B * (1 + k)] each, list after list, the
        positive first with target 1.
        """
        begin = place * self.batch_size
        user, item, label = (part[begin : begin + self.batch_size] for part in chunk)
        if isinstance(self.examples, Pairs):
            return user, item, label
        width = 1 + self.examples.num_negatives
        first = tf.one_hot(tf.zeros_like(user), width)
        return tf.repeat(user, width), tf.reshape(item, [-1]), tf.reshape(first, [-1])
