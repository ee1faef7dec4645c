"""`--enqueue`: configurations that the user wants tried first."""

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recsearch.errors import SpaceError
from recsearch.study.aliases import with_current_names
from recsearch.study.trial import Scalar
from recsearch.tuning.space.overrides import Override, split_at_commas
from recsearch.tuning.space.sampling import ROOT, as_hyperparameters, is_active


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
    is_file = argument.endswith(".json")
    given = with_current_names(_from_file(Path(argument)) if is_file else _from_text(argument))
    families = next(list(hp.values) for hp in space.space if hp.name == ROOT)
    family = str(given.pop(ROOT, families[0] if len(families) == 1 else ""))
    if family not in families:
        raise SpaceError(
            f"--enqueue {argument}: expected space=NAME with one of {', '.join(families)}, "
            f"received {family!r}."
        )
    typed = _typed_values(given, family, space)
    prefix = f"{family}/"
    complete = as_hyperparameters(space, family, typed).values
    return family, {k.removeprefix(prefix): v for k, v in complete.items() if k != ROOT}


def _from_text(argument: str) -> dict[str, Any]:
    try:
        pairs = [part.partition("=") for part in split_at_commas(argument)]
    except ValueError as error:
        raise SpaceError(f"--enqueue {argument}: {error}") from error
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


def _typed_values(given: Mapping[str, Any], family: str, space: Any) -> dict[str, Scalar]:
    """Returns each value in the type of its hyperparameter.

    Under other values of its parents, a name may be another hyperparameter: the active one counts.
    """
    prefix = f"{family}/"
    named = {hp.name.removeprefix(prefix): hp for hp in reversed(space.space)}  # the first of each
    for name in given:
        if f"{prefix}{name}" not in (hp.name for hp in space.space):
            raise SpaceError(_unknown(name, family, space))
    values: dict[str, Scalar] = {ROOT: family}
    for hp in space.space:
        if hp.name not in values and is_active(hp, values):
            name = hp.name.removeprefix(prefix)
            named[name] = hp
            values[hp.name] = _typed(name, given[name], hp) if name in given else hp.default
    return {name: _typed(name, value, named[name]) for name, value in given.items()}


def _typed(name: str, value: Any, hyperparameter: Any) -> Scalar:
    typed: list[Scalar] = list(Override(name, str(value)).apply(hyperparameter).values)
    if len(typed) > 1:
        raise SpaceError(f"--enqueue: {name} takes one value. Received: {str(value)!r}.")
    return typed[0]


def _unknown(name: str, family: str, space: Any) -> str:
    names = [hp.name.partition("/")[2] for hp in space.space if hp.name.startswith(f"{family}/")]
    close = difflib.get_close_matches(name, names)
    listing = ", ".join(sorted(set(names)))
    hint = f" Did you mean {close[0]}?" if close else f" There are: {listing}."
    return f"--enqueue: {family} has no hyperparameter called {name!r}.{hint}"
