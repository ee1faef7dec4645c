"""A Keras model as a scorer, in the graph (for export) and on numpy arrays (for evaluation).

Dimension letters: B users or pairs, N items (with the unknown 0).
"""

import logging

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from recsearch.data.interactions import Task
from recsearch.data.vocabulary import DataSpec
from recsearch.nn.splitting import SplitModel, split_by_side
from recsearch.pipeline import Feed

logger = logging.getLogger(__name__)

PAIRS_A_BLOCK = 2**18  # pairs scored at once: bounds the memory of the joint part
TOLERANCE = 1e-4  # of a score that went through the split, against the model itself


class ModelScorer:
    """Scores pairs and catalogues with a functional model.

    Ratings are clipped to the range of the training labels, as Surprise does; a catalogue is not,
    so that clipping makes no ties in a ranking.

    Args:
        model: Inputs named after the data.
        feed: Assembles them.
        spec: The data that the model was built for.
    """

    def __init__(self, model: keras.Model, feed: Feed, spec: DataSpec) -> None:
        self.model = model
        self.feed = feed
        self.spec = spec
        self._split = self._trusted_split()
        index = tf.TensorSpec([None], tf.int32)
        self._pairs = tf.function(self.pairs, input_signature=[index, index])
        self._catalogue = tf.function(self.catalogue, input_signature=[index])

    def pairs(self, user: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        """Returns the score of each pair, [B] float32, in the graph."""
        output = self.model(self.feed.inputs(self.model, user, item), training=False)
        score = tf.reshape(tf.cast(output, tf.float32), [-1])
        if self.spec.task is Task.RATING:
            score = tf.clip_by_value(score, self.spec.label_min, self.spec.label_max)
        return score

    def catalogue(self, user: tf.Tensor) -> tf.Tensor:
        """Returns each user's score of every item, [B, N] float32, in the graph."""
        num_users = tf.shape(user)[0]
        items = tf.range(self.spec.num_items, dtype=tf.int32)
        if self._split is None:
            pairs = (tf.repeat(user, self.spec.num_items), tf.tile(items, [num_users]))
            output = self.model(self.feed.inputs(self.model, *pairs), training=False)
        else:
            of_user = self._side(self._split.user, self._split.user_inputs, user)
            of_item = self._side(self._split.item, self._split.item_inputs, items)
            spread = [tf.repeat(tensor, self.spec.num_items, axis=0) for tensor in of_user]
            tiled = [_tile_rows(tensor, num_users) for tensor in of_item]
            output = self._split.joint([*spread, *tiled])
        return tf.reshape(tf.cast(output, tf.float32), [num_users, self.spec.num_items])

    def score_pairs(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns the score of each pair, [B] float32."""
        parts = [slice(i, i + PAIRS_A_BLOCK) for i in range(0, len(user), PAIRS_A_BLOCK)]
        blocks = [self._pairs(tf.constant(user[p]), tf.constant(item[p])) for p in parts]
        return np.concatenate([block.numpy() for block in blocks] or [np.zeros(0, np.float32)])

    def score_catalogue(self, user: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns each user's score of every item, [B, N] float32; a new array."""
        size = max(1, PAIRS_A_BLOCK // self.spec.num_items)
        scores = np.empty((len(user), self.spec.num_items), np.float32)
        for i in range(0, len(user), size):
            scores[i : i + size] = self._catalogue(tf.constant(user[i : i + size])).numpy()
        return scores

    def _side(
        self, part: keras.Function, names: tuple[str, ...], index: tf.Tensor
    ) -> list[tf.Tensor]:
        declared = {tensor.name: tensor for tensor in self.model.inputs}
        outputs = part([self.feed.input(declared[name], index) for name in names])
        return list(outputs) if isinstance(outputs, list | tuple) else [outputs]

    def _trusted_split(self) -> SplitModel | None:
        """Returns the split of the model if it gives the model's own scores on random pairs."""
        split = split_by_side(self.model)
        if split is None:
            return None
        rng = np.random.default_rng(0)
        # Index 0 comes first: a layer that masks it is what a cut may get wrong.
        user = tf.constant([0, *rng.integers(0, self.spec.num_users, 63)], tf.int32)
        item = tf.constant([0, *rng.integers(0, self.spec.num_items, 63)], tf.int32)
        whole = self.model(self.feed.inputs(self.model, user, item), training=False)
        parts = split.joint(
            [
                # A tensor of Keras carries its mask as an attribute; the copies that a catalogue is
                # scored with do not, so it must not help here either.
                tf.identity(tensor)
                for tensor in (
                    *self._side(split.user, split.user_inputs, user),
                    *self._side(split.item, split.item_inputs, item),
                )
            ]
        )
        if np.allclose(whole, parts, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
            return split
        logger.warning(
            "%s cannot be split into a user and an item part (the parts give other scores): "
            "the catalogue is scored pair by pair.",
            self.model.name,
        )
        return None


def _tile_rows(tensor: tf.Tensor, times: tf.Tensor) -> tf.Tensor:
    """Returns the rows of a tensor of any rank, repeated as a whole."""
    ones = tf.ones([tf.rank(tensor) - 1], tf.int32)
    return tf.tile(tensor, tf.concat([[times], ones], axis=0))
