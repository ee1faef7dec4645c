"""Which layer of a model an operation of TensorFlow belongs to."""

import re
from collections.abc import Iterable

import keras


def layer_of(model: keras.Model, operations: Iterable[str]) -> str | None:
    """Returns the name of the first layer in whose scope one of the operations is, or None.

    Args:
        model: The model.
        operations: Names as TensorFlow writes them: "while/functional_1/table_1/GatherV2".
    """
    # A graph in which a name already occurs appends a number to it.
    scopes = {scope for name in operations for scope in name.split("/")}
    scopes |= {re.sub(r"_\d+$", "", scope) for scope in scopes}
    return next((layer.name for layer in model.layers if layer.name in scopes), None)
