"""The inputs `user_<column>` and `item_<column>`: columns of the tables of users and items.

Dimension letters: B rows, L values of a multi-valued column.
"""

import tensorflow as tf

from recsearch.contract.kinds import Indices, InputDoc, InputSpec, Request, Rows, Side
from recsearch.contract.mapped import as_tensor
from recsearch.data.interactions import ColumnKind
from recsearch.data.preparation import PreparedData
from recsearch.data.vocabulary import ColumnSpec, DataSpec


class ColumnInput:
    """The value of a feature column for a row's user or item."""

    documentation = (
        InputDoc(
            "user_<column>",
            "int or float `[batch]`; several values: int `[batch, length]`",
            "the user's value of a feature column; see `data.user_columns`",
            "a table of users",
        ),
        InputDoc(
            "item_<column>",
            "likewise",
            "the item's value of a feature column; see `data.item_columns`",
            "a table of items",
        ),
    )

    def side(self, name: str) -> Side | None:
        """Returns the side of the table that the column belongs to."""
        if name.startswith("user_"):
            return "user"
        return "item" if name.startswith("item_") else None

    def inputs(self, spec: DataSpec) -> tuple[InputSpec, ...]:
        """Returns the columns of both tables, the users' first."""
        users = tuple(_input(column, "user") for column in spec.user_columns)
        return users + tuple(_input(column, "item") for column in spec.item_columns)

    def missing(self, name: str, spec: DataSpec) -> str | None:
        """Returns a reason if the tables have no such column."""
        if any(column.name == name for column in spec.columns):
            return None
        side, _, column = name.partition("_")
        return f"the table of {side}s has no column {column!r}"

    def bind(self, data: PreparedData) -> "BoundColumns":
        """Returns the columns of these data."""
        return BoundColumns(data)


def _input(column: ColumnSpec, side: Side) -> InputSpec:
    shape = (column.length,) if column.kind is ColumnKind.MULTI else ()
    indices = None
    if column.size:
        indices = Indices(column.size, "the column's size in data.columns", "the unknown value")
    return InputSpec(column.name, side, shape, indices=indices)


class BoundColumns(tf.Module):
    """The columns, one row per index.

    Args:
        data: The data.
    """

    def __init__(self, data: PreparedData) -> None:
        super().__init__()
        self.tables = {name: as_tensor(array) for name, array in data.features.items()}

    def feed(self, name: str, rows: Rows, shape: tuple[int, ...]) -> tf.Tensor:
        """Returns the values, [B] or [B, L]."""
        index = rows.item if name.startswith("item_") else rows.user
        return tf.gather(self.tables[name], index)

    def serve(self, name: str, request: Request, shape: tuple[int, ...]) -> tf.Tensor:
        """Always raises NotImplementedError: a request has no columns."""
        raise NotImplementedError(f"{name} cannot be computed from a request.")
