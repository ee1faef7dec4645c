"""Hyperparameters whose range depends on the value of another one.

    optimizer = hp.Choice("optimizer", ["adam", "sgd"])
    low, high = (1e-4, 1e-2) if optimizer == "adam" else (0.1, 1.0)
    hp.Float("learning_rate", low, high)

For Keras Tuner this is one hyperparameter, and the first range that it sees is the only one. Here
each range gets a condition on the hyperparameter that selects it (`optimizer` in the example), as
if the builder had used `hp.conditional_scope`. This hyperparameter is found by running the builder
at many configurations.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras_tuner
import numpy as np

from recsearch.errors import SpaceError
from recsearch.study.full_name import SPACE, FullName
from recsearch.study.trial import Scalar
from recsearch.tuning.space.sampling import possible_values

MAX_VALUES = 16
"""A hyperparameter with more values than this cannot select the range of another one."""

_NUM_SURROUNDINGS = 4  # points at which each value of a selecting hyperparameter is tried

Point = Mapping[str, Scalar]
"""Full name -> value of the hyperparameters that a builder read before a definition."""

Probe = Callable[[Mapping[str, Scalar]], Any]
"""Runs a builder at values (by full name) and returns the `HyperParameters` that it filled."""

_Key = tuple[str, str]  # full name, conditions as JSON


@dataclass
class _Definition:
    """One range of a hyperparameter, and the configurations at which it was seen."""

    hyperparameter: Any
    points: list[Point] = field(default_factory=list)


_Seen = dict[_Key, dict[str, _Definition]]


def separate_ranges(found: Any, probed: Sequence[Any], probe: Probe) -> Any:
    """Returns the space with each range of a hyperparameter under the conditions that it needs.

    Args:
        found: The `keras_tuner.HyperParameters` of one family, with the first range of each name.
        probed: The `HyperParameters` of all builds so far, with their values.
        probe: Runs the builder once more.

    Raises:
        SpaceError: If a range is not selected by a single hyperparameter of at most 16 values.
    """
    seen: _Seen = {}
    for hp in probed:
        _note(seen, hp)
    varying = [key for key, definitions in seen.items() if len(definitions) > 1]
    if not varying:
        return found
    names = {name for name, _ in varying}
    candidates = [hp for hp in found.space if hp.name not in {SPACE, *names} and _is_short(hp)]
    deciding = {key: _deciding(key, seen, candidates, found, probe) for key in varying}
    return _with_conditions(found, {key: (deciding[key], seen[key]) for key in varying})


def _note(seen: _Seen, hp: Any) -> None:
    """Records the definitions of one build in `seen`."""
    point: dict[str, Scalar] = {}
    for each in hp.space:
        config = json.dumps(each.get_config(), sort_keys=True, default=str)
        definitions = seen.setdefault(_key(each.get_config()), {})
        definitions.setdefault(config, _Definition(each)).points.append(dict(point))
        if hp.is_active(each):
            point[each.name] = hp.values[each.name]


def _key(config: Mapping[str, Any]) -> _Key:
    return config["name"], json.dumps(config["conditions"], sort_keys=True, default=str)


def _is_short(hp: Any) -> bool:
    values = possible_values(hp)
    return values is not None and len(list(values)) <= MAX_VALUES


def _deciding(
    key: _Key, seen: _Seen, candidates: Sequence[Any], found: Any, probe: Probe
) -> Any | None:
    """Returns the hyperparameter whose value selects the range of `key`."""
    for candidate in candidates:
        if _by_value(candidate.name, seen[key]) is None:
            continue
        for point in _surroundings(candidate, found):
            _note(seen, probe(point))
        if _by_value(candidate.name, seen[key]) is not None:
            return candidate
    raise SpaceError(_refusal(key[0], list(seen[key].values())))


def _by_value(name: str, definitions: Mapping[str, _Definition]) -> dict[Scalar, str] | None:
    """Returns value -> definition; None if a value has several definitions or is unknown."""
    by_value: dict[Scalar, str] = {}
    for config, definition in definitions.items():
        for point in definition.points:
            if by_value.setdefault(point.get(name, ""), config) != config or name not in point:
                return None
    return by_value


def _surroundings(candidate: Any, found: Any) -> Iterable[dict[str, Scalar]]:
    """Yields points with each value of a hyperparameter, among defaults and random values."""
    rng = np.random.default_rng(0)
    parents = {c.name: c.values[0] for c in candidate.conditions if c.name != SPACE}
    for value in possible_values(candidate) or ():
        yield parents | {candidate.name: value}
        for _ in range(_NUM_SURROUNDINGS):
            others = {
                hp.name: hp.random_sample(int(rng.integers(2**31)))
                for hp in found.space
                if hp.name != SPACE
            }
            yield others | parents | {candidate.name: value}


def _with_conditions(found: Any, varying: Mapping[_Key, tuple[Any, dict[str, _Definition]]]) -> Any:
    config = found.get_config()
    space: list[dict[str, Any]] = []
    for entry in config["space"]:
        key = _key(entry["config"])
        if key not in varying:
            space.append(entry)
            continue
        candidate, definitions = varying[key]
        by_value = _by_value(candidate.name, definitions) or {}
        for text, definition in definitions.items():
            values = [value for value, of_value in by_value.items() if of_value == text]
            parent = {"class_name": "Parent", "config": {"name": candidate.name, "values": values}}
            changed = definition.hyperparameter.get_config()
            changed["conditions"] = [*changed["conditions"], parent]
            kind = type(definition.hyperparameter).__name__
            space.append({"class_name": kind, "config": changed})
    return keras_tuner.HyperParameters.from_config({**config, "space": space})


def _refusal(name: str, definitions: Sequence[_Definition]) -> str:
    """Returns the message: two ranges, and the values at which the builder declared them."""
    first, second = definitions[:2]
    pairs = ((one, other) for one in first.points for other in second.points)
    one, other = min(pairs, key=lambda pair: len(_differing(*pair)))
    differing = _differing(one, other)
    bare = FullName.parse(name).bare
    parent = FullName.parse(next(iter(differing), "NAME")).bare
    return (
        f"The hyperparameter {bare} has different ranges: {first.hyperparameter!r} at "
        f"{_shown(one, differing)}, but {second.hyperparameter!r} at {_shown(other, differing)}. "
        "A range may depend on only one Choice, Boolean or short Int. Use two names, or define "
        f'each range inside `with hp.conditional_scope("{parent}", [...]):`.'
    )


def _differing(one: Point, other: Point) -> list[str]:
    return [name for name in (one | other) if one.get(name) != other.get(name)]  # type: ignore[operator]


def _shown(point: Point, names: Sequence[str]) -> str:
    shown = [f"{FullName.parse(name).bare}={point[name]}" for name in names if name in point]
    return ", ".join(shown) or "its default values"
