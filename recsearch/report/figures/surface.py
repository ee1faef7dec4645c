"""The score over two hyperparameters."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsearch.errors import UsageError
from recsearch.report.figures.axes import (
    Axis,
    axis_of,
    require_varied,
    scored_trials,
    value_of,
    varied_names,
)
from recsearch.report.figures.importance import importances
from recsearch.report.figures.points import score_of, score_title, trial_label
from recsearch.results.run_description import Hyperparameter
from recsearch.study.replay import SearchState
from recsearch.study.trial import Trial

CELLS = 41
"""Grid points along an axis of numbers."""

BANDWIDTH = 0.08
"""Standard deviation of the kernel, as a part of the axis."""

REACH = 2.5
"""Bandwidths from the nearest trial beyond which nothing is shown."""


@dataclass(frozen=True)
class Spot:
    """A trial on the plane: its places along the axes from 0 to 1, its score, and its label."""

    x: float
    y: float
    score: float
    label: str


@dataclass(frozen=True)
class Contour:
    """Scores over a plane.

    Attributes:
        objective: What is optimised, with the direction.
        lower_is_better: Its direction.
        x: The horizontal axis; None if no two hyperparameters varied together.
        y: The vertical axis, likewise.
        spots: One per trial that has both hyperparameters.
        grid_x: [GX] places along the horizontal axis.
        grid_y: [GY] places along the vertical axis.
        surface: [GY, GX] mean score of the trials near each place, weighted by a normal kernel;
            nan where none is near. Choices are not near each other.
    """

    objective: str
    lower_is_better: bool
    x: Axis | None
    y: Axis | None
    spots: tuple[Spot, ...]
    grid_x: NDArray[np.float64]
    grid_y: NDArray[np.float64]
    surface: NDArray[np.float64]


def contour(
    state: SearchState, space: Sequence[Hyperparameter], x: str | None = None, y: str | None = None
) -> Contour:
    """Returns the score over two hyperparameters: the given ones, else the most important.

    Args:
        state: The trials.
        space: The hyperparameters of run.json, under their full names (family/name).
        x: Bare name of a hyperparameter, or "space"; None for the most important one.
        y: Likewise, for the other axis.

    Raises:
        UsageError: If `x` or `y` did not vary, or both are the same.
    """
    scored = scored_trials(state)
    names = varied_names(scored)
    for name in (x, y):
        if name is not None:
            require_varied(name, names)
    if x is not None and x == y:
        raise UsageError(f"Expected two hyperparameters. Received {x!r} twice.")
    order = [name for name, _ in importances(state, space).shares] or list(names)
    pair = _first_pair(order, scored, x, y)
    lower = state.objective is None or state.objective.direction == "min"
    title = score_title(state.objective)
    if pair is None:
        empty = np.zeros(0)
        return Contour(title, lower, None, None, (), empty, empty, np.zeros((0, 0)))
    having = [trial for trial in scored if _has(trial, *pair)]
    first, second = (axis_of(name, having, space) for name in pair)
    spots = tuple(_placed(trial, first, second, state) for trial in having)
    grid_x, grid_y = _grid(first), _grid(second)
    surface = _smooth(spots, (first, second), grid_x, grid_y)
    return Contour(title, lower, first, second, spots, grid_x, grid_y, surface)


def _first_pair(
    order: Sequence[str], scored: Sequence[Trial], x: str | None, y: str | None
) -> tuple[str, str] | None:
    """Returns the first two hyperparameters in this order that vary among trials with both."""
    for first in [x] if x else order:
        for second in [y] if y else order:
            having = [trial for trial in scored if _has(trial, first, second)]
            if first != second and {first, second} <= set(varied_names(having)):
                return first, second
    return None


def _has(trial: Trial, first: str, second: str) -> bool:
    return value_of(trial, first) is not None and value_of(trial, second) is not None


def _placed(trial: Trial, x: Axis, y: Axis, state: SearchState) -> Spot:
    first, second = value_of(trial, x.name), value_of(trial, y.name)
    label = trial_label(trial, state.objective, trial.score, trial.best_epoch)
    across = math.nan if first is None else x.unit(first)
    up = math.nan if second is None else y.unit(second)
    return Spot(across, up, score_of(trial), label)


def _grid(axis: Axis) -> NDArray[np.float64]:
    if axis.categories is None:
        return np.linspace(0, 1, CELLS)
    return np.array([place for place, _ in axis.ticks()])


def _smooth(
    spots: Sequence[Spot],
    axes: tuple[Axis, Axis],
    grid_x: NDArray[np.float64],
    grid_y: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Returns [GY, GX] kernel means (Nadaraya, 1964; Watson, 1964); nan where no trial is near."""
    scores = np.array([spot.score for spot in spots])
    across = _distances(grid_x, np.array([spot.x for spot in spots]), axes[0])
    up = _distances(grid_y, np.array([spot.y for spot in spots]), axes[1])
    squared = up[:, np.newaxis, :] ** 2 + across[np.newaxis, :, :] ** 2
    nearest = squared.min(axis=2, keepdims=True)
    is_near = nearest <= REACH**2
    # Against the nearest trial, lest all kernels vanish together.
    weights = np.exp(-0.5 * (squared - np.where(is_near, nearest, 0)))
    means: NDArray[np.float64] = (weights @ scores) / np.maximum(weights.sum(axis=2), 1e-300)
    return np.where(is_near[:, :, 0], means, np.nan)


def _distances(
    grid: NDArray[np.float64], places: NDArray[np.float64], axis: Axis
) -> NDArray[np.float64]:
    """Returns [G, n] distances in bandwidths; choices are infinitely far from each other."""
    apart = np.abs(grid[:, np.newaxis] - places[np.newaxis, :])
    if axis.categories is None:
        return apart / BANDWIDTH
    return np.where(apart < 1e-9, 0.0, np.inf)
