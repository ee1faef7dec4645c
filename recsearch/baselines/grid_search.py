"""The search of a baseline: its grid, within a time limit, on the validation part."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recsearch.baselines.matrices import TooLargeError
from recsearch.baselines.parameters import FitFunction, Parameters
from recsearch.baselines.registry import find_baseline
from recsearch.data.preparation import PreparedData
from recsearch.errors import UsageError
from recsearch.evaluation.scorer import Scorer

TIME_LIMIT = 60.0
"""Seconds after which no further configuration of a baseline is started."""


@dataclass(frozen=True)
class Tuned:
    """The result of the search of a baseline.

    Attributes:
        name: The baseline.
        parameters: The best configuration.
        value: Its value by `evaluate`; nan if all values are nan.
        num_tried: The number of configurations that were evaluated.
        seconds: Duration of the search.
        note: How many configurations were tried, and how many were left out and why.
    """

    name: str
    parameters: Parameters
    value: float
    num_tried: int
    seconds: float
    note: str


def fit(name: str, data: PreparedData, parameters: Parameters) -> Scorer:
    """Returns a fitted baseline.

    Args:
        name: One of `applicable(task, spec)`.
        data: The training part is used, and the item columns for content.
        parameters: Missing parameters have their defaults.

    Raises:
        TooLargeError: If the data are too large for this baseline.
        UsageError: If the task has no such baseline, or the baseline has no such parameter.
    """
    baseline = find_baseline(name, data.spec)
    default = baseline.grid[0]
    known = [*default, *(["half_life"] if baseline.half_lives(data) else [])]
    unknown = parameters.keys() - set(known)
    if unknown:
        raise UsageError(
            f"The parameters of {name} are: {', '.join(known) or 'none'}."
            f" Received {', '.join(sorted(unknown))}."
        )
    chosen = {**default, **parameters}
    return baseline.prepare(data, [chosen])(chosen)


def tune(
    name: str,
    data: PreparedData,
    evaluate: Callable[[Scorer], float],
    time_limit: float = TIME_LIMIT,
) -> Tuned:
    """Returns the configuration with the highest value, among the grid and half-lives.

    Work that does not depend on the parameters is done once. The default configuration is always
    tried first; further ones are started only within the time limit. If items have ages, half-lives
    are tried with the default, and the rest of the grid with the best half-life. Of equally good
    configurations, the first is chosen; nan is worse than any number.

    Args:
        name: One of `applicable(task, spec)`.
        data: The baseline is fitted on the training part; `evaluate` uses the held-out part.
        evaluate: Returns the validation metric of a fitted baseline; larger is better.
        time_limit: In seconds.

    Raises:
        TooLargeError: If the data are too large for the default configuration.
        UsageError: If the task has no such baseline.
    """
    baseline = find_baseline(name, data.spec)
    default, *others = baseline.grid
    half_lives = baseline.half_lives(data)
    search = _Search(default, evaluate, time_limit)
    fitter = baseline.prepare(data, baseline.grid)
    search.over(fitter, [default, *({**default, "half_life": one} for one in half_lives)])
    search.over(fitter, [{**search.best, **one} for one in others])  # which keeps its half-life
    return search.result(name, len(baseline.grid) + len(half_lives))


class _Search:
    """The search of one baseline: its best configuration so far, and counts.

    Args:
        default: The configuration that is tried first.
        evaluate: Returns the validation metric of a fitted baseline; larger is better.
        time_limit: In seconds, from now.
    """

    def __init__(
        self, default: Parameters, evaluate: Callable[[Scorer], float], time_limit: float
    ) -> None:
        self.best, self.value = default, -math.inf
        self._evaluate = evaluate
        self._time_limit = time_limit
        self._started = time.perf_counter()
        self._tried = self._too_large = 0

    def over(self, fitter: FitFunction, configurations: Sequence[Parameters]) -> None:
        """Tries the configurations within the time limit; the very first one always."""
        for parameters in configurations:
            if self._tried > 0 and time.perf_counter() - self._started >= self._time_limit:
                return
            try:
                found = self._evaluate(fitter(parameters))
            except TooLargeError:
                if self._tried == 0:
                    raise
                self._too_large += 1
                continue
            self._tried += 1
            if found > self.value:  # never so for nan
                self.best, self.value = parameters, found

    def result(self, name: str, total: int) -> Tuned:
        """Returns the result; there were `total` configurations."""
        value = self.value if self.value > -math.inf else math.nan
        seconds = round(time.perf_counter() - self._started, 3)
        return Tuned(name, self.best, value, self._tried, seconds, self._note(total))

    def _note(self, total: int) -> str:
        """Returns a text about how many of all configurations were tried."""
        if total == 1:
            return "this baseline has no parameters"
        text = f"{self._tried} of {total} configurations were tried"
        if self._too_large:
            text += f"; {self._too_large} were too large"
        if self._tried + self._too_large < total:
            text += f"; the time limit of {self._time_limit:g} s was reached"
        return text
