"""Splits a functional model into the part of the user, the part of the item, and what joins them.

Scoring a catalogue then computes each user and each item once; only the joint part runs for every
pair. The split depends only on the graph, so it knows no model family.

Dimension letters: B users, N items.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from recsearch.contract.inputs import side_of
from recsearch.contract.kinds import Side
from recsearch.nn.model_graph import ModelGraph, model_graph
from recsearch.scoring.all_pairs import (
    ELEMENTWISE,
    Affine,
    DotProduct,
    Elementwise,
    Expression,
    KernelRows,
    OneSide,
    Product,
    RowWise,
    Sides,
    WeightedProduct,
)


@dataclass(frozen=True)
class SplitModel:
    """Three functions that compose to the model.

    Attributes:
        user: User inputs -> the tensors that the joint part takes from the user's side.
        item: Item inputs -> the tensors that the joint part takes from the item's side.
        joint: The model's output, of those tensors.
        user_inputs: Names of the user inputs, in order.
        item_inputs: Names of the item inputs, in order.
        width: Numbers that the widest tensor of the joint part holds a pair.
    """

    user: keras.Function
    item: keras.Function
    joint: Expression
    user_inputs: tuple[str, ...]
    item_inputs: tuple[str, ...]
    width: int

    def scores(self, user: Sequence[tf.Tensor], item: Sequence[tf.Tensor]) -> tf.Tensor:
        """Returns the model's output for all pairs, [B, N].

        Args:
            user: What `self.user` gives for B users.
            item: What `self.item` gives for N items.
        """
        output = self.joint.value(Sides(list(user), list(item), {}))
        return tf.reshape(output, [tf.shape(user[0])[0], tf.shape(item[0])[0]])


def split_by_side(model: keras.Model) -> SplitModel | None:
    """Returns the split of a functional model with user and item inputs, or None if it has none.

    Masks are not carried across the cut: the caller compares the split with the model on random
    pairs before it trusts it.
    """
    if math.prod(model.outputs[0].shape[1:]) != 1:
        return None
    calls = model_graph(model)
    inputs = {
        side: [tensor for tensor in calls.inputs if side_of(tensor.name) == side]
        for side in ("user", "item")
    }
    graph = _JointGraph(calls)
    joint = graph.expression(calls.outputs[0])
    if not graph.boundary["user"] or not graph.boundary["item"] or isinstance(joint, OneSide):
        return None
    return SplitModel(
        user=keras.Function(inputs["user"], graph.boundary["user"]),
        item=keras.Function(inputs["item"], graph.boundary["item"]),
        joint=joint,
        user_inputs=tuple(tensor.name for tensor in inputs["user"]),
        item_inputs=tuple(tensor.name for tensor in inputs["item"]),
        width=graph.width,
    )


class _JointGraph:
    """Turns the symbolic tensors that depend on both sides into expressions, from the output back.

    Attributes:
        boundary: Side -> the symbolic one-sided tensors that the joint part takes.
        width: Numbers that the widest expression so far holds a pair.
    """

    def __init__(self, graph: ModelGraph) -> None:
        self.boundary: dict[str, list[Any]] = {"user": [], "item": []}
        self.width = 1
        self._sides = _sides(graph)
        self._calls = {id(t): call for call in graph.calls for t in call.outputs}
        self._made: dict[int, Expression] = {}
        self._placed: dict[int, OneSide] = {}

    def expression(self, tensor: Any) -> Expression:
        """Returns the expression of a symbolic tensor; the same one for the same tensor."""
        if id(tensor) not in self._made:
            side = self._side(tensor)
            made = self._one_side(tensor, side) if side else self._joint(tensor)
            self._made[id(tensor)] = made
            self.width = max(self.width, made.width or 1)
        return self._made[id(tensor)]

    def _side(self, tensor: Any) -> str | None:
        """Returns the one side that a tensor depends on, or None."""
        reached = self._sides.get(id(tensor), set())
        return next(iter(reached)) if len(reached) == 1 else None

    def _one_side(self, tensor: Any, side: str) -> OneSide:
        if id(tensor) not in self._placed:
            self._placed[id(tensor)] = OneSide(side, len(self.boundary[side]))
            self.boundary[side].append(tensor)
        return self._placed[id(tensor)]

    def _joint(self, tensor: Any) -> Expression:
        call = self._calls[id(tensor)]
        layer, operands = call.operation, call.operands
        width = _width(tensor)
        if _keeps_types(layer, operands):
            if (
                type(layer) is keras.layers.Dense
                and len(operands[0].shape) == 2
                and _is_plain(layer)
            ):
                return Affine(layer, self._dense_parts(layer, operands[0]), width)
            if type(layer) is keras.layers.Dot and self._are_vectors_of_both(operands):
                return DotProduct(*self._two_sides(operands, normalize=layer.normalize))
            ranks = {len(operand.shape) for operand in operands}
            if type(layer) in ELEMENTWISE and len(ranks) == 1:
                return Elementwise(layer, tuple(self.expression(t) for t in operands), width)
        place = next(i for i, t in enumerate(call.outputs) if t is tensor)
        return RowWise(call, place, {id(t): self.expression(t) for t in operands}, width)

    def _dense_parts(self, layer: keras.layers.Dense, tensor: Any) -> tuple[Expression, ...]:
        """Returns the products that a Dense layer sums; several if `tensor` is a concatenation."""
        call = self._calls[id(tensor)]
        layer_before, operands = call.operation, call.operands
        is_joined = type(layer_before) is keras.layers.Concatenate and _keeps_types(
            layer_before, operands
        )
        parts, begin = [], 0
        for part in operands if is_joined else [tensor]:
            rows = KernelRows(layer, begin, begin + part.shape[-1])
            parts.append(self._dense_part(rows, part))
            begin = rows.end
        return tuple(parts)

    def _dense_part(self, rows: KernelRows, tensor: Any) -> Expression:
        units = rows.layer.units
        side = self._side(tensor)
        if side:
            return self._one_side(rows(tensor), side)
        call = self._calls[id(tensor)]
        layer, operands = call.operation, call.operands
        is_product = type(layer) is keras.layers.Multiply and _keeps_types(layer, operands)
        if is_product and self._are_vectors_of_both(operands):
            return WeightedProduct(*self._two_sides(operands), rows, units)
        return Product(self.expression(tensor), rows, units)

    def _are_vectors_of_both(self, tensors: Sequence[Any]) -> bool:
        """Returns whether these are a [B, D] of the user and one of the item, of one width."""
        shapes = {tuple(tensor.shape) for tensor in tensors}
        sides = {self._side(tensor) for tensor in tensors}
        return (
            len(tensors) == 2 and len(shapes) == 1 and len(shapes.pop()) == 2 and None not in sides
        )

    def _two_sides(
        self, tensors: Sequence[Any], normalize: bool = False
    ) -> tuple[OneSide, OneSide]:
        """Returns the expressions of two vectors, the user's first, scaled to length 1 or not."""
        user, item = sorted(tensors, key=lambda tensor: self._side(tensor) == "item")
        if normalize:
            user, item = (keras.ops.normalize(tensor, axis=-1) for tensor in (user, item))
        return self._one_side(user, "user"), self._one_side(item, "item")


def _keeps_types(layer: Any, operands: Sequence[Any]) -> bool:
    """Returns whether a layer computes in the type of its operands: it casts none of them."""
    return {operand.dtype for operand in operands} == {getattr(layer, "compute_dtype", None)}


def _is_plain(layer: keras.layers.Dense) -> bool:
    """Returns whether the layer computes in float32 and only with its kernel."""
    return layer.dtype_policy.name == "float32" and not layer.lora_enabled


def _width(tensor: Any) -> int | None:
    sizes = tensor.shape[1:]
    return None if None in sizes else math.prod(sizes)


def _sides(graph: ModelGraph) -> dict[int, set[Side]]:
    """Returns for each tensor, by identity, which sides it depends on."""
    sides = {id(tensor): {side_of(tensor.name)} for tensor in graph.inputs}
    for call in graph.calls:
        reached = set().union(*(sides.get(id(t), set()) for t in call.operands))
        for tensor in call.outputs:
            sides[id(tensor)] = reached
    return sides
