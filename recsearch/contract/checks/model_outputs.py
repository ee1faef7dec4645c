"""Checks of a model: its output is a score, and its tables have a row for every index."""

import math
from collections.abc import Mapping
from typing import Any

import keras

from recsearch.contract.kinds import InputSpec
from recsearch.errors import SpaceError


def check_output(model: keras.Model, pairs: bool) -> None:
    """Refuses a model whose output is not one floating-point tensor of scores.

    Args:
        model: Functional.
        pairs: Whether it scores pairs: the output is [B] or [B, 1].

    Raises:
        SpaceError: If the output has another structure, shape or type.
    """
    output = model.output
    is_single = len(model.outputs) == 1 and not isinstance(output, dict)
    if not is_single:
        raise SpaceError(
            f"A model must have one output tensor, {_expected(pairs)}. Received: {_shown(output)}. "
            "Return keras.Model(inputs, scores)."
        )
    (scores,) = model.outputs
    shape = scores.shape[1:]
    wrong_shape = not scores.shape or (pairs and None not in shape and math.prod(shape) != 1)
    if wrong_shape or "float" not in str(scores.dtype):
        raise SpaceError(
            f"The output of the model must be {_expected(pairs)}. Received: {_shown(scores)}. "
            "End the model in keras.layers.Dense(1) or a dot product."
        )


def _expected(pairs: bool) -> str:
    return "float scores of shape [batch] or [batch, 1]" if pairs else "float scores of every item"


def _shown(output: Any) -> str:
    if isinstance(output, dict):
        entries = ", ".join(f"{name!r}: {_shown(tensor)}" for name, tensor in output.items())
        return f"a dictionary of {len(output)} ({entries})"
    if isinstance(output, list | tuple):
        return f"a list of {len(output)} ({', '.join(map(_shown, output))})"
    sizes = ["batch" if size is None else str(size) for size in output.shape]
    return f"{output.dtype} [{', '.join(sizes)}]"


def check_tables(model: keras.Model, inputs: Mapping[str, InputSpec]) -> None:
    """Refuses an embedding table that is too short for the indices of the input that it looks up.

    A table behind another layer, or inside a nested model, is not found here.

    Args:
        model: Functional.
        inputs: The inputs that the data can feed, by name.

    Raises:
        SpaceError: With the name of the layer.
    """
    for layer in model.layers:
        spec = inputs.get(_looked_up(layer))
        if spec is None or spec.indices is None:
            continue
        size, source, zero = spec.indices
        if layer.input_dim < size:
            raise SpaceError(
                f"The table of the layer {layer.name!r} has too few rows for the input "
                f"{spec.name}: expected at least {size:,} ({source}, which counts index 0, {zero})."
                f" Received: {layer.input_dim:,}."
            )


def _looked_up(layer: keras.layers.Layer) -> str:
    """Returns the name of the tensor that an embedding layer looks up; "" for another layer."""
    is_table = getattr(layer, "looks_up_indices", isinstance(layer, keras.layers.Embedding))
    if not is_table:
        return ""
    try:
        return str(layer.input.name)
    except (AttributeError, ValueError):  # called at several places
        return ""
