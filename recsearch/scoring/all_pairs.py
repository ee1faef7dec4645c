"""The joint part of a split model for all pairs of some users and items, without copying rows.

A tensor of shape [B, ...] for aligned pairs becomes one of [B or 1, N or 1, ...] here: what depends
only on the users is [B, 1, ...], only on the items [1, N, ...]. So
- a dot product of a user's and an item's vector is one matrix product;
- a Dense layer over concat(p, q, p * q) is p W_1 + q W_2 + (p * q) W_3 + b, the first product taken
  once a user, the second once an item, the third without forming p * q;
- sums and other elementwise layers broadcast;
- any other layer gets its rows, one a pair.

Dimension letters: B users, N items, D width of a vector, K units.
"""

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import keras
import tensorflow as tf

from recsearch.nn.byte_dropout import ByteDropout
from recsearch.nn.model_graph import Call

MERGES: dict[type, Callable[[Any, Any], Any]] = {
    keras.layers.Add: operator.add,
    keras.layers.Subtract: operator.sub,
    keras.layers.Multiply: operator.mul,
}
"""Layers of several tensors as what they do; they themselves do not broadcast the first axis."""

ELEMENTWISE = frozenset(
    {
        *MERGES,
        *(keras.layers.Dropout, ByteDropout),
        *(keras.layers.Rescaling, keras.layers.Activation, keras.layers.ReLU),
    }
)
"""Layers that any shape may enter; exact types, since a subclass may do anything."""


@dataclass(frozen=True)
class Sides:
    """What the joint part takes, and what it has computed of it."""

    user: list[tf.Tensor]  # [B, ...] each
    item: list[tf.Tensor]  # [N, ...] each
    known: dict[int, tf.Tensor]  # by the identity of an expression


class Expression(ABC):
    """A tensor of the joint part.

    Attributes:
        width: Numbers it holds a pair; None where it is not stated.
    """

    width: int | None = 1

    def value(self, sides: Sides) -> tf.Tensor:
        """Returns the tensor, [B or 1, N or 1, ...], computed once."""
        if id(self) not in sides.known:
            sides.known[id(self)] = self._compute(sides)
        return sides.known[id(self)]

    @abstractmethod
    def _compute(self, sides: Sides) -> tf.Tensor:
        """Returns the tensor."""


@dataclass(frozen=True, eq=False)
class OneSide(Expression):
    """A tensor at a place in the user's or the item's list."""

    side: str
    place: int

    def rows(self, sides: Sides) -> tf.Tensor:
        """Returns it as the side has it, [B, ...] or [N, ...]."""
        return (sides.user if self.side == "user" else sides.item)[self.place]

    def _compute(self, sides: Sides) -> tf.Tensor:
        return tf.expand_dims(self.rows(sides), 1 if self.side == "user" else 0)


@dataclass(frozen=True, eq=False)
class DotProduct(Expression):
    """p . q of a user's [B, D] and an item's [N, D] vector -> [B, N, 1]."""

    user: OneSide
    item: OneSide

    def _compute(self, sides: Sides) -> tf.Tensor:
        user, item = self.user.rows(sides), self.item.rows(sides)
        return tf.matmul(user, item, transpose_b=True)[..., tf.newaxis]


@dataclass(frozen=True, eq=False)
class WeightedProduct(Expression):
    """(p * q) W of vectors [B, D] and [N, D] and some rows of a kernel -> [B, N, K]."""

    user: OneSide
    item: OneSide
    rows: "KernelRows"
    width: int | None

    def _compute(self, sides: Sides) -> tf.Tensor:
        user, item, kernel = self.user.rows(sides), self.item.rows(sides), self.rows.kernel()
        if self.width == 1:
            score = tf.matmul(user * kernel[:, 0], item, transpose_b=True)
            return score[..., tf.newaxis]
        # [1, N, D] x [B, D, K]
        return tf.matmul(item[tf.newaxis], user[..., tf.newaxis] * kernel)


@dataclass(frozen=True, eq=False)
class Product(Expression):
    """x W of a tensor of pairs [B, N, D] and some rows of a kernel -> [B, N, K]."""

    operand: Expression
    rows: "KernelRows"
    width: int | None

    def _compute(self, sides: Sides) -> tf.Tensor:
        return self.rows.call(self.operand.value(sides))


@dataclass(frozen=True, eq=False)
class Affine(Expression):
    """activation(sum of parts + b), as a Dense layer ends."""

    layer: keras.layers.Dense
    parts: tuple[Expression, ...]
    width: int | None

    def _compute(self, sides: Sides) -> tf.Tensor:
        narrow_first = sorted((part.value(sides) for part in self.parts), key=_is_of_pairs)
        total = narrow_first[0]
        if self.layer.use_bias:
            total = total + self.layer.bias
        for part in narrow_first[1:]:
            total = total + part
        return self.layer.activation(total)


def _is_of_pairs(value: tf.Tensor) -> bool:
    return 1 not in value.shape[:2]


@dataclass(frozen=True, eq=False)
class Elementwise(Expression):
    """A layer that broadcasts."""

    layer: keras.layers.Layer
    operands: tuple[Expression, ...]
    width: int | None

    def _compute(self, sides: Sides) -> tf.Tensor:
        values = [operand.value(sides) for operand in self.operands]
        merge = MERGES.get(type(self.layer))
        return reduce(merge, values) if merge else self.layer(*values)


@dataclass(frozen=True, eq=False)
class RowWise(Expression):
    """Any operation: its arguments as rows, one a pair.

    Attributes:
        call: The operation and its arguments.
        place: Which of its outputs.
        operands: By the identity of the symbolic tensors.
    """

    call: Call
    place: int
    operands: dict[int, Expression]
    width: int | None

    def _compute(self, sides: Sides) -> tf.Tensor:
        num_users = tf.shape(sides.user[0])[0]
        num_items = tf.shape(sides.item[0])[0]
        rows = {}
        for name, operand in self.operands.items():
            value = operand.value(sides)
            shape = tf.concat([[num_users, num_items], tf.shape(value)[2:]], axis=0)
            spread = tf.reshape(tf.broadcast_to(value, shape), [-1, *value.shape[2:]])
            rows[name] = spread
        output = self.call.run(rows)[self.place]
        return tf.reshape(output, tf.concat([[num_users, num_items], tf.shape(output)[1:]], 0))


class KernelRows(keras.Operation):
    """x W[begin:end] with the kernel W of a Dense layer, [..., end - begin] -> [..., K].

    Args:
        layer: The Dense layer; its bias and activation are left out.
        begin: First row.
        end: Behind the last row.
    """

    def __init__(self, layer: keras.layers.Dense, begin: int, end: int) -> None:
        super().__init__()
        self.layer = layer
        self.begin = begin
        self.end = end

    def kernel(self) -> tf.Tensor:
        """Returns the rows of the kernel, [end - begin, K]."""
        return tf.convert_to_tensor(self.layer.kernel)[self.begin : self.end]

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Returns x W[begin:end]."""
        flat = tf.matmul(tf.reshape(x, [-1, self.end - self.begin]), self.kernel())
        return tf.reshape(flat, tf.concat([tf.shape(x)[:-1], [self.layer.units]], axis=0))

    def compute_output_spec(self, x: Any) -> Any:
        """Returns the symbolic output: the shape of x with K in place of its last number."""
        return keras.KerasTensor((*x.shape[:-1], self.layer.units), x.dtype)
