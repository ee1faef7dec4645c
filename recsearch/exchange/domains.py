"""The values that a hyperparameter may take, under its bare name, as other tools want it told.

In a run several families, or several branches of one, may have a hyperparameter of the same name
with different ranges. Other tools know one domain a name: here the smallest that holds them all.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recsearch.study.full_name import SPACE, FullName
from recsearch.study.trial import Scalar, Trial


@dataclass(frozen=True)
class Choices:
    """A choice among values, in the order of their definition; also a fixed value, and yes or no.

    Attributes:
        values: Each once; True and 1 are two values.
    """

    values: tuple[Scalar, ...]


@dataclass(frozen=True)
class Interval:
    """A range of numbers, both ends included; a step is not told.

    Attributes:
        low: The lowest value.
        high: The highest value.
        whole: Whether only whole numbers lie in it.
        log: Whether its logarithm is what is sampled evenly.
    """

    low: float
    high: float
    whole: bool
    log: bool


Domain = Choices | Interval


def trial_values(trial: Trial) -> dict[str, Scalar]:
    """Returns the values of a trial, with its family under `space` in front."""
    return {SPACE: trial.space, **trial.values}


def domains(space: Sequence[Mapping[str, Any]], trials: Iterable[Trial] = ()) -> dict[str, Domain]:
    """Returns the domain of each hyperparameter by its bare name, and of `space`.

    Args:
        space: The hyperparameters of run.json, under their full names (family/name).
        trials: Each value that they have lies in the domain of its name, whatever `space` says.
    """
    found: dict[str, Domain] = {}
    for each in space:
        name, domain = FullName.parse(str(each["name"])).bare, _domain(each)
        found[name] = _join(found[name], domain) if name in found else domain
    taken: dict[str, list[Scalar]] = {}
    for trial in trials:
        for name, value in trial_values(trial).items():
            taken.setdefault(name, []).append(value)
    for name, values in taken.items():
        found[name] = _including(found.get(name, Choices(())), values)
    return found


def _domain(each: Mapping[str, Any]) -> Domain:
    if each.get("values"):
        return Choices(tuple(each["values"]))
    if each.get("kind") == "Boolean":
        return Choices((False, True))
    if each.get("min_value") is None:
        return Choices((each["default"],))
    log = each.get("sampling") == "log"
    return Interval(each["min_value"], each["max_value"], each["kind"] == "Int", log)


def _join(one: Domain, other: Domain) -> Domain:
    """Returns the smallest domain that holds both; an interval takes numbers in, not texts."""
    if isinstance(one, Interval) and isinstance(other, Interval):
        low, high = min(one.low, other.low), max(one.high, other.high)
        return Interval(low, high, one.whole and other.whole, one.log and other.log)
    if isinstance(one, Choices) and isinstance(other, Choices):
        return Choices(_each_once((*one.values, *other.values)))
    if isinstance(one, Interval) and isinstance(other, Choices):
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
    return Interval(low, high, whole, domain.log and low > 0)


def _each_once(values: Iterable[Scalar]) -> tuple[Scalar, ...]:
    return tuple({(isinstance(value, bool), value): value for value in values}.values())
