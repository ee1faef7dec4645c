"""The trainings of a search over time, on lanes."""

from collections.abc import Sequence
from dataclasses import dataclass

from recsearch.report.figures.points import time_unit
from recsearch.results import Stay
from recsearch.study.replay import SearchState
from recsearch.study.trial import TrialState
from recsearch.text.wording import duration_text


@dataclass(frozen=True)
class Bar:
    """One training.

    Attributes:
        lane: From 0.
        start: In the unit of the timeline.
        end: Likewise.
        ending: In words: "completed", "promoted", "stopped early", "failed", ...
        label: Lines of plain text that name the trial.
    """

    lane: int
    start: float
    end: float
    ending: str
    label: str


@dataclass(frozen=True)
class Timeline:
    """The trainings over time.

    Attributes:
        unit: Of the time: "seconds", "minutes" or "hours" of the run.
        num_lanes: The most trainings that ran at one time.
        bars: One per training, in the order of their starts. The journal does not name the worker:
            a training is put on the first free lane, so a lane may represent different workers
            over time.
    """

    unit: str
    num_lanes: int
    bars: tuple[Bar, ...]


def timeline(trainings: Sequence[Stay], state: SearchState) -> Timeline:
    """Returns the trainings on as many lanes as ran at one time."""
    divisor, unit = time_unit(max((training.end for training in trainings), default=0.0))
    last = {training.trial_id: training for training in trainings}
    free_from: list[float] = []
    bars = []
    for training in sorted(trainings, key=lambda training: (training.start, training.end)):
        lane = _first_free(free_from, training.start)
        free_from[lane : lane + 1] = [training.end]
        ending = _ending(training, last[training.trial_id], state)
        label = _label(training, ending, state)
        bars.append(Bar(lane, training.start / divisor, training.end / divisor, ending, label))
    return Timeline(unit, len(free_from), tuple(bars))


def _first_free(free_from: Sequence[float], start: float) -> int:
    free = (lane for lane, time in enumerate(free_from) if time <= start)
    return next(free, len(free_from))


def _ending(training: Stay, last: Stay, state: SearchState) -> str:
    """Returns how a training ended; a pause is named by its outcome."""
    if training.state != TrialState.PAUSED:
        return training.state.lower().replace("_", " ")  # INTERRUPTED is no state of a trial
    if training is not last:
        return "promoted"
    now = state.trials[training.trial_id].state
    return "stopped early" if now is TrialState.STOPPED_EARLY else "paused"


def _label(training: Stay, ending: str, state: SearchState) -> str:
    space = state.trials[training.trial_id].space
    duration = duration_text(training.end - training.start)
    epochs = f"to epoch {training.epochs}"
    return f"trial {training.trial_id}, {space}\n{epochs}: {ending} after {duration}"
