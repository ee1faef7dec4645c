"""`--enqueue`: configurations that are tried first, as the user asked."""

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recsearch.errors import SpaceError
from recsearch.study.aliases import with_current_names
from recsearch.study.full_name import SPACE, FullName
from recsearch.study.trial import Scalar
from recsearch.tuning.space.overrides import Override, split_at_commas
from recsearch.tuning.space.sampling import as_hyperparameters, is_active


def parse_configuration(argument: str, space: Any) -> tuple[str, dict[str, Scalar]]:
    """Returns the family and values of a `--enqueue` argument.

    A hyperparameter that the argument does not name takes its default.

    Args:
        argument: "learning_rate=0.001,embedding_dim=64", with "space=neumf" if there are several
            families; or the path of a JSON file such as best/hyperparameters.json.
        space: The discovered `keras_tuner.HyperParameters`.

    Raises:
        SpaceError: If it cannot be read, or a name or value is not in the space.
    """
    is_file = argument.endswith(".json")
    given = with_current_names(_from_file(Path(argument)) if is_file else _from_text(argument))
    families = next(list(hp.values) for hp in space.space if hp.name == SPACE)
    family = str(given.pop(SPACE, families[0] if len(families) == 1 else ""))
    if family not in families:
        raise SpaceError(
            f"--enqueue {argument}: expected space=NAME with one of {', '.join(families)}, "
            f"received {family!r}."
        )
    typed = _typed_values(given, family, space)
    complete = as_hyperparameters(space, family, typed).values
    return family, {FullName.parse(k).bare: v for k, v in complete.items() if k != SPACE}


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
    root = {SPACE: content[SPACE]} if SPACE in content else {}
    return {**values, **root}


def _typed_values(given: Mapping[str, Any], family: str, space: Any) -> dict[str, Scalar]:
    """Returns each value in the type of its hyperparameter.

    One name may have several definitions, under different conditions; the active one counts.
    """
    own = [hp for hp in reversed(space.space) if FullName.parse(hp.name).family == family]
    named = {FullName.parse(hp.name).bare: hp for hp in own}  # the first of each name
    for name in given:
        if name not in named:
            raise SpaceError(_unknown(name, family, space))
    values: dict[str, Scalar] = {SPACE: family}
    for hp in space.space:
        if hp.name not in values and is_active(hp, values):
            name = FullName.parse(hp.name).bare
            named[name] = hp
            values[hp.name] = _typed(name, given[name], hp) if name in given else hp.default
    return {name: _typed(name, value, named[name]) for name, value in given.items()}


def _typed(name: str, value: Any, hyperparameter: Any) -> Scalar:
    typed: list[Scalar] = list(Override(name, str(value)).apply(hyperparameter).values)
    if len(typed) > 1:
        raise SpaceError(f"--enqueue: {name} takes one value. Received: {str(value)!r}.")
    return typed[0]


def _unknown(name: str, family: str, space: Any) -> str:
    parsed = [FullName.parse(hp.name) for hp in space.space]
    names = [name.bare for name in parsed if name.family == family]
    close = difflib.get_close_matches(name, names)
    listing = ", ".join(sorted(set(names)))
    hint = f" Did you mean {close[0]}?" if close else f" There are: {listing}."
    return f"--enqueue: {family} has no hyperparameter called {name!r}.{hint}"
