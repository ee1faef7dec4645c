"""Examples `NextItem`: windows of histories, and the item after each position.

Dimension letters: B batch, C examples of a chunk, L length of a window, N items (with the unknown
0).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from recsearch.contract.inputs import input_names, scores_pairs
from recsearch.contract.inputs.bag_input import BAG, BAG_AGE, BAG_LABELS
from recsearch.contract.inputs.history_input import HISTORY, Histories
from recsearch.contract.kinds import Arrays, Batch, Rows
from recsearch.contract.recommender import Recommender
from recsearch.data.vocabulary import DataSpec
from recsearch.errors import SpaceError


@dataclass(frozen=True)
class NextItem:
    """A window of a user's history; at each position the model predicts the item after it.

    The trained model reads `history` [B, L] and has an output [B, L, num_items]; the target is
    [B, L] int32, the item after each position, and 0 where the window is padded:
    `keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)`. The model that
    scores has an output [B, num_items], usually that of the last position
    (`Recommender(model, NextItem(50), trained=trained)`). In each epoch, a random window is drawn
    for each user with at least two interactions. The batch size counts users.

    Source: Kang and McAuley 2018, "Self-Attentive Sequential Recommendation" (arXiv 1808.09781),
    section III-F, with a random window in place of the last one.

    Attributes:
        length: L, the length of the model's input `history`.
    """

    length: int

    @classmethod
    def implied(
        cls, model: keras.Model, spec: DataSpec, values: Mapping[str, Any]
    ) -> "NextItem | None":
        """Returns None: a bare model has no output per position."""
        return None

    def misfit(self, recommender: Recommender, spec: DataSpec) -> str | None:
        """Returns a reason if the trained model has other inputs or another output."""
        model = recommender.to_train
        names = input_names(model)
        length = next((t.shape[1] for t in model.inputs if t.name == HISTORY), None)
        if length != self.length:
            return (
                f"NextItem({self.length}) trains a model on histories: an input named {HISTORY} of "
                f"length {self.length} was expected. Received: {', '.join(names)}"
                f"{'' if length is None else f', with length {length}'}."
            )
        shown = sorted({BAG, BAG_AGE, BAG_LABELS}.intersection(names))
        if shown or scores_pairs(model):
            return (
                "NextItem trains a model that has neither item inputs nor bags: both would reveal "
                f"the items to predict. Received: {', '.join(names)}."
            )
        expected = (self.length, spec.num_items)
        output = tuple(model.outputs[0].shape[1:])
        if len(model.outputs) != 1 or output != expected:
            return (
                "NextItem trains a model that scores all items at each position: an output of "
                f"shape [batch, {self.length}, {spec.num_items}] was expected. Received: "
                f"{[list(tensor.shape) for tensor in model.outputs]}. Pass this model as "
                "Recommender(..., trained=...)."
            )
        return None

    def bind(self, arrays: Arrays) -> "Windows":
        """Returns the windows of the training part.

        Raises:
            SpaceError: If no user has two training interactions.
        """
        windows = Windows(arrays.bound(HISTORY), self.length)
        if not len(windows.units):
            raise SpaceError(
                "NextItem needs users with at least two interactions in the training part. "
                "Received: none. Use other examples, or bring more interactions."
            )
        return windows


class Windows:
    """A unit is a user with at least two training interactions.

    Args:
        histories: The histories.
        length: L.
    """

    def __init__(self, histories: Histories, length: int) -> None:
        self.histories = histories
        self.length = length
        counts = np.diff(histories.offsets.numpy())
        counts[0] = 0  # interactions of unknown users
        self.units = np.flatnonzero(counts > 1)

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Returns a permutation of the users."""
        return rng.permutation(self.units)

    def gather(self, units: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns the users [C] and the relative positions of their windows, [C] in [0, 1)."""
        return tf.cast(units, tf.int32), tf.random.stateless_uniform(tf.shape(units), seed)

    def batch(self, *examples: tf.Tensor) -> Batch:
        """Returns the users with the ends of their windows, and the items after each position."""
        user, place = examples
        item = tf.zeros_like(user)
        cut = self._cut(user, place)
        rows = Rows(user, item, cut)
        shape = (self.length,)
        window = self.histories.feed(HISTORY, rows, shape)
        following = self.histories.feed(HISTORY, Rows(user, item, cut - 1), shape)
        return Batch(rows, tf.where(window > 0, following, 0))

    def _cut(self, user: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
        """Returns the cuts [B].

        Windows of full length are drawn uniformly; if the history has at most `length` items, only
        its last item is hidden.
        """
        offsets = self.histories.offsets
        size = tf.gather(offsets, user + 1) - tf.gather(offsets, user)
        choices = tf.cast(tf.maximum(size - self.length, 1), tf.float32)
        return 1 + tf.cast(place * choices, tf.int32)
