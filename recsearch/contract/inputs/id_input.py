"""The inputs `user_id` and `item_id`: indices of the vocabularies.

Dimension letter: B rows.
"""

import tensorflow as tf

from recsearch.contract.kinds import Indices, InputDoc, InputSpec, Request, Rows, Side
from recsearch.data.preparation import PreparedData
from recsearch.data.vocabulary import DataSpec

USER_ID = "user_id"
ITEM_ID = "item_id"

SIDES: dict[str, Side] = {USER_ID: "user", ITEM_ID: "item"}


class IdInput:
    """The index of a row's user and item."""

    documentation = (
        InputDoc(USER_ID, "int `[batch]`", "index of the user; 0 is an unknown user"),
        InputDoc(ITEM_ID, "int `[batch]`", "index of the item; 0 is an unknown item"),
    )

    def side(self, name: str) -> Side | None:
        """Returns the side of the input."""
        return SIDES.get(name)

    def inputs(self, spec: DataSpec) -> tuple[InputSpec, ...]:
        """Returns both inputs: all data have ids."""
        users = Indices(spec.num_users, "data.num_users", "the unknown user")
        items = Indices(spec.num_items, "data.num_items", "the unknown item")
        return (
            InputSpec(USER_ID, "user", (), indices=users),
            InputSpec(ITEM_ID, "item", (), indices=items),
        )

    def missing(self, name: str, spec: DataSpec) -> str | None:
        """Returns None: all data have ids."""
        return None

    def bind(self, data: PreparedData) -> "BoundIds":
        """Returns the ids of these data."""
        return BoundIds(data)


class BoundIds(tf.Module):
    """User and item indices.

    Ids that occur only in a feature table, not in training, become 0.

    Args:
        data: The data.
    """

    def __init__(self, data: PreparedData) -> None:
        super().__init__()
        self.has_unknown = data.has_unknown
        self.num_users = data.spec.num_users
        self.num_items = data.spec.num_items

    def feed(self, name: str, rows: Rows, shape: tuple[int, ...]) -> tf.Tensor:
        """Returns the indices, [B] int32."""
        index = rows.user if name == USER_ID else rows.item
        if not self.has_unknown:
            return index
        size = self.num_users if name == USER_ID else self.num_items
        return tf.where(index < size, index, 0)

    def serve(self, name: str, request: Request, shape: tuple[int, ...]) -> tf.Tensor:
        """Always raises NotImplementedError: a request has no user that is known in training."""
        raise NotImplementedError(f"{name} cannot be computed from a request.")
