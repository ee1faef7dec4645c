"""Configurations of a search space: sampled, listed, counted and compared.

A search space is one `keras_tuner.HyperParameters`. Its root is `Choice("space", families)`. The
hyperparameters of a family have full names, `family/name`, and the condition `space == family`,
possibly with further conditions. A configuration is a family with the values of its active
hyperparameters, by bare name. No function here changes the space that it is given.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from recsearch.errors import SpaceError
from recsearch.study.full_name import SPACE, FullName
from recsearch.study.history import History
from recsearch.study.seen_configurations import Configuration, Tried
from recsearch.study.trial import Scalar, Trial

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

    from recsearch.tuning.space.kinds import Choice, HyperParameter

_NUM_DRAWS = 200  # after this many collisions in a row, the space is listed
_SMALL_SPACE = 10_000  # listing more configurations would take longer than a second


def sample(space: "HyperParameters", rng: np.random.Generator) -> Configuration:
    """Returns a random configuration: a uniform family, then each value by its range's sampling.

    Values come from Keras Tuner's `HyperParameter.random_sample`, parents before children.
    """
    family = _root(space).random_sample(_seed(rng))
    return family, complete(space, family, lambda hp: random_value(hp, rng))


def random_value(hp: "HyperParameter", rng: np.random.Generator) -> Scalar:
    """Returns a random value of one hyperparameter, drawn by its `sampling`."""
    value: Scalar = hp.random_sample(_seed(rng))
    return value


def defaults(space: "HyperParameters") -> list[Configuration]:
    """Returns the default configuration of each family, in the order of the root choice."""
    families = dict.fromkeys(_root(space).values)
    return [(family, complete(space, family, lambda hp: hp.default)) for family in families]


def complete(
    space: "HyperParameters", family: str, choose: Callable[["HyperParameter"], Scalar]
) -> dict[str, Scalar]:
    """Returns the values of all hyperparameters that are active in a configuration.

    Args:
        space: The search space.
        family: The value of the root.
        choose: Called once for each active hyperparameter, parents first; returns its value.

    Returns:
        Bare name -> value. If two active hyperparameters have the same name, the first counts.
    """
    values: dict[str, Scalar] = {SPACE: family}
    for hp in space.space:
        if hp.name not in values and is_active(hp, values):
            values[hp.name] = choose(hp)
    return _bare(values)


def is_active(hp: "HyperParameter", values: Mapping[str, Scalar]) -> bool:
    """Returns whether all conditions of `hp` hold, given full name -> value of its parents."""
    return all(condition.is_active(values) for condition in hp.conditions)


def full_values(family: str, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Returns full name -> value, the root included, from a family and its bare names."""
    return {SPACE: family} | {str(FullName(family, name)): v for name, v in values.items()}


def possible_values(hp: "HyperParameter") -> Iterable[Scalar] | None:
    """Returns each value that `hp` can take, once and in order; None for a continuous range."""
    from recsearch.tuning.space.kinds import Float, Int

    if isinstance(hp, Float) and hp.step is None:
        return [hp.min_value] if hp.min_value == hp.max_value else None
    if isinstance(hp, Int) and (hp.step is None or hp.sampling == "linear"):
        # Keras Tuner's own `values` of an unstepped range are ten samples of it, not all.
        return range(hp.min_value, hp.max_value + 1, hp.step or 1)
    if isinstance(hp, Int):
        # Keras Tuner lists a logarithmic Int as floats, but samples whole numbers.
        return [int(value) for value in hp.values]
    if isinstance(hp, Float):
        values: Iterable[Scalar] = hp.values
        return values
    return list(dict.fromkeys(hp.values))


def allows(hp: "HyperParameter", value: Scalar) -> bool:
    """Returns whether a value is in the range or among the choices of `hp`; steps do not count.

    The default of `hp` is always allowed: Keras Tuner accepts defaults outside the range.
    """
    if value == hp.default:
        return True
    if not hasattr(hp, "min_value"):
        return value in (possible_values(hp) or ())
    if isinstance(value, str):
        return False
    # A value on a log scale may leave the range by rounding.
    margin = 1e-9 * max(abs(hp.min_value), abs(hp.max_value))
    return bool(hp.min_value - margin <= value <= hp.max_value + margin)


