"""The whole state of a training, in one file: weights, optimizer, random generators.

A plain .npz of arrays by position, read without pickle. Positions hold because the same builder
with the same values makes the same variables; shapes are checked all the same.
"""

import os
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from recsearch.errors import RunDirectoryError


def _variables(model: keras.Model) -> list[Any]:
    """Returns every variable that the next epoch depends on, in a fixed order."""
    return [*model.variables, *model.optimizer.variables]


def save_checkpoint(path: Path, model: keras.Model) -> None:
    """Writes the state of a compiled model whose optimizer is built; atomic."""
    arrays: dict[str, Any] = {
        f"{i:04d}": np.asarray(variable) for i, variable in enumerate(_variables(model))
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".partial")
    with beside.open("wb") as file:
        np.savez(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def load_checkpoint(path: Path, model: keras.Model) -> None:
    """Sets the state of a compiled model whose optimizer is built.

    Raises:
        RunDirectoryError: If the file is missing, damaged, or of another model.
    """
    variables = _variables(model)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = [stored[f"{i:04d}"] for i in range(len(stored.files))]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RunDirectoryError(f"The checkpoint {path.name} cannot be read: {error}") from error
    expected = [tuple(variable.shape) for variable in variables]
    if [array.shape for array in arrays] != expected:
        raise RunDirectoryError(
            f"The checkpoint {path.name} is of another model: expected arrays of the shapes "
            f"{expected}, received {[array.shape for array in arrays]}. Was the builder changed?"
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
