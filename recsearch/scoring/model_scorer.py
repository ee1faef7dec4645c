"""A Keras model as a scorer, in the graph (for export) and on numpy arrays (for evaluation).

Dimension letters: B users or pairs, N items (with the unknown 0).
"""

import logging
import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from recsearch.contract.inputs import input_specs, scores_pairs, side_of
from recsearch.contract.kinds import Request, Rows
from recsearch.data.task import Task
from recsearch.data.vocabulary import DataSpec
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
DEFAULT_WIDTH = 8  # assumed size of a pair if the joint part is not known
NUM_CHECKED = 16  # users, and items, whose pairs are compared


class ModelScorer:
    """Scores pairs and catalogues with a functional model.

    Ratings are clipped to the range of the training labels, as Surprise does; a catalogue is not,
    so that clipping causes no ties in a ranking. A model without an item input scores the
    catalogue, which contains the score of each pair.

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
        output = self.model(self.feed.inputs(self.model, Rows(user, item)), training=False)
        if not self._of_pairs:
            output = tf.gather(output, tf.where(item < self.spec.num_items, item, 0), batch_dims=1)
        score = tf.reshape(tf.cast(output, tf.float32), [-1])
        if self.spec.task is Task.RATING:
            score = tf.clip_by_value(score, self.spec.label_min, self.spec.label_max)
        return score

    def items(self) -> list[tf.Tensor]:
        """Returns the item tensors of the joint part, [N, ...] each; [] without a split."""
        if self._split is None:
            return []
        every_item = tf.range(self.spec.num_items, dtype=tf.int32)
        return self._side(self._split.item, self._split.item_inputs, every_item)

    def catalogue(self, user: tf.Tensor, items: list[tf.Tensor]) -> tf.Tensor:
        """Returns each user's score of every item, [B, N] float32, in the graph.

        Args:
            user: [B] int32.
            items: The result of `self.items`.
        """
        rows = Rows.of_side(user)
        of_user = {tensor.name: self.feed.input(tensor, rows) for tensor in self._user_inputs}
        return self._scores_of(of_user, tf.shape(user)[0], items)

    def for_request(self, request: Request, items: list[tf.Tensor]) -> tf.Tensor:
        """Returns each request's score of every item, [B, N] float32, in the graph.

        Args:
            request: Of B callers; `answers_requests` must be True.
            items: The result of `self.items`.
        """
        of_user = {tensor.name: self.feed.served(tensor, request) for tensor in self._user_inputs}
        return self._scores_of(of_user, tf.shape(request.history)[0], items)

    @cached_property
    def answers_requests(self) -> bool:
        """Whether every user input can be computed from a request."""
        known = input_specs(self.spec)
        names = [tensor.name for tensor in self._user_inputs]
        return bool(names) and all(known[name].request is not None for name in names)

    @property
    def _user_inputs(self) -> list[Any]:
        return [tensor for tensor in self.model.inputs if side_of(tensor.name) == "user"]

    def _scores_of(
        self, of_user: dict[str, tf.Tensor], count: tf.Tensor, items: list[tf.Tensor]
    ) -> tf.Tensor:
        """Returns the score of every item, [B, N] float32.

        Args:
            of_user: Name of each user input -> its value, [B, ...].
            count: B.
            items: The result of `self.items`.
        """
        if not self._of_pairs:
            output = self.model(self._inputs(of_user), training=False)
        elif self._split is None:
            item = tf.tile(tf.range(self.spec.num_items, dtype=tf.int32), [count])
            repeated = {
                name: tf.repeat(value, self.spec.num_items, axis=0)
                for name, value in of_user.items()
            }
            rows = Rows.of_side(item)
            of_item = {
                tensor.name: self.feed.input(tensor, rows)
                for tensor in self.model.inputs
                if tensor.name not in of_user
            }
            output = self.model(self._inputs(repeated | of_item), training=False)
            output = tf.reshape(output, [count, self.spec.num_items])
        else:
            part = self._split.user([of_user[name] for name in self._split.user_inputs])
            output = self._split.scores(_without_masks(part), items)
        return tf.cast(output, tf.float32)

    def _inputs(self, values: dict[str, tf.Tensor]) -> Any:
        """Returns the model's inputs in the structure that it was built with."""
        return keras.tree.map_structure(lambda tensor: values[tensor.name], self.model.input)

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

    def score_histories(self, history: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns the score of every item for each history [B, L], [B, N] float32; a new array."""
        return np.array(self.for_request(Request(tf.constant(history)), self._items()))

    @cached_property
    def _catalogue(self) -> Any:
        """`catalogue` as a graph of any number of users."""
        parts = self._split.item.outputs if self._split else []
        of_items = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in parts]
        index = tf.TensorSpec([None], tf.int32)
        return _graph(self.catalogue, [index, of_items])

    @property
    def _width(self) -> int:
        """Numbers per pair in the widest tensor, as far as it is known."""
        if not self._of_pairs:
            return 1
        return self._split.width if self._split else self._width_of_whole_model

    @property
    def _width_of_whole_model(self) -> int:
        """Numbers that a pair is assumed to need where the model runs pair by pair."""
        shapes = [tensor.shape[1:] for tensor in self.model.inputs]
        widths = [int(math.prod(size or 1 for size in shape)) for shape in shapes]
        return max(DEFAULT_WIDTH, *widths)

    @cached_property
    def _split(self) -> SplitModel | None:
        """The split that a catalogue is scored with; built only when a catalogue is scored."""
        with tf.init_scope():  # the comparison needs numbers, even while a graph is traced
            return self._trusted_split()

    def _side(
        self, part: keras.Function, names: tuple[str, ...], index: tf.Tensor
    ) -> list[tf.Tensor]:
        declared = {tensor.name: tensor for tensor in self.model.inputs}
        rows = Rows.of_side(index)
        return _without_masks(part([self.feed.input(declared[name], rows) for name in names]))

    def _trusted_split(self) -> SplitModel | None:
        """Returns the split of the model if it gives the model's own scores on random pairs."""
        split = split_by_side(self.model)
        if split is None:
            return None
        rng = np.random.default_rng(0)
        # Index 0 comes first: a split may go wrong at a layer that masks it.
        user, item = (
            tf.constant([0, *rng.integers(0, size, NUM_CHECKED - 1)], tf.int32)
            for size in (self.spec.num_users, self.spec.num_items)
        )
        pairs = tf.repeat(user, NUM_CHECKED), tf.tile(item, [NUM_CHECKED])
        whole = self.model(self.feed.inputs(self.model, Rows(*pairs)), training=False)
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


def _without_masks(outputs: Any) -> list[tf.Tensor]:
    # A tensor of Keras carries its mask as an attribute, but not into or out of a graph: where
    # the joint part needs one, the check of the split must show it.
    return [tf.identity(tensor) for tensor in keras.tree.flatten(outputs)]


def _tolerance(model: keras.Model) -> float:
    """Returns how far, relatively, two ways of computing a score may differ."""
    types = [getattr(layer, "compute_dtype", "") for layer in model.layers]
    return max(TOLERANCES.get(name, TOLERANCE) for name in types)


def _graph(function: Callable[..., Any], signature: list[Any]) -> Any:
    # Keras does not use AutoGraph either, and here it would cost time in each trial.
    return tf.function(function, input_signature=signature, autograph=False)
