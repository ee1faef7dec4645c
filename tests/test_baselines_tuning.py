"""The small search of a baseline."""

import math
import time

import numpy as np
import pytest
from baseline_data import checkerboard_train, encoded, index, parity_column, prepared, random_train
from hypothesis import given, settings
from hypothesis import strategies as st

from recsearch.baselines import TooLargeError, fit, tune
from recsearch.baselines.parameters import Parameters
from recsearch.baselines.registry import BASELINES
from recsearch.data.task import Task
from recsearch.errors import UsageError

EVERY = [(name, task) for task in Task for name in BASELINES[task]]
L2S = [one["l2"] for one in BASELINES[Task.IMPLICIT]["ease"].grid]


def data_of(task: Task):
    train = random_train(np.random.default_rng(0), task)
    return prepared(train, 12, 9, task, columns=parity_column())


@pytest.mark.parametrize(("name", "task"), EVERY)
def test_grid_is_small_and_without_repetition(name, task):
    grid = BASELINES[task][name].grid
    assert 1 <= len(grid) <= 12
    assert len({tuple(one.items()) for one in grid}) == len(grid)
    assert all(one.keys() == grid[0].keys() for one in grid)


@pytest.mark.parametrize(("name", "task"), EVERY)
def test_tuning_hands_over_what_fit_makes_of_the_same_parameters(name, task):
    """Work that the configurations share does not change any of them."""
    data, users, seen = data_of(task), np.arange(12, dtype=np.int32), []

    def keep(scorer) -> float:
        seen.append(scorer.score_catalogue(users))
        return float(len(seen))

    tuned = tune(name, data, keep)
    grid = BASELINES[task][name].grid
    assert tuned.num_tried == len(seen) == len(grid)
    assert (tuned.name, tuned.parameters, tuned.value) == (name, grid[-1], len(grid))
    for parameters, scores in zip(grid, seen, strict=True):
        expected = fit(name, data, parameters).score_catalogue(users)
        np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


@given(st.lists(st.sampled_from([math.nan, -1.0, 0.0, 0.5]), min_size=11, max_size=11))
@settings(max_examples=50, deadline=None)
def test_tuning_takes_the_best_and_the_first_of_equals(values):
    assert len(L2S) == 11
    pending = iter(values)
    tuned = tune("ease", prepared(checkerboard_train(), 9, 9), lambda _: next(pending))
    known = [value for value in values if not math.isnan(value)]
    if known:
        assert tuned.value == max(known)
        assert tuned.parameters == {"l2": L2S[values.index(max(known))]}
    else:
        assert math.isnan(tuned.value)
        assert tuned.parameters == {"l2": L2S[0]}
    assert tuned.note == "11 of 11 configurations were tried"


def test_tuning_chooses_by_the_given_metric():
    data = prepared(checkerboard_train(), 9, 9)
    half = tune("ease", data, lambda s: -abs(float(s.score_pairs(index(1), index(1))[0]) - 0.5))
    scores = [float(fit("ease", data, {"l2": l2}).score_pairs(index(1), index(1))[0]) for l2 in L2S]
    nearest = min(L2S, key=lambda l2: abs(scores[L2S.index(l2)] - 0.5))
    assert half.parameters == {"l2": nearest}


def test_tuning_without_time_tries_the_default_alone_and_says_so():
    tuned = tune("ease", prepared(checkerboard_train(), 9, 9), lambda _: 1.0, time_limit=0)
    assert (tuned.parameters, tuned.num_tried) == ({"l2": 500.0}, 1)
    assert tuned.note == "1 of 11 configurations were tried; the time limit of 0 s was reached"


def test_tuning_ends_when_its_time_is_over_and_takes_the_best_so_far():
    def slow(scorer) -> float:
        time.sleep(0.06)
        return float(scorer.weight.max())  # larger for a smaller l2

    tuned = tune("ease", prepared(checkerboard_train(), 9, 9), slow, time_limit=0.15)
    assert 1 < tuned.num_tried <= 3
    assert tuned.parameters == {"l2": min(L2S[: tuned.num_tried])}
    assert "the time limit of 0.15 s was reached" in tuned.note
    assert tuned.seconds >= 0.15


def test_tuning_of_a_baseline_without_parameters_tries_it_once():
    tuned = tune("popularity", prepared(checkerboard_train(), 9, 9), lambda _: 0.25)
    assert (tuned.parameters, tuned.value, tuned.num_tried) == ({}, 0.25, 1)
    assert tuned.note == "this baseline has no parameters"


def test_tuning_leaves_out_configurations_that_are_too_large(monkeypatch):
    # 8 sweeps of 64 factors fit into these operations, 192 factors do not.
    monkeypatch.setattr("recsearch.baselines.ials.MAX_OPERATIONS", 5e7)
    tuned = tune("ials", prepared(checkerboard_train(), 9, 9), lambda _: 1.0)
    grid: tuple[Parameters, ...] = BASELINES[Task.IMPLICIT]["ials"].grid
    small = sum(one["factors"] == 64 for one in grid)
    assert tuned.num_tried == small < len(grid)
    assert tuned.note == (
        f"{small} of {len(grid)} configurations were tried; {len(grid) - small} were too large"
    )


def test_tuning_of_a_baseline_that_is_too_large_is_refused(monkeypatch):
    with pytest.raises(TooLargeError, match="have 999,999 items"):
        tune("ease", prepared(encoded([1], [1]), 2, 1_000_000), lambda _: 1.0)
    monkeypatch.setattr("recsearch.baselines.ials.MAX_OPERATIONS", 1.0)
    with pytest.raises(TooLargeError, match="ials may take at most"):
        tune("ials", prepared(checkerboard_train(), 9, 9), lambda _: 1.0)


def test_tuning_of_an_unknown_name_is_refused():
    with pytest.raises(UsageError, match=r"must be one of .*. Received 'slim'"):
        tune("slim", prepared(checkerboard_train(), 9, 9), lambda _: 1.0)
