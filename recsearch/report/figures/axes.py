"""Axes of hyperparameters: a range or a list of choices on a plot."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from recsearch.errors import UsageError
from recsearch.results.run_description import Hyperparameter
from recsearch.study.full_name import SPACE
from recsearch.study.replay import SearchState
from recsearch.study.trial import Scalar, Trial
from recsearch.text.wording import number_text

NUM_TICKS = 5


@dataclass(frozen=True)
class Axis:
    """The values that a hyperparameter took, as an axis.

    Attributes:
        name: Bare name of the hyperparameter.
        log: Whether it is an axis of logarithms.
        categories: The texts on the axis in order, or None where it is an axis of numbers.
        low: The lowest value that was tried; 0 where there are categories.
        high: The highest value that was tried; the number of the last category.
        whole: Whether all values are whole numbers.
    """

    name: str
    log: bool
    categories: tuple[str, ...] | None
    low: float
    high: float
    whole: bool = False

    def unit(self, value: Scalar) -> float:
        """Returns where a value lies between the lowest, 0, and the highest, 1."""
        number = self.categories.index(str(value)) if self.categories else float(value)
        low, high, at = (self._scaled(each) for each in (self.low, self.high, number))
        return (at - low) / (high - low) if high > low else 0.5

    def ticks(self) -> tuple[tuple[float, str], ...]:
        """Returns (place between 0 and 1, text) of each tick."""
        if self.categories is not None:
            return tuple((self.unit(text), text) for text in self.categories)
        low, high = self._scaled(self.low), self._scaled(self.high)
        values = [low + n / (NUM_TICKS - 1) * (high - low) for n in range(NUM_TICKS)]
        numbers = [math.exp(value) if self.log else value for value in values]
        if self.whole:
            numbers = [*dict.fromkeys(round(number) for number in numbers)]
        return tuple((self.unit(number), number_text(number)) for number in numbers)

    def _scaled(self, number: float) -> float:
        return math.log(number) if self.log else number


def value_of(trial: Trial, name: str) -> Scalar | None:
    """Returns a trial's value of a hyperparameter, or of the family; None if it has none."""
    return trial.space if name == SPACE else trial.values.get(name)


def scored_trials(state: SearchState) -> list[Trial]:
    """Returns the trials that have a score, in the order of proposal."""
    return [trial for trial in state.trials.values() if trial.score is not None]


def varied_names(trials: Iterable[Trial]) -> tuple[str, ...]:
    """Returns the family and the hyperparameters that took at least two values, as first seen."""
    values: dict[str, set[Scalar]] = {}
    for trial in trials:
        for name, value in {SPACE: trial.space, **trial.values}.items():
            values.setdefault(name, set()).add(value)
    return tuple(name for name, taken in values.items() if len(taken) > 1)


def require_varied(name: str, names: Sequence[str]) -> None:
    """Refuses a name that cannot be plotted.

    Raises:
        UsageError: If `name` is not among the `names`.
    """
    if name not in names:
        raise UsageError(
            f"Expected a hyperparameter that took at least two values in trials with a score. "
            f"Received {name!r}. There are: {', '.join(names) or 'none'}."
        )


def axis_of(name: str, trials: Sequence[Trial], space: Sequence[Hyperparameter]) -> Axis:
    """Returns the axis of a hyperparameter, from the trials that have it."""
    ranges = [each for each in space if each.family and each.bare == name]
    values = [value for trial in trials if (value := value_of(trial, name)) is not None]
    categories = _categories(values, ranges)
    if categories is not None:
        return Axis(name, False, categories, 0.0, float(len(categories) - 1))
    numbers = [float(value) for value in values]
    log = any(each.sampling == "log" for each in ranges) and min(numbers) > 0
    whole = all(number.is_integer() for number in numbers)
    return Axis(name, log, None, min(numbers), max(numbers), whole)


def _categories(values: list[Scalar], ranges: list[Hyperparameter]) -> tuple[str, ...] | None:
    """Returns the texts of choices as they were defined; None for numbers of a range."""
    chosen = any(each.kind in ("Choice", "Boolean") for each in ranges)
    if not chosen and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return None
    defined = [value for each in ranges for value in each.values]
    return tuple(dict.fromkeys(map(str, [*defined, *sorted(values, key=str)])))
