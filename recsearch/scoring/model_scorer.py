"""A Keras model as a scorer, in the graph (for export) and on numpy arrays (for evaluation).

Dimension letters: B users or pairs, N items (with the unknown 0).
"""

import logging
from collections.abc import Callable
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from recsearch.data.interactions import Task
from recsearch.data.vocabulary import DataSpec
from recsearch.nn.recommender import reads_bags, scores_pairs
from recsearch.pipeline import Feed
from recsearch.scoring.by_side import SplitModel, split_by_side

logger = logging.getLogger(__name__)

NUMBERS_PER_BLOCK = 2**21
"""Numbers that the widest tensor of the joint part may hold for the pairs of one block.

8 MiB of float32: blocks that stay in the cache were 1.3 times as fast as blocks of 64 MiB.
"""

TOLERANCES = {"float16": 1e-2, "bfloat16": 5e-2}
"""Of a score that another graph computes, by the least precise type of the model's layers."""

TOLERANCE = 1e-4  # of float32 and float64
DEFAULT_WIDTH = 8  # what a pair is taken to need where the joint part is not known
NUM_CHECKED = 16  # users, and items, whose pairs are compared


class ModelScorer:
    """Scores pairs and catalogues with a functional model.

    Ratings are clipped to the range of the training labels, as Surprise does; a catalogue is not,
    so that clipping makes no ties in a ranking. A model without an item input scores the catalogue;
    a pair is a cell of it.

    Args:
        model: Inputs named after the data.
        feed: Assembles them.
        spec: The data that the model was built for.

    Attributes:
        tolerance: How far a score may differ, relatively, when another graph computes it.
    """

    reads_columns = True

    def __init__(self, model: keras.Model, feed: Feed, spec: DataSpec) -> None:
        self.model = model
        self.feed = feed
        self.spec = spec
        self.tolerance = _tolerance(model)
        self._of_pairs = scores_pairs(model)
        index = tf.TensorSpec([None], tf.int32)
        self._pairs = _graph(self.pairs, [index, index])
        self._items = _graph(self.items, [])

    def pairs(self, user: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        """Returns the score of each pair, [B] float32, in the graph."""
        output = self.model(self.feed.inputs(self.model, user, item), training=False)
        if not self._of_pairs:
            output = tf.gather(output, tf.where(item < self.spec.num_items, item, 0), batch_dims=1)
        score = tf.reshape(tf.cast(output, tf.float32), [-1])
        if self.spec.task is Task.RATING:
            score = tf.clip_by_value(score, self.spec.label_min, self.spec.label_max)
        return score

    def items(self) -> list[tf.Tensor]:
        """Returns what the joint part takes of every item, [N, ...] each; [] without a split."""
        if self._split is None:
            return []
        every_item = tf.range(self.spec.num_items, dtype=tf.int32)
        return self._side(self._split.item, self._split.item_inputs, every_item)

    def catalogue(self, user: tf.Tensor, items: list[tf.Tensor]) -> tf.Tensor:
        """Returns each user's score of every item, [B, N] float32, in the graph.

        Args:
            user: [B] int32.
            items: What `self.items` returns.
        """
        if not self._of_pairs:
            output = self.model(self.feed.inputs(self.model, user, user), training=False)
        elif self._split is None:
            every_item = tf.range(self.spec.num_items, dtype=tf.int32)
            pairs = (
                tf.repeat(user, self.spec.num_items),
                tf.tile(every_item, tf.shape(user)),
            )
            output = self.model(self.feed.inputs(self.model, *pairs), training=False)
            output = tf.reshape(output, [tf.shape(user)[0], self.spec.num_items])
        else:
            of_user = self._side(self._split.user, self._split.user_inputs, user)
            output = self._split.scores(of_user, items)
        return tf.cast(output, tf.float32)

    def score_pairs(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns the score of each pair, [B] float32."""
        if not self._of_pairs:
            return self._score_pairs_by_user(user, item)
        size = max(1, NUMBERS_PER_BLOCK // self._width_of_whole_model)
        parts = [slice(i, i + size) for i in range(0, len(user), size)]
        blocks = [self._pairs(tf.constant(user[p]), tf.constant(item[p])) for p in parts]
        return np.concatenate([block.numpy() for block in blocks] or [np.zeros(0, np.float32)])

    def _score_pairs_by_user(
        self, user: NDArray[np.int32], item: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        """Scores pairs, [B], with each user's catalogue computed once."""
        score = np.empty(len(user), np.float32)
        order = np.argsort(user, kind="stable")
        users, first = np.unique(user[order], return_index=True)
        bounds = np.append(first, len(user))
        known = np.where(item < self.spec.num_items, item, 0)
        size = max(1, NUMBERS_PER_BLOCK // self.spec.num_items)
        for begin in range(0, len(users), size):
            block = users[begin : begin + size]
            rows = order[bounds[begin] : bounds[begin + len(block)]]
            catalogue = self.score_catalogue(block)
            score[rows] = catalogue[np.searchsorted(block, user[rows]), known[rows]]
        if self.spec.task is Task.RATING:
            score = np.clip(score, self.spec.label_min, self.spec.label_max)
        return score

    def score_catalogue(self, user: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns each user's score of every item, [B, N] float32; a new array."""
        width = self._width
        size = max(1, NUMBERS_PER_BLOCK // (width * self.spec.num_items))
        scores = np.empty((len(user), self.spec.num_items), np.float32)
        items = self._items()
        for i in range(0, len(user), size):
            scores[i : i + size] = self._catalogue(tf.constant(user[i : i + size]), items)
        return scores

    @cached_property
    def _catalogue(self) -> Any:
        """`catalogue` as a graph of any number of users."""
        parts = self._split.item.outputs if self._split else []
        of_items = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in parts]
        index = tf.TensorSpec([None], tf.int32)
        return _graph(self.catalogue, [index, of_items])

    @property
    def _width(self) -> int:
        """Numbers that the widest tensor holds a pair, as far as it is known."""
        if not self._of_pairs:
            return 1
        return self._split.width if self._split else self._width_of_whole_model

    @property
    def _width_of_whole_model(self) -> int:
        """Numbers that a pair is taken to need where the model runs pair by pair."""
        wide = self.spec.num_items if reads_bags(self.model) else 0
        return max(wide, DEFAULT_WIDTH)

    @cached_property
    def _split(self) -> SplitModel | None:
        """The split that a catalogue is scored with; who scores pairs alone need not pay for it."""
        with tf.init_scope():  # the comparison needs numbers, even where a graph is being made
            return self._trusted_split()

    def _side(
        self, part: keras.Function, names: tuple[str, ...], index: tf.Tensor
    ) -> list[tf.Tensor]:
        declared = {tensor.name: tensor for tensor in self.model.inputs}
        outputs = part([self.feed.input(declared[name], index) for name in names])
        # A tensor of Keras carries its mask as an attribute, but not into or out of a graph: where
        # the joint part needs one, that must show when the split is checked.
        return [tf.identity(tensor) for tensor in keras.tree.flatten(outputs)]

    def _trusted_split(self) -> SplitModel | None:
        """Returns the split of the model if it gives the model's own scores on random pairs."""
        split = split_by_side(self.model)
        if split is None:
            return None
        rng = np.random.default_rng(0)
        # Index 0 comes first: a layer that masks it is what a cut may get wrong.
        user, item = (
            tf.constant([0, *rng.integers(0, size, NUM_CHECKED - 1)], tf.int32)
            for size in (self.spec.num_users, self.spec.num_items)
        )
        pairs = tf.repeat(user, NUM_CHECKED), tf.tile(item, [NUM_CHECKED])
        whole = self.model(self.feed.inputs(self.model, *pairs), training=False)
        parts = split.scores(
            self._side(split.user, split.user_inputs, user),
            self._side(split.item, split.item_inputs, item),
        )
        parts, whole = (np.asarray(tf.cast(scores, tf.float32)) for scores in (parts, whole))
        tolerance = {"rtol": self.tolerance, "atol": self.tolerance}
        if np.allclose(whole.reshape(parts.shape), parts, **tolerance, equal_nan=True):
            return split
        logger.warning(
            "%s cannot be split into a user and an item part (the parts give other scores): "
            "the catalogue is scored pair by pair.",
            self.model.name,
        )
        return None


def _tolerance(model: keras.Model) -> float:
    """Returns how far, relatively, two ways of computing a score may differ."""
    types = [getattr(layer, "compute_dtype", "") for layer in model.layers]
    return max(TOLERANCES.get(name, TOLERANCE) for name in types)


def _graph(function: Callable[..., Any], signature: list[Any]) -> Any:
    # Keras does not convert what it runs by AutoGraph either, and here each trial would pay for it.
    return tf.function(function, input_signature=signature, autograph=False)