def enumerate_configurations(space: "HyperParameters", limit: int) -> list[Configuration] | None:
    """Returns every configuration once, or None if there are more than `limit`, or infinitely many.

    Defaults that are not on the grid of their range (Keras Tuner allows them) are not listed.
    """
    found: list[Configuration] = []
    for values in _all_values(space.space, {}):
        if values is None or len(found) == limit:
            return None
        family = str(values[SPACE])
        found.append((family, _bare(values)))
    return found


def count_configurations(space: "HyperParameters", limit: int) -> int | None:
    """Returns how many configurations there are; None if more than `limit`, or infinitely many."""
    found = enumerate_configurations(space, limit)
    return None if found is None else len(found)


def tried_configurations(space: "HyperParameters", trials: Sequence[Trial]) -> Tried:
    """Returns the configurations of the trials; a `History` keeps them up to date."""
    return History.of(trials).tried(frozenset(hp.name for hp in space.space))


def fresh_sample(
    space: "HyperParameters", rng: np.random.Generator, tried: Tried
) -> Configuration | None:
    """Returns a random configuration that was not tried yet, or None if none remains.

    First it draws at random. If all draws collide, it lists the space and chooses uniformly among
    the untried configurations. A space that collides although it is too large to list counts as
    exhausted: its builders do not read the hyperparameters that make it large.
    """
    for _ in range(_NUM_DRAWS):
        family, values = sample(space, rng)
        if (family, values) not in tried:
            return family, values
    listed = enumerate_configurations(space, _SMALL_SPACE) or []
    left = [entry for entry in listed if entry not in tried]
    return left[rng.integers(len(left))] if left else None


def next_configuration(
    space: "HyperParameters", seed: int, trials: Sequence[Trial]
) -> Configuration | None:
    """Returns the configuration that a random search tries next; None if all have been tried.

    The defaults of each family come first. The random generator depends only on the seed and the
    number of trials, so a resumed search continues as if it had never stopped.
    """
    tried = tried_configurations(space, trials)
    untried = untried_default(space, tried)
    if untried is not None:
        return untried
    return fresh_sample(space, np.random.default_rng([seed, len(trials)]), tried)


def untried_default(space: "HyperParameters", tried: Tried) -> Configuration | None:
    """Returns the first family's default configuration that was not tried yet, or None."""
    for family, values in defaults(space):
        # A trial that died before it reported its values may have been the default. Without the
        # first test, a default that kills its worker would be proposed again and again.
        if not tried.holds_unread(family) and (family, values) not in tried:
            return family, values
    return None


def as_hyperparameters(
    space: "HyperParameters", family: str, values: Mapping[str, Scalar]
) -> "HyperParameters":
    """Returns a copy of the space with the values of one configuration, ready for a builder.

    Active hyperparameters that `values` does not name get their defaults: Keras Tuner raises a
    KeyError without a message if a builder reads a missing one.

    Raises:
        SpaceError: The space has no such family.
    """
    families = list(_root(space).values)
    if family not in families:
        raise SpaceError(
            f"Expected a family of the search space, one of {families}. Received: {family!r}. "
            "Name one of these, or add the family to the search."
        )
    filled = complete(space, family, lambda hp: _given(hp, values))
    copy = space.copy()
    copy.values = full_values(family, {**filled, **values})
    return copy


def _given(hp: "HyperParameter", values: Mapping[str, Scalar]) -> Scalar:
    default: Scalar = hp.default
    return values.get(FullName.parse(hp.name).bare, default)


def _root(space: "HyperParameters") -> "Choice":
    for hp in space.space:
        if hp.name == SPACE and not hp.conditions:
            return hp
    names = [hp.name for hp in space.space]
    raise SpaceError(
        f"Expected a search space with a root choice named {SPACE!r}. Received the names: {names}. "
        f"Begin it with `hp.Choice({SPACE!r}, families)`."
    )


def _all_values(
    hyperparameters: Sequence["HyperParameter"], values: dict[str, Scalar]
) -> Iterator[dict[str, Scalar] | None]:
    """Yields full name -> value of each configuration; None where a range is continuous."""
    for index, hp in enumerate(hyperparameters):
        if hp.name in values or not is_active(hp, values):
            continue
        choices = possible_values(hp)
        if choices is None:
            yield None
            return
        for value in choices:
            yield from _all_values(hyperparameters[index + 1 :], {**values, hp.name: value})
        return
    yield values


def _bare(values: Mapping[str, Scalar]) -> dict[str, Scalar]:
    return {FullName.parse(name).bare: v for name, v in values.items() if name != SPACE}


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**63))
