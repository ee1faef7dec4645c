"""Splits a functional model into the part of the user, the part of the item, and what joins them.

Scoring a catalogue then computes each user and each item once; only the joint part runs for every
pair. The split follows the graph alone, so it knows no model family.
"""

from dataclasses import dataclass
from typing import Any

import keras


@dataclass(frozen=True)
class SplitModel:
    """Three functions that compose to the model.

    Attributes:
        user: User inputs -> the tensors that the joint part takes from the user's side.
        item: Item inputs -> the tensors that the joint part takes from the item's side.
        joint: The user's tensors, then the item's -> the model's output.
        user_inputs: Names of the user inputs, in order.
        item_inputs: Names of the item inputs, in order.
    """

    user: keras.Function
    item: keras.Function
    joint: keras.Function
    user_inputs: tuple[str, ...]
    item_inputs: tuple[str, ...]


def split_by_side(model: keras.Model) -> SplitModel | None:
    """Returns the split of a functional model with user and item inputs, or None if it has none.

    Masks are not carried across the cut: the caller compares the split with the model on random
    pairs before it trusts it.
    """
    sides = _sides(model)
    boundary = _boundary(model, sides)
    user_inputs = [tensor for tensor in model.inputs if tensor.name.startswith("user_")]
    item_inputs = [tensor for tensor in model.inputs if tensor.name.startswith("item_")]
    user_side = [tensor for tensor in boundary if sides[id(tensor)] == {"user"}]
    item_side = [tensor for tensor in boundary if sides[id(tensor)] == {"item"}]
    if not user_side or not item_side:
        return None
    return SplitModel(
        user=keras.Function(user_inputs, user_side),
        item=keras.Function(item_inputs, item_side),
        joint=keras.Function([*user_side, *item_side], model.outputs[0]),
        user_inputs=tuple(tensor.name for tensor in user_inputs),
        item_inputs=tuple(tensor.name for tensor in item_inputs),
    )


def _nodes(model: keras.Model) -> list[Any]:
    """Returns the nodes of the model's graph, each after the nodes that it depends on."""
    by_depth = model._nodes_by_depth  # Keras names no public way to walk a functional graph
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]


def _sides(model: keras.Model) -> dict[int, set[str]]:
    """Returns for each tensor, by identity, which sides it depends on."""
    sides = {id(tensor): {tensor.name.split("_")[0]} for tensor in model.inputs}
    for node in _nodes(model):
        if node.is_input:
            continue
        reached = set().union(*(sides.get(id(t), set()) for t in node.input_tensors))
        for tensor in node.output_tensors:
            sides[id(tensor)] = reached
    return sides


def _boundary(model: keras.Model, sides: dict[int, set[str]]) -> list[Any]:
    """Returns the one-sided tensors that a two-sided operation, or the output, takes."""
    both = {"user", "item"}
    boundary: dict[int, Any] = {}
    for node in _nodes(model):
        if not node.is_input and sides[id(node.output_tensors[0])] == both:
            for tensor in node.input_tensors:
                if sides[id(tensor)] != both:
                    boundary[id(tensor)] = tensor
    return list(boundary.values())
