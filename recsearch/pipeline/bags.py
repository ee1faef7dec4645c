"""Each user's bag of training items, as rows of a matrix that is never made whole.

Some of what follows takes a cut [B] int32 in each user's history: it has so many items after it, at
least 1, and at least 1 before it.

Dimension letters: B users, N items (with the unknown 0), n items of all of them.
"""

import numpy as np
import tensorflow as tf

from recsearch.data.preparation import PreparedData
from recsearch.nn.recency import recency_weight


class BagTable(tf.Module):
    """The training items of every user, their labels and, if they have any, ages, inside a graph.

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
        age = data.seen.age
        self.age = None if age is None else tf.Variable(np.asarray(age), trainable=False)

    def multi_hot(self, user: tf.Tensor, cut: tf.Tensor | None = None) -> tf.Tensor:
        """Returns [B, N] float32: 1 at each item of the user's bag; none for an unknown user.

        With a cut, at those before it.
        """
        if cut is None:
            cells, _ = self._cells(user)
            return tf.scatter_nd(cells, tf.ones(tf.shape(cells)[:1]), self._shape(user))
        cells, age = self._aged(user, cut)
        return tf.scatter_nd(cells, tf.cast(age >= 0, tf.float32), self._shape(user))

    def ages(self, user: tf.Tensor, cut: tf.Tensor | None = None) -> tf.Tensor:
        """Returns [B, N] float32: the age of each item of the user's bag, else 0.

        With a cut, of those before it, as if the history ended there.
        """
        cells, age = self._aged(user, cut)
        before = tf.maximum(age, 0)
        return tf.scatter_nd(cells, tf.cast(before, tf.float32), self._shape(user))

    def following(self, user: tf.Tensor, cut: tf.Tensor, half_life: float) -> tf.Tensor:
        """Returns [B, N] float32: 2^(-m / half_life) at the item m places after the next, else 0.

        Places are those after the cut, the first of them with m = 0.
        """
        cells, age = self._aged(user, cut)
        weight = recency_weight(tf.cast(tf.maximum(-1 - age, 0), tf.float32), half_life)
        return tf.scatter_nd(cells, tf.where(age < 0, weight, 0.0), self._shape(user))

    def cut(self, user: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
        """Returns the cuts [B] at a place [B] in [0, 1) of each history: 0 is at its end.

        Args:
            user: [B] known users of at least 2 items.
            place: Uniform ones make all cuts of a history equally likely.
        """
        size = tf.gather(self.offsets, user + 1) - tf.gather(self.offsets, user)
        return 1 + tf.cast(place * tf.cast(size - 1, tf.float32), tf.int32)

    def labels_or(self, missing: float, user: tf.Tensor) -> tf.Tensor:
        """Returns [B, N] float32: the label of each item of the user's bag, else `missing`."""
        cells, position = self._cells(user)
        empty = tf.fill(self._shape(user), np.float32(missing))
        return tf.tensor_scatter_nd_update(empty, cells, tf.gather(self.labels, position))

    def _aged(self, user: tf.Tensor, cut: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the cells of all items and their ages [n] int32, below 0 after the cut."""
        cells, position = self._cells(user)
        age = tf.gather(self.age, position)
        return cells, age if cut is None else age - tf.gather(cut, cells[:, 0])

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
