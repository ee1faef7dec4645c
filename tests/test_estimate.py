"""The time that is left, against searches on a clock of their own."""

import heapq
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from simulation import two_families

from recsearch.console.estimate import Capacity, measured_cost, remaining_seconds
from recsearch.study.decision import Driver, Plan
from recsearch.study.history import History
from recsearch.study.replay import SearchState
from recsearch.study.study import Study
from recsearch.study.trial import Assignment, Epoch, Objective, Outcome, Trial, TrialState
from recsearch.tuning.drivers.hyperband import HyperbandDriver
from recsearch.tuning.drivers.random import RandomDriver

LOSS = Objective("loss", "min")


def trial(number: int, *seconds: float, state: str = "COMPLETED", **fields: float) -> Trial:
    curve = tuple(Epoch(n, {"loss": 1.0}, s) for n, s in enumerate(seconds, 1))
    made = Trial(f"{number:04d}", "mf", {}, epochs=len(curve), state=TrialState(state), curve=curve)
    return replace(made, **fields)


def state_of(*trials: Trial) -> SearchState:
    return SearchState(objective=LOSS, history=History(trials))


def test_nothing_is_told_before_the_first_epoch() -> None:
    assert measured_cost([]) is None
    waiting = trial(0, state="WAITING", epochs=3)
    assert remaining_seconds(Plan(1, 3), state_of(waiting), Capacity()) is None


def test_epochs_that_are_left_cost_as_much_as_those_before() -> None:
    done = trial(0, 2.0, 2.0, seconds=4.0)
    assert remaining_seconds(Plan(3, 6), state_of(done), Capacity()) == pytest.approx(2 * 2 * 2.0)
    assert remaining_seconds(Plan(3, 6), state_of(done), Capacity(2)) == pytest.approx(4.0)


def test_starts_that_are_left_cost_what_a_start_has_cost() -> None:
    # 3 s of building, and a first epoch that takes 1 s longer than the second one.
    done = trial(0, 2.0, 1.0, seconds=6.0)
    cost = measured_cost([done])
    assert cost is not None
    assert (cost.settled, cost.epoch, cost.start) == (0.5, 1.0, 4.0)
    assert remaining_seconds(Plan(2, 4), state_of(done), Capacity()) == pytest.approx(2 * 1.0 + 4)


def test_pace_of_a_trial_that_has_begun_is_its_own() -> None:
    done, slow = trial(0, 1.0, 1.0, seconds=2.0), trial(1, 5.0, state="RUNNING", epochs=4)
    left = remaining_seconds(Plan(2, 6), state_of(done, slow), Capacity())
    assert left == pytest.approx(3 * 5.0)
    # A second worker does not make the last trial end sooner.
    assert remaining_seconds(Plan(2, 6), state_of(done, slow), Capacity(2)) == left


def test_epochs_that_a_trial_was_spared_are_not_waited_for() -> None:
    failed = trial(0, 1.0, state="FAILED", epochs=9, seconds=1.0)
    left = remaining_seconds(Plan(2, 18), state_of(failed), Capacity())
    assert left == pytest.approx(9.0)


def test_end_of_the_time_comes_first() -> None:
    state = state_of(trial(0, 60.0, 60.0, seconds=120.0))
    state.seconds = 120.0
    assert remaining_seconds(Plan(9, 18), state, Capacity(minutes=3)) == 60.0
    assert remaining_seconds(Plan(9, 18), state, Capacity(minutes=1)) == 0.0


Seconds = Callable[[Assignment, int], float]


def uneven(assignment: Assignment, epoch: int) -> float:
    """One family takes twice as long as the other, the first epoch of each start is slow."""
    rng = np.random.default_rng([int(assignment.trial_id), epoch])
    pace = 2.0 if assignment.space == "neumf" else 1.0
    first = 3.0 if epoch == assignment.initial_epoch + 1 else 1.0
    return float(pace * first * rng.lognormal(0.0, 0.3))


class SimulatedSearch:
    """Runs a study on a clock of its own; knows at each epoch what was estimated then.

    A start takes 2 s, and one trial in ten fails at its first epoch.
    """

    def __init__(self, study: Study, capacity: Capacity, seconds: Seconds) -> None:
        self._study, self._capacity, self._seconds = study, capacity, seconds
        self._events: list[tuple[float, int, Assignment, int, float]] = []
        self._num_events = 0
        self.estimates: list[tuple[float, float]] = []
        self.clock = 0.0

    def run(self) -> None:
        plan = self._study.driver.plan()
        running = 0
        while True:
            while running < self._capacity.workers:
                assignment = self._study.ask()
                if not isinstance(assignment, Assignment):
                    break
                running += 1
                self._train(assignment, assignment.initial_epoch + 1, self.clock, self.clock + 2.0)
            if not running:
                return
            self.clock, _, assignment, epoch, begun = heapq.heappop(self._events)
            running -= self._end_epoch(assignment, epoch, begun)
            left = remaining_seconds(plan, self._study.state, self._capacity)
            assert left is not None
            self.estimates.append((self.clock, left))

    def _train(self, assignment: Assignment, epoch: int, begun: float, at: float) -> None:
        self._num_events += 1
        end = at + self._seconds(assignment, epoch)
        heapq.heappush(self._events, (end, self._num_events, assignment, epoch, begun))

    def _end_epoch(self, assignment: Assignment, epoch: int, begun: float) -> bool:
        """Records an epoch; returns whether the assignment is over."""
        rng = np.random.default_rng([7, int(assignment.trial_id), epoch])
        point = Epoch(epoch, {"loss": float(rng.uniform())}, self._seconds(assignment, epoch))
        self._study.tell_epoch(assignment.trial_id, point)
        fails = epoch == 1 and int(assignment.trial_id) % 10 == 3
        if epoch < assignment.epochs and not fails:
            self._train(assignment, epoch + 1, begun, self.clock)
            return False
        state = TrialState.FAILED if fails else TrialState.COMPLETED
        self._study.tell(assignment.trial_id, Outcome(state, (point,), seconds=self.clock - begun))
        return True


def drivers(seed: int) -> dict[str, Driver]:
    hp = two_families()
    return {
        "random": RandomDriver(hp, LOSS, seed, max_trials=30, max_epochs=9),
        "hyperband": HyperbandDriver(hp, LOSS, seed, max_epochs=27),
    }


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("tuner", ["random", "hyperband"])
def test_estimate_at_half_time_is_within_thirty_percent(
    tuner: str, workers: int, tmp_path: Path
) -> None:
    for seed in range(2):
        directory = tmp_path / str(seed)
        directory.mkdir()
        study = Study(directory, drivers(seed)[tuner], LOSS, seed)
        search = SimulatedSearch(study, Capacity(workers), uneven)
        search.run()
        study.close()
        half = search.clock / 2
        time, left = next(pair for pair in search.estimates if pair[0] >= half)
        assert left == pytest.approx(search.clock - time, rel=0.3), (seed, search.clock)
