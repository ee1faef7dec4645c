"""The inputs `bag`, `bag_labels` and `bag_age`: a user's training items.

Each input has one column per catalogue item.

Bags are for models that are trained on `Bags`. A model of pairs would need N
numbers per pair, and `bag_labels` would contain the label that it must predict.

Some functions take a cut, [B] int32: the number of items after the cut in each user's history, at
least 1, with at least 1 item before it.

Dimension letters: B users, N items (with the unknown 0), n items of all of them, L items of a
requested history.
"""

import math

import numpy as np
import tensorflow as tf

from recsearch.contract.kinds import InputDoc, InputSpec, Request, Rows, Side
from recsearch.data.preparation import PreparedData
from recsearch.data.vocabulary import DataSpec

BAG = "bag"
BAG_LABELS = "bag_labels"
BAG_AGE = "bag_age"


class BagInput:
    """Each user's training items, as rows of a matrix that is never stored as a whole."""

    documentation = (
        InputDoc(BAG, "float `[batch, data.num_items]`", "1 at each item of the user, otherwise 0"),
        InputDoc(
            BAG_LABELS,
            "float `[batch, data.num_items]`",
            "the label of each item of the user, otherwise 0",
        ),
        InputDoc(
            BAG_AGE,
            "float `[batch, data.num_items]`",
            "for each item of the user the number of the user's items that came after it, "
            "otherwise 0",
            "implicit data with timestamps (`data.has_ages`)",
        ),
    )

    def side(self, name: str) -> Side | None:
        """Returns "user": a bag belongs to its user."""
        return "user" if name in (BAG, BAG_LABELS, BAG_AGE) else None

    def inputs(self, spec: DataSpec) -> tuple[InputSpec, ...]:
        """Returns `bag`, `bag_labels` and, if items have ages, `bag_age`."""
        shape = (spec.num_items,)
        found = (InputSpec(BAG, "user", shape, "history"), InputSpec(BAG_LABELS, "user", shape))
        return (*found, InputSpec(BAG_AGE, "user", shape, "history")) if spec.has_ages else found

    def missing(self, name: str, spec: DataSpec) -> str | None:
        """Returns a reason for `bag_age` if items have no ages."""
        if name == BAG_AGE and not spec.has_ages:
            return "needs implicit data with timestamps"
        return None

    def bind(self, data: PreparedData) -> "BagTable":
        """Returns the bags of these data."""
        return BagTable(data)


def recency_weight(age: tf.Tensor, half_life: float) -> tf.Tensor:
    """Returns 2^(-age / half_life): 1 for a user's latest item, 1/2 after `half_life` more items.

    Source: Ding and Li 2005, "Time weight collaborative filtering" (CIKM), their
    exponential decay; age is counted in items instead of time.

    Args:
        age: The number of the user's items that are later; of any shape.
        half_life: In items, above 0.
    """
    return tf.exp(age * (-math.log(2) / half_life))


class BagTable(tf.Module):
    """The training items of every user, with labels and, if the data have them, ages, in a graph.

    Stored as variables instead of constants, so that an export keeps them out of the graph.

    Args:
        data: The data; if a pair occurs twice in the training part, the last label is used.
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

    def feed(self, name: str, rows: Rows, shape: tuple[int, ...]) -> tf.Tensor:
        """Returns the bags of the rows' users, [B, N] float32."""
        if name == BAG:
            return self.multi_hot(rows.user, rows.cut)
        if name == BAG_LABELS:
            return self.labels_or(0.0, rows.user)
        return self.ages(rows.user, rows.cut)

    def serve(self, name: str, request: Request, shape: tuple[int, ...]) -> tf.Tensor:
        """Returns the bag, or its ages, of each requested history, [B, N] float32."""
        if name == BAG_LABELS:
            raise NotImplementedError(f"{name} cannot be computed from a request.")
        item = request.history
        is_last = _is_last_of_its_item(item, self.num_items)
        value = tf.cast(is_last, tf.float32)
        if name == BAG_AGE:
            value *= tf.cumsum(value, axis=1, exclusive=True, reverse=True)
        row = tf.repeat(tf.range(tf.shape(item)[0]), tf.shape(item)[1])
        cells = tf.stack([row, tf.reshape(item, [-1])], axis=1)
        return tf.scatter_nd(
            cells, tf.reshape(value, [-1]), tf.stack([tf.shape(item)[0], self.num_items])
        )

    def multi_hot(self, user: tf.Tensor, cut: tf.Tensor | None = None) -> tf.Tensor:
        """Returns [B, N] float32: 1 at each item of the user's bag; none for an unknown user.

        With a cut, 1 only at the items before it.
        """
        if cut is None:
            cells, _ = self._cells(user)
            return tf.scatter_nd(cells, tf.ones(tf.shape(cells)[:1]), self._shape(user))
        cells, age = self._aged(user, cut)
        return tf.scatter_nd(cells, tf.cast(age >= 0, tf.float32), self._shape(user))

    def ages(self, user: tf.Tensor, cut: tf.Tensor | None = None) -> tf.Tensor:
        """Returns [B, N] float32: the age of each item of the user's bag, else 0.

        With a cut, only of the items before it, as if the history ended there.
        """
        cells, age = self._aged(user, cut)
        before = tf.maximum(age, 0)
        return tf.scatter_nd(cells, tf.cast(before, tf.float32), self._shape(user))

    def following(self, user: tf.Tensor, cut: tf.Tensor, half_life: float) -> tf.Tensor:
        """Returns [B, N] float32: 2^(-m / half_life) at the m-th item after the cut, else 0.

        The first item after the cut has m = 0.
        """
        cells, age = self._aged(user, cut)
        weight = recency_weight(tf.cast(tf.maximum(-1 - age, 0), tf.float32), half_life)
        return tf.scatter_nd(cells, tf.where(age < 0, weight, 0.0), self._shape(user))

    def cut(self, user: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
        """Returns the cut [B] at a relative position [B] in [0, 1) of each history.

        Position 0 leaves only the last item after the cut.

        Args:
            user: [B] known users with at least 2 items.
            place: If drawn uniformly, all cuts of a history are equally likely.
        """
        size = tf.gather(self.offsets, user + 1) - tf.gather(self.offsets, user)
        return 1 + tf.cast(place * tf.cast(size - 1, tf.float32), tf.int32)

    def labels_or(self, missing: float, user: tf.Tensor) -> tf.Tensor:
        """Returns [B, N] float32: the label of each item of the user's bag, else `missing`."""
        cells, position = self._cells(user)
        empty = tf.fill(self._shape(user), np.float32(missing))
        return tf.tensor_scatter_nd_update(empty, cells, tf.gather(self.labels, position))

    def _aged(self, user: tf.Tensor, cut: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the cells of all items and their ages [n] int32, negative after the cut."""
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


def _is_last_of_its_item(item: tf.Tensor, num_items: int) -> tf.Tensor:
    """Returns [B, L] bool: whether no later entry of the row has the same item; False at 0."""
    shape = tf.shape(item)
    row = tf.repeat(tf.range(shape[0]), shape[1])
    cells = tf.stack([row, tf.reshape(item, [-1])], axis=1)
    place = tf.tile(tf.range(shape[1]), shape[:1])
    last = tf.tensor_scatter_nd_max(tf.zeros([shape[0], num_items], tf.int32), cells, place)
    is_last = tf.equal(tf.gather_nd(last, cells), place) & (cells[:, 1] > 0)
    return tf.reshape(is_last, shape)
