"""The whole state of a training, in one file: weights, optimizer, random generators, callbacks.

A plain .npz of arrays by position, read without pickle. Positions hold because the same builder
with the same values makes the same variables; shapes are checked all the same. What is kept beside
the variables (of callbacks) has names of its own; older files have none of it.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from recsearch.errors import RunDirectoryError
from recsearch.system.files import whole_file


def _variables(model: keras.Model) -> list[Any]:
    """Returns every variable that the next epoch depends on, in a fixed order."""
    return [*model.variables, *model.optimizer.variables]


def save_checkpoint(
    path: Path, model: keras.Model, beside_variables: Mapping[str, NDArray[Any]] | None = None
) -> None:
    """Writes the state of a compiled model whose optimizer is built; whole or not at all.

    Args:
        path: The file.
        model: The model.
        beside_variables: What is kept beside them; a name may not be a number.
    """
    arrays: dict[str, Any] = {
        f"{i:04d}": _storable(variable) for i, variable in enumerate(_variables(model))
    }
    arrays |= beside_variables or {}
    with whole_file(path) as file:
        np.savez(file, **arrays)


def _storable(variable: Any) -> NDArray[Any]:
    """Returns a variable's values in a type that .npy has; bfloat16 becomes float32, exactly."""
    values = np.asarray(variable)
    return values.astype(np.float32) if values.dtype.kind == "V" else values


def load_checkpoint(path: Path, model: keras.Model) -> dict[str, NDArray[Any]]:
    """Sets the state of a compiled model whose optimizer is built; returns what is beside it.

    Raises:
        RunDirectoryError: If the file is missing, damaged, or of another model.
    """
    variables = _variables(model)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            kept = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RunDirectoryError(f"The checkpoint {path.name} cannot be read: {error}") from error
    positions = sorted(filter(str.isdecimal, kept), key=int)
    arrays = [kept.pop(name) for name in positions]
    expected = [tuple(variable.shape) for variable in variables]
    if [array.shape for array in arrays] != expected:
        raise RunDirectoryError(
            f"The checkpoint {path.name} is of another model: expected arrays of the shapes "
            f"{expected}, received {[array.shape for array in arrays]}. Was the builder changed?"
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
    return kept
