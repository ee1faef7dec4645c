"""`--enqueue`: configurations that the user wants tried first."""

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recsearch.errors import SpaceError
from recsearch.tuning.overrides import Override
from recsearch.tuning.sampling import ROOT, as_hyperparameters
from recsearch.tuning.trial import Scalar


def parse_configuration(argument: str, space: Any) -> tuple[str, dict[str, Scalar]]:
    """Returns (family, values) of NAME=VALUE,... or of a JSON file (best/hyperparameters.json).

    What is not given takes its default.

    Args:
        argument: "learning_rate=0.001,embedding_dim=64", with "space=neumf" where there are
            several families; or the path of a JSON file.
        space: The discovered `keras_tuner.HyperParameters`.

    Raises:
        SpaceError: If it cannot be read, or names what is not in the space.
    """
    given = _from_file(Path(argument)) if argument.endswith(".json") else _from_text(argument)
    families = next(list(hp.values) for hp in space.space if hp.name == ROOT)
    family = str(given.pop(ROOT, families[0] if len(families) == 1 else ""))
    if family not in families:
        raise SpaceError(
            f"--enqueue {argument}: expected space=NAME with one of {', '.join(families)}, "
            f"received {family!r}."
        )
    typed = {name: _typed(name, value, family, space) for name, value in given.items()}
    prefix = f"{family}/"
    complete = as_hyperparameters(space, family, typed).values
    return family, {k.removeprefix(prefix): v for k, v in complete.items() if k != ROOT}


def _from_text(argument: str) -> dict[str, Any]:
    pairs = [part.partition("=") for part in argument.split(",")]
    if not all(name.strip() and equals and value.strip() for name, equals, value in pairs):
        raise SpaceError(
            f"--enqueue takes NAME=VALUE,NAME=VALUE,... or a .json file. Received: {argument!r}."
        )
    return {name.strip(): value.strip() for name, _, value in pairs}


def _from_file(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SpaceError(f"--enqueue {path}: {error}") from error
    values = content.get("hyperparameters", content) if isinstance(content, Mapping) else content
    if not isinstance(values, Mapping):
        raise SpaceError(f"--enqueue {path}: expected a JSON object, received {values!r:.60}.")
    root = {ROOT: content[ROOT]} if ROOT in content else {}
    return {**values, **root}


def _typed(name: str, value: Any, family: str, space: Any) -> Scalar:
    """Returns the value in the type of the hyperparameter that it is meant for."""
    for hp in space.space:
        if hp.name == f"{family}/{name}":
            typed: list[Scalar] = list(Override(name, str(value)).apply(hp).values)
            if len(typed) > 1:
                raise SpaceError(f"--enqueue: {name} takes one value. Received: {str(value)!r}.")
            return typed[0]
    names = [hp.name.partition("/")[2] for hp in space.space if hp.name.startswith(f"{family}/")]
    close = difflib.get_close_matches(name, names)
    listing = ", ".join(sorted(set(names)))
    hint = f" Did you mean {close[0]}?" if close else f" There are: {listing}."
    raise SpaceError(f"--enqueue: {family} has no hyperparameter called {name!r}.{hint}")
