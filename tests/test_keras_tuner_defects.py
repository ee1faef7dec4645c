"""Defects of Keras Tuner 1.4.8, each shown on its stock classes and mended in recsearch.

Every test body runs twice, on both systems; on the stock one it must fail, in the way its reason
says. A new version of Keras Tuner that mends a defect makes its test fail here: then take the mark
away, and the row of the table in README.
"""

import threading
from contextlib import suppress
from json import JSONDecodeError

import numpy as np
import pytest
from defects import (
    STOCK_WARNINGS,
    bowl,
    by_layers,
    four_dimensions,
    key,
    line,
    looping,
    next_task,
    square,
    stock_fails,
    thirty_configurations,
    train,
)
from two_systems import OVER, Settings, Task, run

from recsearch.errors import RunDirectoryError

pytestmark = STOCK_WARNINGS


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
