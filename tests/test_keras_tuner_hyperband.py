"""Defects of the Hyperband of Keras Tuner 1.4.8, shown as in `test_keras_tuner_defects.py`."""

import threading
import time
from collections import Counter

import numpy as np
import pytest
from defects import (
    STOCK_WARNINGS,
    bowl,
    by_layers,
    six_configurations,
    square,
    started,
    stock_fails,
    train,
)
from two_systems import PlainKerasTuner, Recsearch, Settings, run

from recsearch.study.decision import Wait
from recsearch.study.trial import Epoch, Outcome, TrialState
from recsearch.tuning.engines.engine import Message
from recsearch.tuning.loop import Budget, search

pytestmark = STOCK_WARNINGS
SLOW_SECONDS = 0.3
HYPERBAND_27_3 = {
    (3, 0): 27, (3, 1): 9, (3, 2): 3, (3, 3): 1,
    (2, 0): 12, (2, 1): 4, (2, 2): 2,
    (1, 0): 6, (1, 1): 2,
    (0, 0): 4,
}  # fmt: skip
"""(bracket, rung) -> trainings, in all 70."""


def test_hyperband_without_a_failure_fills_the_same_rungs_in_both(tmp_path):
    for system in (Recsearch, PlainKerasTuner):
        folder = tmp_path / system.__name__
        assert started(run(system(folder, Settings("hyperband", square)), bowl)) == HYPERBAND_27_3


@stock_fails("a promotion needs `COMPLETED candidates > past_size - size`: a failure starves it")
def test_hyperband_with_one_failed_trial_fills_every_rung(system, tmp_path):
    first = []
    tasks = run(
        system(tmp_path, Settings("hyperband", square)),
        bowl,
        fails=lambda task: not first and not first.append(task),
    )
    assert len(first) == 1
    assert started(tasks) == HYPERBAND_27_3


@stock_fails("each failure removes one promotion from every later rung of its bracket")
@pytest.mark.parametrize("share", [0.05, 0.2])
def test_hyperband_with_failures_fills_rungs_as_far_as_survivors_allow(system, share, tmp_path):
    rng = np.random.default_rng(0)
    survivors = Counter()

    def fails(task):
        failed = rng.random() < share
        survivors[task.bracket, task.rung] += not failed
        return failed

    trained = started(run(system(tmp_path, Settings("hyperband", square)), bowl, fails=fails))
    assert sum(survivors.values()) < sum(trained.values())
    for (bracket, rung), size in HYPERBAND_27_3.items():
        available = survivors[bracket, rung - 1] if rung else size
        assert trained[bracket, rung] == min(size, available)


@stock_fails("the bracket that is begun last is written into the trials of every other one")
def test_hyperband_labels_brackets_rightly_with_four_workers(system, tmp_path):
    tasks = run(system(tmp_path, Settings("hyperband", square)), bowl, num_workers=4)
    assert started(tasks) == HYPERBAND_27_3


@stock_fails("a bracket whose first rung cannot be filled stops without a promotion")
def test_hyperband_in_a_small_space_still_trains_to_the_end(system, tmp_path):
    tasks = run(system(tmp_path, Settings("hyperband", six_configurations)), by_layers)
    assert max(task.epochs for task in tasks) == 27


@stock_fails("tuner/epochs, tuner/bracket and others stand among the user's hyperparameters")
def test_hyperband_records_only_hyperparameters_of_the_space(system, tmp_path):
    searching = system(tmp_path, Settings("hyperband", square))
    train(searching)
    (record,) = searching.records().values()
    assert set(record.values) == {"x", "y"}


class FirstTrialIsSlow:
    """An engine of two workers: its first trial ends when no other can run, the others at once."""

    def __init__(self):
        self.running = []
        self.slow = None

    def free_workers(self):
        return 2 - len(self.running)

    def submit(self, assignment):
        self.slow = self.slow or assignment
        self.running.append(assignment)

    def wait(self):
        done = self.running.pop()
        if done is self.slow:
            time.sleep(SLOW_SECONDS)
        epochs = range(done.initial_epoch + 1, done.epochs + 1)
        news = [Epoch(epoch, {"loss": 1.0}, 0.0) for epoch in epochs]
        outcome = Outcome(TrialState.COMPLETED, tuple(news), done.values)
        return [Message(done.trial_id, part) for part in (*news, outcome)]


def answers_of_recsearch(searching):
    ask, waits = searching.study.ask, []

    def counted():
        answer = ask()
        waits.append(isinstance(answer, Wait))
        return answer

    searching.study.ask = counted
    search(searching.study, FirstTrialIsSlow(), Budget(), lambda news: None)
    return waits


def answers_of_keras_tuner(searching):
    slow = searching.ask(worker=1)
    create_trial, waits = searching.oracle.create_trial, []

    def end():
        slow.handle.status = "INVALID"
        searching.oracle.end_trial(slow.handle)

    def counted(name):
        trial = create_trial(name)
        waits.append(trial.status == "IDLE")
        if waits[-1] and sum(waits) == 1:
            threading.Timer(SLOW_SECONDS, end).start()
        return trial

    searching.oracle.create_trial = counted
    searching.tuner.outcome = [1.0]
    searching.tuner.search(verbose=0)
    return waits


@stock_fails("`IDLE -> continue` without a pause: a waiting worker asks thousands of times")
def test_waiting_for_a_slow_trial_does_not_spin(system, tmp_path):
    answers = answers_of_recsearch if system is Recsearch else answers_of_keras_tuner
    waits = answers(system(tmp_path, Settings("hyperband", square)))
    assert any(waits)
    assert sum(waits) <= 70  # at most one for each training
