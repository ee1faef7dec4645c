"""Defects of Keras Tuner 1.4.8, each shown on its stock classes and mended in recsearch.

Every test body runs twice, on both systems; on the stock one it must fail, in the way its reason
says. A new version of Keras Tuner that mends a defect makes its test fail here: then take the mark
away, and the row of the table in README.
"""

import threading
import time
from collections import Counter
from contextlib import suppress
from json import JSONDecodeError

import numpy as np
import pytest
from two_systems import OVER, PlainKerasTuner, Recsearch, Settings, Task, run

from recsearch.errors import RunDirectoryError
from recsearch.tuning.drivers.decision import Wait
from recsearch.tuning.engines.engine import Message
from recsearch.tuning.loop import Budget, search
from recsearch.tuning.trial import Epoch, Outcome, TrialState

pytestmark = [  # warnings of the stock classes
    pytest.mark.filterwarnings("ignore:All-NaN:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
SLOW_SECONDS = 0.3
HYPERBAND_27_3 = {
    (3, 0): 27, (3, 1): 9, (3, 2): 3, (3, 3): 1,
    (2, 0): 12, (2, 1): 4, (2, 2): 2,
    (1, 0): 6, (1, 1): 2,
    (0, 0): 4,
}  # fmt: skip
"""(bracket, rung) -> trainings, in all 70."""


def stock_fails(reason, raises=AssertionError):
    """Runs a test on recsearch and on plain Keras Tuner, where it must fail for the reason."""
    mark = pytest.mark.xfail(strict=True, raises=raises, reason=reason)
    return pytest.mark.parametrize(
        "system",
        [
            pytest.param(Recsearch, id="recsearch"),
            pytest.param(PlainKerasTuner, id="keras_tuner", marks=mark),
        ],
        indirect=True,
    )


@pytest.fixture
def system(request):
    yield request.param
    request.param.close_all()


def square(hp):
    hp.Float("x", 0.0, 1.0)
    hp.Float("y", 0.0, 1.0)


def four_dimensions(hp):
    for name in "abcd":
        hp.Float(name, 0.0, 1.0)


def thirty_configurations(hp):
    hp.Choice("optimizer", ["sgd", "adam", "adagrad", "ftrl", "lion"])
    hp.Int("num_layers", 1, 6)


def line(hp):
    hp.Float("x", 0.0, 1.0)


def six_configurations(hp):
    hp.Int("num_layers", 1, 6)


def looping(hp):
    for index in range(hp.Int("num_layers", 1, 3)):
        hp.Int(f"units_{index}", 8, 1000)


def bowl(task):
    return (task.values["x"] - 0.3) ** 2 + (task.values["y"] - 0.6) ** 2


def by_layers(task):
    return abs(task.values["num_layers"] - 4) + float(task.values.get("optimizer") != "adam")


def key(task):
    return tuple(sorted(task.values.items()))


def started(tasks):
    return Counter((task.bracket, task.rung) for task in tasks)


def next_task(searching):
    task = searching.ask()
    if not isinstance(task, Task):
        raise TypeError(f"expected a trial, received {task}")
    return task


def train(searching, score=1.0):
    task = next_task(searching)
    searching.report(task, [score])
    searching.end(task)
    return task


# Seeds


@stock_fails("`seed or random.randint(1, 10000)`: the seed 0 is taken for none")
def test_seed_zero_is_a_seed(system, tmp_path):
    settings = Settings("random", square, seed=0, max_trials=3)
    searches = [run(system(tmp_path / str(i), settings), bowl) for i in range(3)]
    assert len({tuple(map(key, tasks)) for tasks in searches}) == 1


@stock_fails("each value is drawn with the next whole number as seed: seeds 10 and 12 overlap")
def test_nearby_seeds_share_nothing_that_is_sampled(system, tmp_path):
    ten, twelve = (
        run(system(tmp_path / str(seed), Settings("random", square, seed=seed)), bowl)
        for seed in (10, 12)
    )
    assert not set(map(key, ten[1:])) & set(map(key, twelve[1:]))


# What is tried


@stock_fails("gives up after 20 collisions: 28 or 29 of 30 configurations are tried")
def test_random_search_tries_the_whole_of_a_small_space(system, tmp_path):
    searching = system(tmp_path, Settings("random", thirty_configurations, max_trials=100))
    tasks = run(searching, by_layers)
    assert len(tasks) == len(set(map(key, tasks))) == 30
    assert searching.ask() == OVER


@stock_fails("no duplicate check after the initial points: one configuration comes again and again")
def test_bayesian_search_tries_the_whole_of_a_small_space_and_ends(system, tmp_path):
    searching = system(tmp_path, Settings("bayesian", thirty_configurations, max_trials=100))
    seen = set()
    while isinstance(task := searching.ask(), Task):
        assert key(task) not in seen
        seen.add(key(task))
        searching.report(task, [by_layers(task)])
        searching.end(task)
    assert len(seen) == 30
    assert task == OVER


@stock_fails("12 random points come first at 4 dimensions: of 10 trials none looks at a score")
def test_bayesian_search_of_ten_trials_learns_from_scores(system, tmp_path):
    settings = Settings("bayesian", four_dimensions, max_trials=10)
    low = run(system(tmp_path / "low", settings), lambda task: task.values["a"])
    high = run(system(tmp_path / "high", settings), lambda task: -task.values["a"])
    assert key(low[-1]) != key(high[-1])


@stock_fails("neither the random state nor the Gaussian process is saved")
def test_bayesian_search_that_is_resumed_proposes_what_it_would_have(system, tmp_path):
    def tried(folder, reopen_after):
        searching = system(tmp_path / folder, Settings("bayesian", line, max_trials=20))
        found = []
        for number in range(8):
            if number == reopen_after:
                searching = searching.reopen()
            task = next_task(searching)
            searching.report(task, [float(np.sin(9 * task.values["x"]))])
            searching.end(task)
            found.append(task.values["x"])
        return found

    np.testing.assert_allclose(tried("resumed", 5), tried("uninterrupted", None), atol=1e-3)


@stock_fails("values of layers that do not exist are recorded, and make one model many")
def test_hyperparameters_that_no_builder_reads_are_not_recorded(system, tmp_path):
    searching = system(tmp_path, Settings("random", looping, max_trials=12))
    tasks = run(searching, lambda task: 1.0)
    assert {task.values["num_layers"] for task in tasks} == {1, 2, 3}
    for record in searching.records().values():
        assert len(record.values) == 1 + record.values["num_layers"]


# Hyperband


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


# Failures


@stock_fails("the metrics of the first attempt are kept, and those of the retry ignored")
def test_good_retry_after_nan_has_a_score(system, tmp_path):
    searching = system(tmp_path, Settings("random", square, max_retries=2))
    task = next_task(searching)
    searching.report(task, [float("nan")])
    searching.end_for_a_retry(task)
    again = train(searching, 1.0)
    assert again.trial_id == task.trial_id
    assert searching.records()[task.trial_id].score == 1.0


@stock_fails("only NaN is looked for: an infinite loss is a COMPLETED trial and the best one")
@pytest.mark.parametrize(("direction", "score"), [("min", "-inf"), ("max", "inf")])
def test_infinity_is_never_a_score(system, direction, score, tmp_path):
    searching = system(tmp_path, Settings("random", square, direction=direction))
    train(searching, float(score))
    train(searching, 1.0)
    assert searching.best() == 1.0
    assert [record.state for record in searching.records().values()] == ["FAILED", "COMPLETED"]


@stock_fails("`nan < x` is false, so a first epoch of NaN hides all that follow")
def test_epoch_of_nan_hides_no_other_epoch(system):
    assert system.score_of_curve([float("nan"), 0.5, 0.4, 0.6]) == 0.4


@stock_fails("with no better trial, a failed one is handed out as the best")
def test_search_whose_trials_all_failed_has_no_best_trial(system, tmp_path):
    searching = system(tmp_path, Settings("random", square))
    train(searching, float("nan"))
    train(searching, float("nan"))
    assert searching.best() is None


@stock_fails("a model that is too large is a failure, and three in a row end it", RuntimeError)
def test_models_that_are_too_large_do_not_end_the_search(system, tmp_path):
    searching = system(tmp_path, Settings("random", square, max_failures_in_a_row=3))
    for _ in range(4):
        searching.refuse_as_too_large(next_task(searching))
    trained = train(searching)
    assert searching.records()[trained.trial_id].state == "COMPLETED"


@stock_fails("the error that ends the search is raised before the last failure is written")
def test_every_failure_is_on_disk_with_its_message(system, tmp_path):
    searching = system(tmp_path, Settings("random", square, max_failures_in_a_row=3))
    for number in range(3):
        with suppress(RuntimeError):
            searching.fail(next_task(searching), f"cause {number}")
    records = list(searching.reopen().records().values())
    assert [record.state for record in records] == ["FAILED"] * 3
    for number, record in enumerate(records):
        assert f"cause {number}" in record.message


@stock_fails("`synchronized` has no finally: after an error the lock is held for ever")
def test_error_in_one_thread_does_not_block_the_others(system, tmp_path):
    searching = system(tmp_path, Settings("random", square))
    with pytest.raises(KeyError, match="9999"):
        searching.end_unknown_trial()
    other = threading.Thread(target=searching.ask, daemon=True)
    other.start()
    other.join(timeout=2.0)
    assert not other.is_alive()


# Kills and damaged files


@stock_fails("files are written in place, and one that is torn blocks the project", JSONDecodeError)
@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_torn_last_write_costs_no_earlier_trial(system, kept, tmp_path):
    searching = system(tmp_path, Settings("random", square))
    finished = [train(searching, score).trial_id for score in (2.0, 1.0)]
    train(searching, 3.0)
    searching.tear_last_write(kept)
    records = searching.reopen().records()
    assert [records[trial_id].score for trial_id in finished] == [2.0, 1.0]
    assert searching.reopen().best() == 1.0


@stock_fails("trial.json is written before oracle.json: a kill between them loses the trial")
def test_trial_that_was_being_started_at_a_kill_is_taken_up(system, tmp_path):
    searching = system(tmp_path, Settings("random", square, max_trials=4))
    train(searching)
    searching.die_while_starting()
    searching = searching.reopen()
    run(searching, bowl)
    assert [record.state for record in searching.records().values()] == ["COMPLETED"] * 4


@stock_fails("a project is taken for new until its first trial has ended")
def test_kill_during_the_first_trial_is_resumed(system, tmp_path):
    searching = system(tmp_path, Settings("random", square))
    task = next_task(searching)
    assert list(searching.reopen().records()) == [task.trial_id]


@stock_fails("the trial is trained again, and the score of the first training stands")
def test_score_after_a_kill_is_that_of_the_training_that_ended(system, tmp_path):
    searching = system(tmp_path, Settings("random", square))
    train(searching)
    killed = next_task(searching)
    searching.report(killed, [2.0])
    searching = searching.reopen()
    assert train(searching, 5.0).trial_id == killed.trial_id
    assert searching.records()[killed.trial_id].score == 5.0


@stock_fails("attempts are counted when they end: every resume runs into the same trial")
def test_configuration_that_always_kills_its_process_is_passed(system, tmp_path):
    searching = system(tmp_path, Settings("random", square))
    train(searching)
    killed = []
    for _ in range(8):
        killed.append(next_task(searching).trial_id)
        searching = searching.reopen()
    assert len(set(killed)) > 1
    assert searching.records()[killed[0]].state == "FAILED"


@stock_fails("there is no lock: two searches write into one directory", pytest.fail.Exception)
def test_second_search_in_a_directory_is_refused(system, tmp_path):
    settings = Settings("random", square)
    with (
        system.owned(tmp_path, settings),
        pytest.raises(RunDirectoryError, match="process"),
        system.owned(tmp_path, settings),
    ):
        pass


@stock_fails("the direction is guessed from a list of names that has no ranking metric", ValueError)
@pytest.mark.parametrize("metric", ["ndcg@10", "hr@10"])
def test_direction_of_ranking_metrics_is_known(system, metric):
    assert system.direction_of(metric) == "max"
