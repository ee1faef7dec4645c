"""The input `history`: a user's items in the order of the interactions.

`NextItem` cuts histories before the items that the model must predict. `Pairs` and `Negatives` do
not cut: with them, the history also contains the item to predict.

Dimension letters: B rows, L length that the model's `keras.Input` declares.
"""

import numpy as np
import tensorflow as tf

from recsearch.contract.kinds import Indices, InputDoc, InputSpec, Request, Rows, Side
from recsearch.data.preparation import PreparedData
from recsearch.data.vocabulary import DataSpec

HISTORY = "history"


class HistoryInput:
    """The latest items of a user, the latest last; 0 pads shorter histories at the front."""

    documentation = (
        InputDoc(
            HISTORY,
            "int `[batch, length]`; `length` is taken from the shape of your `keras.Input`",
            "the user's latest items in the order of the interactions, the latest last; 0 pads "
            "shorter histories at the front",
            "timestamps (`data.has_order`)",
        ),
    )

    def side(self, name: str) -> Side | None:
        """Returns "user": a history belongs to its user."""
        return "user" if name == HISTORY else None

    def inputs(self, spec: DataSpec) -> tuple[InputSpec, ...]:
        """Returns the history, if the order of the interactions is known."""
        if not spec.has_order:
            return ()
        items = Indices(spec.num_items, "data.num_items", "the padding")
        return (InputSpec(HISTORY, "user", (None,), "history", items),)

    def missing(self, name: str, spec: DataSpec) -> str | None:
        """Returns a reason if the order of the interactions is not known."""
        return None if spec.has_order else "needs timestamps"

    def bind(self, data: PreparedData) -> "Histories":
        """Returns the histories of these data."""
        return Histories(data)


class Histories(tf.Module):
    """The training items of every user in time order, inside a graph.

    Args:
        data: Data whose order is known.
    """

    def __init__(self, data: PreparedData) -> None:
        super().__init__()
        if data.order is None:
            raise ValueError(f"{HISTORY} needs timestamps.")
        self.num_users = data.spec.num_users
        self.offsets = tf.Variable(np.asarray(data.order.offsets), trainable=False)
        in_order = np.asarray(data.train.item)[np.asarray(data.order.row)]
        self.items = tf.Variable(in_order, trainable=False)

    def feed(self, name: str, rows: Rows, shape: tuple[int, ...]) -> tf.Tensor:
        """Returns the histories up to the cut, [B, L] int32; 0 only for an unknown user."""
        (length,) = shape
        user = tf.where(rows.user < self.num_users, rows.user, 0)
        known = tf.cast(user > 0, tf.int64)  # the interactions of unknown users have no order
        begin = tf.gather(self.offsets, user)
        end = begin + known * (tf.gather(self.offsets, user + 1) - begin)
        if rows.cut is not None:
            end -= tf.cast(rows.cut, tf.int64)
        position = end[:, tf.newaxis] - length + tf.range(length, dtype=tf.int64)
        item = tf.gather(self.items, tf.maximum(position, 0))
        return tf.where(position >= begin[:, tf.newaxis], item, 0)

    def serve(self, name: str, request: Request, shape: tuple[int, ...]) -> tf.Tensor:
        """Returns the latest known items of each requested history, [B, L] int32."""
        (length,) = shape
        items = request.history
        # A stable sort moves padding and unknown items to the front.
        order = tf.argsort(tf.cast(items > 0, tf.int32), axis=1, stable=True)
        latest = tf.gather(items, order, batch_dims=1)[:, -length:]
        missing = length - tf.shape(latest)[1]
        return tf.pad(latest, [[0, 0], [missing, 0]])
