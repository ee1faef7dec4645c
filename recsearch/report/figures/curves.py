"""The progress of the search: scores over time, and the learning curves."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from recsearch.report.figures.points import (
    Point,
    families,
    score_title,
    short_label,
    time_unit,
    trial_label,
)
from recsearch.results import Measurement
from recsearch.study.replay import SearchState
from recsearch.study.trial import Objective, Trial, TrialState


@dataclass(frozen=True)
class ScoreHistory:
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
    """The learning curve of a trial: one point per epoch with a finite score, counted from 1."""

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


def history(measurements: Sequence[Measurement], state: SearchState) -> ScoreHistory:
    """Returns the scores over time; `measurements` in the order in which they became known."""
    longest = measurements[-1].seconds if measurements else 0.0
    divisor, unit = time_unit(longest)
    points: list[Point] = []
    best: list[tuple[float, float]] = []
    for measured in measurements:
        trial = state.trials[measured.trial_id]
        time = measured.seconds / divisor
        label = trial_label(trial, state.objective, measured.score, measured.epochs)
        points.append(Point(time, measured.score, trial.space, label))
        record = best[-1][1] if best else None
        if state.objective and state.objective.better(measured.score, record):
            best.append((time, measured.score))
    if best:
        best.append((longest / divisor, best[-1][1]))
    return ScoreHistory(
        score_title(state.objective), families(state), unit, tuple(points), tuple(best)
    )


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
    return LearningCurves(score_title(state.objective), families(state), tuple(curves))


def _curve_points(trial: Trial, objective: Objective | None) -> tuple[Point, ...]:
    """Returns one point per epoch; the labels are short because there are many."""
    if objective is None:
        return ()
    measured = ((p.epoch, p.metrics.get(objective.name, math.nan)) for p in trial.curve)
    return tuple(
        Point(epoch, score, trial.space, short_label(trial, objective, score, epoch))
        for epoch, score in measured
        if math.isfinite(score)
    )
