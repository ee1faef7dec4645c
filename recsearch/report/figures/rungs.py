"""Hyperband's brackets: the trials on each rung, and the trials that went on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recsearch.report.figures.points import score_title, short_label
from recsearch.results import Stay
from recsearch.study.replay import SearchState
from recsearch.study.trial import Trial, best_epoch


@dataclass(frozen=True)
class RungTrial:
    """A trial on a rung.

    Attributes:
        score: Its best score up to the last epoch of the rung; None if it has none.
        went_on: Whether it was started on the next rung.
        label: Lines of plain text that name the trial.
    """

    score: float | None
    went_on: bool
    label: str


@dataclass(frozen=True)
class RungResult:
    """A rung of a bracket.

    Attributes:
        bracket: Number of the bracket; the highest one starts with the fewest epochs.
        epochs: Epochs that its trials had trained in total at its end.
        trials: The trials that were started on it, in the order of proposal.
    """

    bracket: int
    epochs: int
    trials: tuple[RungTrial, ...]

    @property
    def num_promoted(self) -> int:
        """How many of its trials went on to the next rung."""
        return sum(trial.went_on for trial in self.trials)


@dataclass(frozen=True)
class Brackets:
    """All rungs that a trial was started on; none unless the search was Hyperband's."""

    objective: str
    rungs: tuple[RungResult, ...]


def brackets(trainings: Sequence[Stay], state: SearchState) -> Brackets:
    """Returns the rungs of all brackets, the brackets as they began, rung 0 first."""
    started: dict[tuple[int, int], dict[str, int]] = {}
    for training in sorted(trainings, key=lambda training: training.start):
        if training.bracket is not None and training.rung is not None:
            place = training.bracket, training.rung
            started.setdefault(place, {})[training.trial_id] = training.epochs
    order = list(dict.fromkeys(bracket for bracket, _ in started))
    places = sorted(started, key=lambda place: (order.index(place[0]), place[1]))
    rungs = tuple(_rung(place, started, state) for place in places)
    return Brackets(score_title(state.objective), rungs)


def _rung(
    place: tuple[int, int], started: Mapping[tuple[int, int], Mapping[str, int]], state: SearchState
) -> RungResult:
    bracket, number = place
    next_rung = started.get((bracket, number + 1), {})
    epochs = max(started[place].values())
    trials = (
        _rung_trial(state.trials[trial_id], epochs, trial_id in next_rung, state)
        for trial_id in sorted(started[place], key=int)
    )
    return RungResult(bracket, epochs, tuple(trials))


def _rung_trial(trial: Trial, epochs: int, went_on: bool, state: SearchState) -> RungTrial:
    best = best_epoch(trial.curve, state.objective, up_to=epochs) if state.objective else None
    score, epoch = best or (None, None)
    return RungTrial(score, went_on, short_label(trial, state.objective, score, epoch))
