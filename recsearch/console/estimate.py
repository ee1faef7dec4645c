"""Estimates the remaining time of a search from the durations of its trials so far."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from recsearch.study.decision import Plan
from recsearch.study.replay import SearchState
from recsearch.study.trial import Trial, TrialState


@dataclass(frozen=True)
class Capacity:
    """The workers and the time of a search.

    Attributes:
        workers: Number of trials that run at the same time.
        minutes: Limit of the search time over all sessions, or None.
    """

    workers: int = 1
    minutes: float | None = None


ONE_WORKER = Capacity()


@dataclass(frozen=True)
class Cost:
    """Durations of the training in one worker.

    Attributes:
        settled: Duration of a later epoch divided by that of the first, which traces and compiles.
        epoch: Seconds per epoch after the first, as a mean over trials: averaging over epochs would
            favour the trials trained longest.
        start: Additional seconds per start of a trial: building and compiling the model.
    """

    settled: float
    epoch: float
    start: float

    def epoch_of(self, trial: Trial) -> float:
        """Returns the seconds of the next epoch of a trial, from its own epochs if it has any."""
        if not trial.curve:
            return self.epoch
        return _later(trial) or self.settled * trial.curve[0].seconds


def measured_cost(trials: Iterable[Trial]) -> Cost | None:
    """Returns the cost measured on trials, or None if no epoch has been trained yet."""
    trained = [trial for trial in trials if trial.curve]
    if not trained:
        return None
    longer = [trial for trial in trained if _later(trial) and trial.curve[0].seconds]
    first = sum(trial.curve[0].seconds for trial in longer)
    settled = sum(_later(trial) for trial in longer) / first if longer else 1.0
    cost = Cost(settled, 0.0, 0.0)
    epoch = fmean(cost.epoch_of(trial) for trial in trained)
    starts = [
        max(0.0, _spent(trial) - len(trial.curve) * cost.epoch_of(trial)) / _num_starts(trial)
        for trial in trained
        if trial.state is not TrialState.RUNNING
    ]
    return Cost(settled, epoch, fmean(starts) if starts else 0.0)


def remaining_seconds(plan: Plan, state: SearchState, capacity: Capacity) -> float | None:
    """Returns the estimated remaining seconds of a search, or None if there are no data yet.

    Trials that have started are estimated by their own epochs, the rest of the plan by the mean.
    All workers are assumed to be busy until the end, and the search cannot end before the longest
    of the started trials.
    """
    cost = measured_cost(state.history)
    if cost is None:
        return None
    started = state.history.unfinished()
    each = [_epochs_left(trial) * cost.epoch_of(trial) for trial in started]
    never = sum(_epochs_left(trial) for trial in state.history.over())
    planned = plan.epochs - state.history.num_epochs - never
    beyond = max(0, planned - sum(_epochs_left(trial) for trial in started))
    configurations = max(0, plan.configurations - len(state.trials))
    starts = configurations * fmean(_num_starts(trial) for trial in state.history)
    work = sum(each) + beyond * cost.epoch + starts * cost.start
    seconds = max(work / capacity.workers, max(each, default=0.0))
    if capacity.minutes is not None:
        seconds = min(seconds, max(0.0, 60 * capacity.minutes - state.seconds))
    return seconds


def _later(trial: Trial) -> float:
    """Returns the mean seconds of the epochs after the first; 0 if there are none."""
    return fmean(point.seconds for point in trial.curve[1:]) if len(trial.curve) > 1 else 0.0


def _spent(trial: Trial) -> float:
    return max(trial.seconds, sum(point.seconds for point in trial.curve))


def _epochs_left(trial: Trial) -> int:
    return max(0, trial.epochs - len(trial.curve))


def _num_starts(trial: Trial) -> int:
    return 1 + (trial.rung or 0)
