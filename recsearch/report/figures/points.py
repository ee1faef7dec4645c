"""Parts that all plots share: points, titles of axes, labels of trials."""

import math
from dataclasses import dataclass

from recsearch.study.replay import SearchState
from recsearch.study.trial import Objective, Scalar, Trial
from recsearch.text.wording import number_text, value_text

LONGEST_VALUE = 60
"""Characters of a value that a hover shows."""


@dataclass(frozen=True)
class Point:
    """One dot.

    Attributes:
        x: Its place: a number, or the text of a category.
        score: The objective.
        family: The search space of its trial.
        label: Lines of plain text that name the trial and its values.
    """

    x: float | str
    score: float
    family: str
    label: str


def families(state: SearchState) -> tuple[str, ...]:
    """Returns the search spaces in the order of their first trials."""
    return tuple(dict.fromkeys(trial.space for trial in state.trials.values()))


def score_of(trial: Trial) -> float:
    """Returns the score of a trial; nan if it has none."""
    return math.nan if trial.score is None else trial.score


def score_title(objective: Objective | None, part: str = "validation") -> str:
    """Returns the title of the axis of scores: the metric, the part of the data, the direction."""
    if objective is None:
        return "score"
    better = "lower" if objective.direction == "min" else "higher"
    return f"{part} {objective.name} ({better} is better)"


def trial_label(
    trial: Trial, objective: Objective | None, score: float | None, epoch: int | None
) -> str:
    """Returns the lines that name a trial, its score after an epoch, and its values."""
    values = (f"{key} = {_value_text(value)}" for key, value in trial.values.items())
    return "\n".join([short_label(trial, objective, score, epoch), *values])


def short_label(
    trial: Trial, objective: Objective | None, score: float | None, epoch: int | None
) -> str:
    """Returns the lines that name a trial and its score after an epoch."""
    name = objective.name if objective else "score"
    return f"trial {trial.trial_id}, {trial.space}\n{name} {number_text(score)} at epoch {epoch}"


def time_unit(longest: float) -> tuple[float, str]:
    """Returns (seconds in a unit, its name): the largest unit that the time fills twice."""
    if longest >= 2 * 3600:
        return 3600.0, "hours"
    return (60.0, "minutes") if longest >= 2 * 60 else (1.0, "seconds")


def _value_text(value: Scalar) -> str:
    text = value_text(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
