"""How long a search will still take, from what its trials have cost so far."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from recsearch.study.decision import Plan
from recsearch.study.replay import SearchState
from recsearch.study.trial import Trial, TrialState


@dataclass(frozen=True)
class Capacity:
    """What a search has to work with.

    Attributes:
        workers: How many trials run at a time.
        minutes: Of search over all sessions, or None for no limit.
    """

    workers: int = 1
    minutes: float | None = None


ONE_WORKER = Capacity()


@dataclass(frozen=True)
class Cost:
    """What training costs a worker.

    Attributes:
        settled: How long an epoch takes, as a share of the first one, which is traced and compiled.
        epoch: Seconds of an epoch but the first, as a mean over the trials: the mean over the
            epochs would tell more of those that are trained longest.
        start: Seconds that a start takes beyond its epochs at that pace: building, compiling.
    """

    settled: float
    epoch: float
    start: float

    def epoch_of(self, trial: Trial) -> float:
        """Returns the seconds of one more epoch of a trial, by its own epochs if it has some."""
        if not trial.curve:
            return self.epoch
        return _later(trial) or self.settled * trial.curve[0].seconds


def measured_cost(trials: Iterable[Trial]) -> Cost | None:
    """Returns what trials have cost, or None if none has trained for an epoch yet."""
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
    """Returns about how many seconds a search will still take; None if nothing tells yet.

    The trials that have begun are counted by what each of them costs; what the plan holds beyond
    them, by the mean. All workers are taken to be busy until the end, which cannot come before the
    longest of the trials that have begun is over.
    """
    cost = measured_cost(state.history)
    if cost is None:
        return None
    begun = state.history.unfinished()
    each = [_epochs_left(trial) * cost.epoch_of(trial) for trial in begun]
    never = sum(_epochs_left(trial) for trial in state.history.over())
    planned = plan.epochs - state.history.num_epochs - never
    beyond = max(0, planned - sum(_epochs_left(trial) for trial in begun))
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
