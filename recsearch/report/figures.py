"""What the plots of a run show: pure functions from records to numbers, drawn by `drawing`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recsearch.report.wording import number_text
from recsearch.results import Measurement
from recsearch.tuning.replay import SearchState
from recsearch.tuning.trial import Objective, Scalar, Trial, TrialState

LONGEST_VALUE = 60
"""Characters of a value that a hover shows."""

Range = Mapping[str, Any]
"""A hyperparameter of run.json: its full name, kind, sampling and values."""


@dataclass(frozen=True)
class Point:
    """One dot.

    Attributes:
        x: Where it lies: a number, or the text of a category.
        score: The objective.
        family: The search space of its trial.
        label: Lines of plain text that name the trial and its values.
    """

    x: float | str
    score: float
    family: str
    label: str


@dataclass(frozen=True)
class History:
    """Scores over time.

    Attributes:
        objective: What is optimised, with the direction: the title of the axis.
        families: In the order of their first trials.
        unit: Of the time: "seconds", "minutes" or "hours" of the run.
        points: Every score at the time it became known.
        best: (time, best score so far) at each improvement, then the end.
    """

    objective: str
    families: tuple[str, ...]
    unit: str
    points: tuple[Point, ...]
    best: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Curve:
    """The learning curve of a trial: one point a finite epoch, counted from 1."""

    family: str
    stopped: bool
    winner: bool
    points: tuple[Point, ...]


@dataclass(frozen=True)
class LearningCurves:
    """The learning curves of all trials that trained for an epoch or more."""

    objective: str
    families: tuple[str, ...]
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class Slice:
    """The score against one hyperparameter.

    Attributes:
        name: Bare name of the hyperparameter.
        objective: What is optimised, with the direction.
        families: Of the whole run.
        log: Whether the range is sampled by its logarithm.
        categories: The texts on the axis in order, or None where it is an axis of numbers.
        points: One a trial that has a score and the hyperparameter.
    """

    name: str
    objective: str
    families: tuple[str, ...]
    log: bool
    categories: tuple[str, ...] | None
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Comparison:
    """The winner beside the baselines on the test part.

    Attributes:
        objective: What is compared, with the direction.
        winner: Name of the winner among the rows.
        rows: (name, value), the best first.
    """

    objective: str
    winner: str
    rows: tuple[tuple[str, float], ...]


def history(measurements: Sequence[Measurement], state: SearchState) -> History:
    """Returns the scores over time; `measurements` in the order in which they became known."""
    longest = measurements[-1].seconds if measurements else 0.0
    divisor, unit = _time_unit(longest)
    points: list[Point] = []
    best: list[tuple[float, float]] = []
    for measured in measurements:
        trial = state.trials[measured.trial_id]
        time = measured.seconds / divisor
        label = _label(trial, state.objective, measured.score, measured.epochs)
        points.append(Point(time, measured.score, trial.space, label))
        record = best[-1][1] if best else None
        if state.objective and state.objective.better(measured.score, record):
            best.append((time, measured.score))
    if best:
        best.append((longest / divisor, best[-1][1]))
    return History(_axis_title(state.objective), _families(state), unit, tuple(points), tuple(best))


def learning_curves(state: SearchState) -> LearningCurves:
    """Returns the objective after each epoch of all trials; NaN is left out."""
    ranked = state.ranked()
    winner = ranked[0].trial_id if ranked else None
    curves = []
    for trial in state.trials.values():
        points = _curve_points(trial, state.objective)
        if points:
            stopped = trial.state is TrialState.STOPPED_EARLY
            curves.append(Curve(trial.space, stopped, trial.trial_id == winner, points))
    return LearningCurves(_axis_title(state.objective), _families(state), tuple(curves))


def _curve_points(trial: Trial, objective: Objective | None) -> tuple[Point, ...]:
    if objective is None:
        return ()
    measured = ((p.epoch, p.metrics.get(objective.name, math.nan)) for p in trial.curve)
    return tuple(
        Point(epoch, score, trial.space, _label(trial, objective, score, epoch))
        for epoch, score in measured
        if math.isfinite(score)
    )


def slices(state: SearchState, space: Sequence[Range]) -> tuple[Slice, ...]:
    """Returns one slice for each hyperparameter that took two values or more.

    Args:
        state: The trials.
        space: The hyperparameters of run.json, under their full names (family/name).
    """
    scored = [trial for trial in state.trials.values() if trial.score is not None]
    names = dict.fromkeys(name for trial in scored for name in trial.values)
    made = (_slice(name, scored, state, space) for name in names)
    return tuple(each for each in made if len({point.x for point in each.points}) > 1)


def _slice(name: str, scored: list[Trial], state: SearchState, space: Sequence[Range]) -> Slice:
    having = [trial for trial in scored if name in trial.values]
    ranges = [each for each in space if each["name"].partition("/")[2] == name]
    values = [trial.values[name] for trial in having]
    categories = _categories(values, ranges)
    points = tuple(
        Point(
            float(trial.values[name]) if categories is None else str(trial.values[name]),
            trial.score if trial.score is not None else math.nan,
            trial.space,
            _label(trial, state.objective, trial.score, trial.best_epoch),
        )
        for trial in having
    )
    log = categories is None and any(each.get("sampling") == "log" for each in ranges)
    positive = all(isinstance(point.x, float) and point.x > 0 for point in points)
    objective = _axis_title(state.objective)
    return Slice(name, objective, _families(state), log and positive, categories, points)


def _categories(values: list[Scalar], ranges: list[Range]) -> tuple[str, ...] | None:
    """Returns the texts of choices as they were defined; None for numbers of a range."""
    chosen = any(each.get("kind") in ("Choice", "Boolean") for each in ranges)
    if not chosen and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return None
    defined = [value for each in ranges for value in each.get("values") or ()]
    return tuple(dict.fromkeys(map(str, [*defined, *sorted(values, key=str)])))


def comparison(metrics: Mapping[str, Any]) -> Comparison:
    """Returns the winner and the baselines on the objective, from best/metrics.json.

    Baselines that were skipped, or do not have the objective, are left out.
    """
    objective = Objective(**metrics["objective"])
    winner = winner_name(metrics)
    entries = {winner: metrics.get("test", {}), **metrics.get("baselines", {})}
    values = {name: entry.get(objective.name) for name, entry in entries.items()}
    rows = [(name, float(value)) for name, value in values.items() if value is not None]
    rows.sort(key=lambda row: objective.sort_key(row[1]))
    return Comparison(_axis_title(objective, "test"), winner, tuple(rows))


def winner_name(metrics: Mapping[str, Any]) -> str:
    """Returns what the winner of best/metrics.json is called: "neumf, trial 0007"."""
    winner = metrics.get("winner", {})
    return f"{winner.get('space', 'winner')}, trial {winner.get('trial_id', '?')}"


def _time_unit(longest: float) -> tuple[float, str]:
    """Returns (seconds in a unit, its name): the largest unit that the time fills twice."""
    if longest >= 2 * 3600:
        return 3600.0, "hours"
    return (60.0, "minutes") if longest >= 2 * 60 else (1.0, "seconds")


def _families(state: SearchState) -> tuple[str, ...]:
    return tuple(dict.fromkeys(trial.space for trial in state.trials.values()))


def _axis_title(objective: Objective | None, part: str = "validation") -> str:
    """Returns the title of the axis of scores: the metric, the part of the data, the direction."""
    if objective is None:
        return "score"
    better = "lower" if objective.direction == "min" else "higher"
    return f"{part} {objective.name} ({better} is better)"


def _label(
    trial: Trial, objective: Objective | None, score: float | None, epoch: int | None
) -> str:
    """Returns the lines that name a trial, its score after an epoch, and its values."""
    name = objective.name if objective else "score"
    lines = [
        f"trial {trial.trial_id}, {trial.space}",
        f"{name} {number_text(score)} at epoch {epoch}",
        *(f"{key} = {_value_text(value)}" for key, value in trial.values.items()),
    ]
    return "\n".join(lines)


def _value_text(value: Scalar) -> str:
    text = str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
