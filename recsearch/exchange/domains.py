"""The values that a hyperparameter may take, under its bare name, in the form other tools expect.

In a run several families, or several branches of one family, may have a hyperparameter of the same
name with different ranges. Other tools know one domain per name: here the smallest domain that
contains all of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from recsearch.results.run_description import Hyperparameter
from recsearch.study.full_name import SPACE
from recsearch.study.trial import Scalar, Trial


@dataclass(frozen=True)
class Choices:
    """A choice among values, in the order of their definition; also a fixed value, and yes or no.

    Attributes:
        values: Each once; True and 1 are two values.
    """

    values: tuple[Scalar, ...]


@dataclass(frozen=True)
class NumberRange:
    """A range of numbers, both ends included; a step is left out.

    Attributes:
        low: The lowest value.
        high: The highest value.
        whole: Whether it contains only whole numbers.
        log: Whether the logarithm is sampled evenly.
    """

    low: float
    high: float
    whole: bool
    log: bool


Domain = Choices | NumberRange


def trial_values(trial: Trial) -> dict[str, Scalar]:
    """Returns the values of a trial after its family, which is called `space`."""
    return {SPACE: trial.space, **trial.values}


def domains(space: Sequence[Hyperparameter], trials: Iterable[Trial] = ()) -> dict[str, Domain]:
    """Returns the domain of each hyperparameter by its bare name, and of `space`.

    Args:
        space: The hyperparameters of run.json, under their full names (family/name).
        trials: All their values are included, also values that `space` does not contain.
    """
    found: dict[str, Domain] = {}
    for each in space:
        name, domain = each.bare, _domain(each)
        found[name] = _join(found[name], domain) if name in found else domain
    taken: dict[str, list[Scalar]] = {}
    for trial in trials:
        for name, value in trial_values(trial).items():
            taken.setdefault(name, []).append(value)
    for name, values in taken.items():
        found[name] = _including(found.get(name, Choices(())), values)
    return found


def _domain(each: Hyperparameter) -> Domain:
    if each.values:
        return Choices(each.values)
    if each.kind == "Boolean":
        return Choices((False, True))
    if each.min_value is None or each.max_value is None:
        return Choices(() if each.default is None else (each.default,))
    return NumberRange(each.min_value, each.max_value, each.kind == "Int", each.sampling == "log")


def _join(one: Domain, other: Domain) -> Domain:
    """Returns the smallest domain that contains both; a range includes numbers, but not texts."""
    if isinstance(one, NumberRange) and isinstance(other, NumberRange):
        low, high = min(one.low, other.low), max(one.high, other.high)
        return NumberRange(low, high, one.whole and other.whole, one.log and other.log)
    if isinstance(one, Choices) and isinstance(other, Choices):
        return Choices(_each_once((*one.values, *other.values)))
    if isinstance(one, NumberRange) and isinstance(other, Choices):
        return _including(one, other.values)
    return _join(other, one)


def _including(domain: Domain, values: Sequence[Scalar]) -> Domain:
    if isinstance(domain, Choices):
        return Choices(_each_once((*domain.values, *values)))
    numbers = [v for v in values if not isinstance(v, str | bool)]
    if len(numbers) < len(values):
        return Choices(_each_once((domain.low, domain.high, *values)))
    low, high = min(domain.low, *numbers), max(domain.high, *numbers)
    whole = domain.whole and all(isinstance(number, int) for number in numbers)
    return NumberRange(low, high, whole, domain.log and low > 0)


def _each_once(values: Iterable[Scalar]) -> tuple[Scalar, ...]:
    return tuple({(isinstance(value, bool), value): value for value in values}.values())
