"""Configurations as points of a unit cube, and small steps in it.

Dimension letters: n configurations, D columns.

- A range of numbers is one column, scaled to [0, 1] by its sampling (a logarithmic range by the
  logarithm). A choice among numbers is one column too, by the position of the value.
- Any other choice is one column per value (one-hot). A Boolean is one column.
- An inactive hyperparameter has the value 0.5, and 0 in all columns of a one-hot choice. No further
  column marks it as inactive: this follows from the columns of its parents.
- A hyperparameter with a single possible value has no column.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsearch.study.seen_configurations import Configuration
from recsearch.study.trial import Scalar
from recsearch.tuning.space.sampling import (
    complete,
    full_values,
    is_active,
    possible_values,
    random_value,
)

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

    from recsearch.tuning.space.kinds import HyperParameter

_INACTIVE = 0.5
_BELOW_ONE = 1.0 - 1e-9  # Keras Tuner's `prob_to_value` takes [0, 1)
_KEEP_FRACTION = 0.5  # of the numbers of a neighbour that stay unchanged
_SWITCH_FRACTION = 0.2  # of the categories of a neighbour that are drawn again


def tunable(space: "HyperParameters") -> list["HyperParameter"]:
    """Returns the hyperparameters with more than one possible value, in the order of the space."""
    return [hp for hp in space.space if _has_choice(hp)]


def encode(
    space: "HyperParameters", configurations: Sequence[Configuration]
) -> NDArray[np.float64]:
    """Returns the points [n, D] of n configurations; missing values count as inactive."""
    points = [full_values(family, values) for family, values in configurations]
    columns = [np.empty((len(points), 0))]
    for hp in tunable(space):
        values = [point.get(hp.name) if is_active(hp, point) else None for point in points]
        columns.append(_one_hot(hp, values) if _is_unordered(hp) else _scaled(hp, values))
    return np.hstack(columns)


def neighbour(
    space: "HyperParameters", configuration: Configuration, rng: np.random.Generator
) -> Configuration:
    """Returns a configuration of the same family near a given one.

    Each number stays unchanged with probability 1/2; otherwise it moves by a normal step. The
    deviation of the steps is drawn once per neighbour, log-uniformly between 0.01 and 0.5 of a
    range. Each category is drawn again with probability 1/5. A hyperparameter that becomes active
    is sampled.
    """
    family, values = configuration
    deviation = 10.0 ** rng.uniform(-2.0, np.log10(0.5))
    given = full_values(family, values)

    def choose(hp: "HyperParameter") -> Scalar:
        # Under other conditions the same name has another range.
        value = given.get(hp.name) if is_active(hp, given) else None
        if value is None:
            return random_value(hp, rng)
        if not _has_choice(hp):
            return value
        if _is_categorical(hp):
            return random_value(hp, rng) if rng.random() < _SWITCH_FRACTION else value
        if rng.random() < _KEEP_FRACTION:
            return value
        moved: Scalar = hp.prob_to_value(_step(to_unit(hp, value), deviation, rng))
        return moved

    return family, complete(space, family, choose)


def to_unit(hp: "HyperParameter", value: Scalar) -> float:
    """Returns the position of a value in the range of a numeric hyperparameter, in [0, 1].

    A value outside the range (Keras Tuner allows such defaults) is moved to the nearest end; a
    value that is not among ordered choices takes the position of the nearest one.
    """
    from recsearch.tuning.space.kinds import Boolean, Choice

    number = float(value)
    if isinstance(hp, Boolean):
        return number
    if isinstance(hp, Choice):
        places = list(hp.values)
        nearest = int(np.argmin([abs(place - number) for place in places]))
        return (nearest + 0.5) / len(places)
    number = min(max(number, hp.min_value), hp.max_value)
    if hp.sampling == "linear":
        # Not `value_to_prob`: with a step it floors, and 0.3 // 0.1 is 2.
        return float((number - hp.min_value) / (hp.max_value - hp.min_value))
    return min(max(float(hp.value_to_prob(number)), 0.0), 1.0)


def _step(unit: float, deviation: float, rng: np.random.Generator) -> float:
    return min(max(unit + rng.normal(0.0, deviation), 0.0), _BELOW_ONE)


def _scaled(hp: "HyperParameter", values: Iterable[Scalar | None]) -> NDArray[np.float64]:
    places = [_INACTIVE if value is None else to_unit(hp, value) for value in values]
    return np.array(places, dtype=np.float64)[:, np.newaxis]


def _one_hot(hp: "HyperParameter", values: Iterable[Scalar | None]) -> NDArray[np.float64]:
    choices = list(possible_values(hp) or ())
    rows = [[float(value == choice) for choice in choices] for value in values]
    return np.array(rows, dtype=np.float64).reshape(-1, len(choices))


def _has_choice(hp: "HyperParameter") -> bool:
    values = possible_values(hp)
    return values is None or len(list(islice(values, 2))) > 1


def _is_categorical(hp: "HyperParameter") -> bool:
    from recsearch.tuning.space.kinds import Boolean

    return isinstance(hp, Boolean) or _is_unordered(hp)


def _is_unordered(hp: "HyperParameter") -> bool:
    from recsearch.tuning.space.kinds import Choice

    # Keras Tuner calls a Choice of Booleans ordered, since Python counts them as numbers.
    return isinstance(hp, Choice) and (not hp.ordered or isinstance(hp.values[0], bool))
