"""Each user's bag of training items, as rows of a matrix that is never made whole.

Dimension letters: B users, N items (with the unknown 0).
"""

import numpy as np
import tensorflow as tf

from recsearch.data.preparation import PreparedData


class BagTable(tf.Module):
    """The training items of every user and their labels, inside a graph.

    Variables rather than constants, so that an export saves them beside its graph, not in it.

    Args:
        data: Its training part; of a pair that comes twice the last label counts.
    """

    def __init__(self, data: PreparedData) -> None:
        super().__init__()
        self.num_users = data.spec.num_users
        self.num_items = data.spec.num_items
        self.offsets = tf.Variable(np.asarray(data.seen.offsets), trainable=False)
        self.items = tf.Variable(np.asarray(data.seen.items), trainable=False)
        self.labels = tf.Variable(_labels(data), trainable=False)

    def multi_hot(self, user: tf.Tensor) -> tf.Tensor:
        """Returns [B, N] float32: 1 at each item of the user's bag; none for an unknown user."""
        cells, _ = self._cells(user)
        return tf.scatter_nd(cells, tf.ones(tf.shape(cells)[:1]), self._shape(user))

    def labels_or(self, missing: float, user: tf.Tensor) -> tf.Tensor:
        """Returns [B, N] float32: the label of each item of the user's bag, else `missing`."""
        cells, position = self._cells(user)
        empty = tf.fill(self._shape(user), np.float32(missing))
        return tf.tensor_scatter_nd_update(empty, cells, tf.gather(self.labels, position))

    def _shape(self, user: tf.Tensor) -> tf.Tensor:
        return tf.stack([tf.size(user), self.num_items])

    def _cells(self, user: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns (row, item) [n, 2] int32 of the bags of `user` [B], and their positions [n]."""
        known = tf.where(user < self.num_users, user, 0)
        begin, end = tf.gather(self.offsets, known), tf.gather(self.offsets, known + 1)
        position = tf.ragged.range(begin, end)
        row = tf.cast(position.value_rowids(), tf.int32)
        return tf.stack([row, tf.gather(self.items, position.values)], axis=1), position.values


def _labels(data: PreparedData) -> np.ndarray:
    """Returns the labels [n] float32 in the order of `data.seen.items`."""
    train = data.train
    pair = np.asarray(train.user).astype(np.int64) * data.spec.num_items + train.item
    order = np.argsort(pair, kind="stable")
    is_last = np.diff(pair[order], append=-1) != 0
    labels: np.ndarray = np.asarray(train.label)[order[is_last]]
    return labels
