"""The small search of a baseline: its grid, within a time limit, on the validation part."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from recsearch.baselines.matrices import TooLargeError
from recsearch.baselines.parameters import Parameters
from recsearch.baselines.table import Baseline, find_baseline
from recsearch.data.preparation import PreparedData
from recsearch.errors import UsageError
from recsearch.scorer import Scorer

TIME_LIMIT = 60.0
"""Seconds after which no further configuration of a baseline is begun."""


@dataclass(frozen=True)
class Tuned:
    """What the search of a baseline found.

    Attributes:
        name: The baseline.
        parameters: The best configuration.
        value: What `evaluate` said of it; nan if it said so of all.
        num_tried: How many configurations were evaluated.
        seconds: How long that took.
        note: How much of the grid was tried, and what was left out and why.
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
        data: Its training part, and for content its item columns, are read.
        parameters: Those that are not given have their defaults.

    Raises:
        TooLargeError: If the data are too large for this baseline.
        UsageError: If the task has no such baseline, or the baseline no such parameter.
    """
    baseline = find_baseline(name, data.spec)
    default = baseline.grid[0]
    unknown = parameters.keys() - default.keys()
    if unknown:
        raise UsageError(
            f"The parameters of {name} are: {', '.join(default) or 'none'}."
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
    """Returns the configuration of the grid that `evaluate` values most.

    Work that does not depend on the parameters is done once. The default configuration is always
    tried, and first; each further one is begun only while time is left. Of equally good ones the
    first is chosen; nan is worse than any number.

    Args:
        name: One of `applicable(task, spec)`.
        data: Its training part is fitted; `evaluate` looks at its held-out part.
        evaluate: Returns the validation metric of a fitted baseline; larger is better.
        time_limit: In seconds.

    Raises:
        TooLargeError: If the data are too large for the default configuration.
        UsageError: If the task has no such baseline.
    """
    started = time.perf_counter()
    baseline = find_baseline(name, data.spec)
    fitter = baseline.prepare(data, baseline.grid)
    best, value, tried, too_large = baseline.grid[0], -math.inf, 0, 0
    for parameters in baseline.grid:
        if tried > 0 and time.perf_counter() - started >= time_limit:
            break
        try:
            found = evaluate(fitter(parameters))
        except TooLargeError:
            if tried == 0:
                raise
            too_large += 1
            continue
        tried += 1
        if found > value:  # never so for nan
            best, value = parameters, found
    note = _note(baseline, tried, too_large, time_limit)
    seconds = round(time.perf_counter() - started, 3)
    return Tuned(name, best, value if value > -math.inf else math.nan, tried, seconds, note)


def _note(baseline: Baseline, tried: int, too_large: int, time_limit: float) -> str:
    """Returns how much of the grid was tried, in words."""
    total = len(baseline.grid)
    if total == 1:
        return "it has no parameters"
    text = f"{tried} of {total} configurations were tried"
    if too_large:
        text += f"; {too_large} were too large"
    if tried + too_large < total:
        text += f"; the {time_limit:g} s for it were over"
    return text
