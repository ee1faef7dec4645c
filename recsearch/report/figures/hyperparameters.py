"""The score against the hyperparameters: one by one, and all of them at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from recsearch.report.figures.axes import (
    Axis,
    axis_of,
    require_varied,
    scored_trials,
    value_of,
    varied_names,
)
from recsearch.report.figures.importance import importances
from recsearch.report.figures.points import (
    Point,
    families,
    score_of,
    score_title,
    trial_label,
)
from recsearch.results.run_description import Hyperparameter
from recsearch.study.replay import SearchState
from recsearch.study.trial import Trial

MOST_AXES = 9
"""Hyperparameters in parallel coordinates: more cannot be distinguished."""


@dataclass(frozen=True)
class SlicePlot:
    """The score against one hyperparameter.

    Attributes:
        name: Bare name of the hyperparameter.
        objective: What is optimised, with the direction.
        families: All families of the run.
        log: Whether the range is sampled by its logarithm.
        categories: The texts on the axis in order, or None where it is an axis of numbers.
        points: One per trial that has a score and the hyperparameter.
    """

    name: str
    objective: str
    families: tuple[str, ...]
    log: bool
    categories: tuple[str, ...] | None
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Line:
    """A trial in parallel coordinates.

    Attributes:
        places: Where it crosses each axis, from 0 to 1; None where its configuration has no such
            hyperparameter.
        standing: 0.0 for the best trial, 1.0 for the worst: its share of the others that are
            better.
        label: Lines of plain text that name the trial and its values.
    """

    places: tuple[float | None, ...]
    standing: float
    label: str


@dataclass(frozen=True)
class Parallel:
    """Parallel coordinates: an axis a hyperparameter, the last one the score.

    Attributes:
        objective: What is optimised, with the direction.
        axes: At most `MOST_AXES` that vary and that at least two trials share, the most important
            first; then the score.
        lines: One per trial with a score, the best first.
    """

    objective: str
    axes: tuple[Axis, ...]
    lines: tuple[Line, ...]


def slice_plots(
    state: SearchState, space: Sequence[Hyperparameter], name: str | None = None
) -> tuple[SlicePlot, ...]:
    """Returns one slice for each hyperparameter that took at least two values.

    Args:
        state: The trials.
        space: The hyperparameters of run.json, under their full names (family/name).
        name: The only one that is wanted; None for all.

    Raises:
        UsageError: If `name` is no hyperparameter that varied.
    """
    scored = scored_trials(state)
    names = varied_names(scored)
    if name is not None:
        require_varied(name, names)
        return (_slice(name, scored, state, space),)
    hyperparameters = dict.fromkeys(each for trial in scored for each in trial.values)
    return tuple(_slice(each, scored, state, space) for each in hyperparameters if each in names)


def _slice(
    name: str, scored: list[Trial], state: SearchState, space: Sequence[Hyperparameter]
) -> SlicePlot:
    axis = axis_of(name, scored, space)
    points = []
    for trial in scored:
        value = value_of(trial, name)
        if value is not None:
            label = trial_label(trial, state.objective, trial.score, trial.best_epoch)
            x = str(value) if axis.categories is not None else float(value)
            points.append(Point(x, score_of(trial), trial.space, label))
    title = score_title(state.objective)
    return SlicePlot(name, title, families(state), axis.log, axis.categories, tuple(points))


def parallel(state: SearchState, space: Sequence[Hyperparameter]) -> Parallel:
    """Returns every trial with a score as a line through its values.

    A hyperparameter that only one trial has, or that never varied, has no axis.
    """
    ranked = state.ranked()
    by_importance = [name for name, _ in importances(state, space).shares]
    names = [
        name
        for name in by_importance or varied_names(ranked)
        if sum(value_of(trial, name) is not None for trial in ranked) > 1
    ][:MOST_AXES]
    axes = [axis_of(name, ranked, space) for name in names]
    title = score_title(state.objective)
    if ranked:
        scores = [score_of(trial) for trial in ranked]
        name = state.objective.name if state.objective else "score"
        axes.append(Axis(name, False, None, min(scores), max(scores)))
    lines = []
    for place, trial in enumerate(ranked):
        label = trial_label(trial, state.objective, trial.score, trial.best_epoch)
        standing = place / max(1, len(ranked) - 1)
        lines.append(Line(_places(trial, names, axes), standing, label))
    return Parallel(title, tuple(axes), tuple(lines))


def _places(trial: Trial, names: Sequence[str], axes: Sequence[Axis]) -> tuple[float | None, ...]:
    values = [*(value_of(trial, name) for name in names), trial.score]
    return tuple(
        None if value is None else axis.unit(value)
        for axis, value in zip(axes, values, strict=True)
    )
