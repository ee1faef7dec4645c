"""Bayesian optimisation: better than chance, each configuration once, a function of the trials."""

import warnings
from dataclasses import replace

import keras_tuner
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation import (
    LOSS,
    branin,
    num_foreseen,
    run_search,
    square,
    thirty_configurations,
    two_families,
)
from sklearn.gaussian_process import GaussianProcessRegressor

from recsearch.errors import ConfigError
from recsearch.study.decision import Finish, Plan, Propose, Wait
from recsearch.study.seen_configurations import configuration_key
from recsearch.study.trial import Objective, Trial, TrialState
from recsearch.tuning.drivers.bayesian import (
    BayesianDriver,
    Observations,
    Surrogate,
    fit_kernel,
    observe,
    scheduled_parts,
    targets,
)
from recsearch.tuning.drivers.encoding import encode, neighbour, to_unit, tunable
from recsearch.tuning.drivers.random import RandomDriver
from recsearch.tuning.space.sampling import as_hyperparameters, defaults, sample

SPACE = two_families()
SQUARE = square()
THIRTY = thirty_configurations()


def by_layers(family, values, epoch):
    return float(abs(values["num_layers"] - 4)) + (values.get("optimizer") != "adam")


def by_learning_rate(family, values, epoch):
    return float(values.get("learning_rate", values.get("momentum", 0.05)))


def keys(trials):
    return [configuration_key(trial.space, trial.values) for trial in trials]


def points_of_square(scores, state=TrialState.COMPLETED):
    return [
        Trial(f"{i:04d}", "f", {"x": float(i), "y": 2.0 * i}, 1, state, score=score)
        for i, score in enumerate(scores)
    ]


# Encoding


def test_encoding_of_each_kind_of_hyperparameter():
    # Columns: space (2), learning_rate, bias, optimizer (3), momentum twice, embedding_dim.
    points = encode(
        SPACE,
        [
            ("mf", {"learning_rate": 1e-3, "bias": True}),
            ("neumf", {"optimizer": "rmsprop", "momentum": 0.75, "embedding_dim": 4}),
        ],
    )
    third = np.log(1e-3 / 1e-4) / np.log(1e-1 / 1e-4)  # 1 of 3 decades
    smallest = np.log(4.5 / 4) / np.log(257 / 4)  # Keras Tuner centres whole numbers
    expected = [
        [1, 0, third, 1, 0, 0, 0, 0.5, 0.5, 0.5],
        [0, 1, 0.5, 0.5, 0, 1, 0, 0.5, (0.75 - 0.5) / 0.5, smallest],
    ]
    np.testing.assert_allclose(points, expected, atol=1e-12)


def test_hyperparameter_of_one_value_has_no_column():
    assert "neumf/batch_size" not in [hp.name for hp in tunable(SPACE)]
    assert "space" not in [hp.name for hp in tunable(SQUARE)]
    assert encode(SQUARE, [("f", {"x": -5.0, "y": 15.0})]).tolist() == [[0.0, 1.0]]


def test_value_that_was_not_read_is_encoded_as_inactive():
    assert encode(SQUARE, [("f", {"x": -5.0})]).tolist() == [[0.0, 0.5]]


def test_to_unit_keeps_steps_apart_and_takes_values_beside_the_range():
    hp = keras_tuner.HyperParameters()
    hp.Float("dropout", 0.0, 0.4, step=0.1)  # in floating point, 0.3 // 0.1 is 2
    hp.Choice("batch_size", [64, 128, 256])
    dropout, batch_size = hp.space
    places = [to_unit(dropout, value) for value in dropout.values]
    np.testing.assert_allclose(places, [0.0, 0.25, 0.5, 0.75, 1.0])
    assert to_unit(dropout, 0.9) == 1.0
    assert to_unit(batch_size, 128) == 0.5
    assert to_unit(batch_size, 200) == (2 + 0.5) / 3  # nearest: 256


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_points_lie_in_the_unit_cube_and_neighbours_are_valid(seed):
    rng = np.random.default_rng(seed)
    configuration = sample(SPACE, rng)
    near = neighbour(SPACE, configuration, rng)
    points = encode(SPACE, [configuration, near])
    assert ((points >= 0) & (points <= 1)).all()
    assert near[0] == configuration[0]
    hp = as_hyperparameters(SPACE, *near)
    assert set(hp.values) == {"space"} | {f"{near[0]}/{name}" for name in near[1]}


def test_neighbours_are_nearer_than_random_points():
    rng = np.random.default_rng(0)
    centre = ("f", {"x": 2.0, "y": 7.0})
    origin = encode(SQUARE, [centre])
    near = encode(SQUARE, [neighbour(SQUARE, centre, rng) for _ in range(300)])
    far = encode(SQUARE, [sample(SQUARE, rng) for _ in range(300)])
    median_near = np.median(np.abs(near - origin).max(axis=1))
    assert median_near < 0.3 * np.median(np.abs(far - origin).max(axis=1))


# What the Gaussian process is told


def test_observations_are_finished_trials_then_running_ones():
    trials = points_of_square([3.0, None, 1.0, None, 2.0])
    trials[1] = replace(trials[1], state=TrialState.RUNNING)
    trials[3] = replace(trials[3], state=TrialState.FAILED)
    observations = observe(SQUARE, LOSS, trials)
    assert observations.scores.tolist() == [3.0, 1.0, np.inf, 2.0]
    x_of_ids = [0.0, 2.0, 3.0, 4.0, 1.0]  # trial 1, which runs, comes last
    np.testing.assert_allclose(observations.points[:, 0], [(x + 5) / 15 for x in x_of_ids])


def test_observations_of_direction_max_are_turned():
    trials = points_of_square([3.0, 1.0, 2.0, None])
    trials[3] = replace(trials[3], state=TrialState.INFEASIBLE)
    observations = observe(SQUARE, Objective("ndcg@10", "max"), trials)
    assert observations.scores.tolist() == [-3.0, -1.0, -2.0, np.inf]


def test_failed_trials_are_as_bad_as_the_worst():
    # (3, 1, 3, 1) has mean 2 and deviation 1.
    assert targets(np.array([3.0, 1.0, np.inf, 1.0])).tolist() == [1.0, -1.0, 1.0, -1.0]


def test_diverged_score_is_moved_to_the_fence():
    values = targets(np.array([0.0, 1.0, 2.0, 3.0, 1e9]))
    # Quartiles of (0, 1, 2, 3, 1e9) are 1 and 3: the fence is 3 + 3 * (3 - 1) = 9.
    bounded = np.array([0.0, 1.0, 2.0, 3.0, 9.0])
    np.testing.assert_allclose(values, (bounded - 3.0) / np.sqrt(50 / 5))


def test_length_scales_are_fitted_anew_after_a_fifth_more_trials():
    scores = [5.0, 1.0, np.inf, 4.0, 2.0, 3.0, 9.0, 8.0, 7.0, 6.0, 1e9, 0.5]
    observations = Observations(np.arange(24.0).reshape(12, 2), np.array(scores))
    # 11 are finite, the schedule says 3, 4, 5, 6, 8, 10: the last part ends one score before 0.5.
    parts = scheduled_parts(observations)
    assert [np.isfinite(part.scores).sum() for part in parts] == [3, 4, 5, 6, 8, 10]
    assert [len(part.scores) for part in parts] == [4, 5, 6, 7, 9, 11]  # one failed early
    for part in parts:
        assert part.scores.tolist() == scores[: len(part.scores)]
        assert part.points.tolist() == observations.points[: len(part.scores)].tolist()


def test_schedule_grows_at_its_end_alone():
    observations = Observations(np.zeros((40, 2)), np.arange(40.0))
    for size in range(3, 40):
        shorter = Observations(observations.points[:size], observations.scores[:size])
        sizes = [len(part.scores) for part in scheduled_parts(shorter)]
        assert sizes == [len(part.scores) for part in scheduled_parts(observations)][: len(sizes)]
        assert sizes[-1] <= size < 1.2 * sizes[-1] + 1


def test_length_scales_are_not_fitted_on_hundreds_of_trials():
    observations = Observations(np.zeros((900, 2)), np.zeros(900))
    assert len(scheduled_parts(observations)[-1].scores) == 122


def test_fit_starts_from_the_kernel_before_it():
    rng = np.random.default_rng(0)
    points = rng.uniform(size=(30, 2))
    values = targets(np.sin(6 * points[:, 0]) + 0.1 * rng.normal(size=30))
    kernel = fit_kernel(points, values, seed=0)
    again = fit_kernel(points, values, seed=1, start=kernel)
    np.testing.assert_allclose(again.theta, kernel.theta, atol=0.05)  # already at the optimum
    # The smaller data's kernel is near, and no start from the middle finds a better one.
    before = fit_kernel(points[:24], values[:24], seed=0)
    warm = fit_kernel(points, values, seed=0, start=before)
    assert log_likelihood(warm, points, values) >= log_likelihood(kernel, points, values) - 0.01


def log_likelihood(kernel, points, values):
    process = GaussianProcessRegressor(kernel, alpha=1e-6, optimizer=None).fit(points, values)
    return process.log_marginal_likelihood_value_


def test_fewer_than_three_scores_are_nothing_to_learn_from():
    trials = points_of_square([1.0, 2.0, None, None])
    trials[2] = replace(trials[2], state=TrialState.FAILED)
    assert observe(SQUARE, LOSS, trials) is None


def test_expected_improvement_is_highest_between_the_best_points():
    points = np.linspace(0, 1, 9)[:, np.newaxis]
    scores = (points[:, 0] - 0.56) ** 2
    kernel = fit_kernel(points, targets(scores), seed=0)
    candidates = np.linspace(0, 1, 101)[:, np.newaxis]
    surrogate = Surrogate.fit(kernel, Observations(points, scores))
    improvement = surrogate.expected_improvement(candidates)
    assert improvement.shape == (101,)
    assert (improvement >= -1e-9).all()
    assert 0.5 < candidates[improvement.argmax(), 0] < 0.625


def test_column_that_does_not_matter_leaks_no_warning():
    rng = np.random.default_rng(0)
    points = rng.uniform(size=(20, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kernel = fit_kernel(points, points[:, 0], seed=0)
    length_scale = kernel.k1.k2.length_scale
    assert length_scale[0] < length_scale[1:].min()


def test_equal_scores_are_no_fault():
    driver = BayesianDriver(SQUARE, LOSS, 0, 20, 1)
    assert isinstance(driver.propose(points_of_square([1.0] * 12)), Propose)


# The driver


def test_neighbours_of_the_best_candidates_are_better_than_those():
    trials = run_search(RandomDriver(SPACE, LOSS, 0, 20, 1), by_learning_rate).trials
    observations = observe(SPACE, LOSS, trials)
    refined = 0
    for seed in range(5):
        driver = BayesianDriver(SPACE, LOSS, seed, 40, 1)
        surrogate = Surrogate.fit(driver._kernel(observations), observations)
        candidates, improvement = driver._candidates(trials, surrogate)
        assert len(candidates) == len(improvement) == 600 + 5 * 40 + 5 * 40
        refined += improvement[-200:].max() > improvement[:-200].max()
    assert refined >= 4


@pytest.mark.slow
def test_finds_more_than_random_search_on_branin():
    wins = 0
    for seed in range(5):
        bayesian = run_search(BayesianDriver(SQUARE, LOSS, seed, 30, 1), branin)
        random = run_search(RandomDriver(SQUARE, LOSS, seed, 30, 1), branin)
        assert len(bayesian.trials) == len(random.trials) == 30
        wins += bayesian.best < random.best
    assert wins >= 4


@pytest.mark.parametrize("workers", [1, 3])
def test_space_of_thirty_is_tried_whole_and_each_configuration_once(workers):
    search = run_search(BayesianDriver(THIRTY, LOSS, 0, 60, 1), by_layers, workers)
    assert len(search.trials) == 30
    assert len(set(keys(search.trials))) == 30
    assert search.finish == Finish("all 30 configurations have been tried")


def test_small_space_is_solved_before_it_is_exhausted():
    search = run_search(BayesianDriver(THIRTY, LOSS, 0, 15, 1), by_layers)
    assert search.best == 0.0


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_failures_neither_stop_nor_repeat_the_search(share):
    rng = np.random.default_rng(0)
    search = run_search(
        BayesianDriver(SQUARE, LOSS, 0, 20, 1), branin, 2, fails=lambda trial: rng.random() < share
    )
    assert len(set(keys(search.trials))) == len(search.trials) == 20


def test_search_whose_trials_all_fail_ends():
    driver = BayesianDriver(SQUARE, LOSS, 0, 12, 1)
    search = run_search(driver, branin, fails=lambda trial: True)
    assert len(search.trials) == 12


def test_proposals_keep_apart_from_running_trials():
    trials = points_of_square([9.0, 7.0, 5.0, 3.0, 1.0, 3.0, 5.0, 7.0])
    driver = BayesianDriver(SQUARE, LOSS, 0, 40, 1)
    trials.append(Trial("0008", "f", defaults(SQUARE)[0][1], 1, TrialState.COMPLETED, score=9.0))
    for index in range(9, 13):
        values = driver.propose(trials).values
        trials.append(Trial(f"{index:04d}", "f", values, 1, TrialState.RUNNING))
    points = encode(SQUARE, [(trial.space, trial.values) for trial in trials[9:]])
    distances = np.linalg.norm(points[:, np.newaxis] - points, axis=2)[np.triu_indices(4, 1)]
    assert distances.min() > 0.01


def test_decisions_follow_from_the_trials_alone():
    rng = np.random.default_rng(0)
    search = run_search(
        BayesianDriver(SPACE, LOSS, 3, 16, 1),
        by_learning_rate,
        workers=3,
        fails=lambda trial: rng.random() < 0.1,
    )
    for trials, decision in search.decisions:
        assert BayesianDriver(SPACE, LOSS, 3, 16, 1).propose(trials) == decision


def test_seed_zero_repeats_and_nearby_seeds_share_only_the_default():
    searches = [
        run_search(BayesianDriver(SQUARE, LOSS, seed, 12, 1), branin).trials for seed in (0, 0, 1)
    ]
    assert keys(searches[0]) == keys(searches[1])
    sampled = [set(keys(trials[1:5])) for trials in searches]  # later both may try a same corner
    assert not sampled[0] & sampled[2]
    assert keys(searches[0])[0] == keys(searches[2])[0]


def test_defaults_come_first_even_where_few_trials_are_asked_for():
    search = run_search(BayesianDriver(SPACE, LOSS, 0, 2, 1), lambda family, values, epoch: 1.0)
    assert [(trial.space, dict(trial.values)) for trial in search.trials] == defaults(SPACE)


@pytest.mark.parametrize(
    ("space", "max_trials", "expected"),
    [
        (SQUARE, 100, 5),  # 2 hyperparameters: max(5, 2 + 1)
        (SPACE, 100, 7),  # space, learning_rate, bias, optimizer, momentum, embedding_dim: 6 + 1
        (SPACE, 9, 5),  # half of 9, rounded up
        (SPACE, 4, 3),  # at least 3
    ],
)
def test_number_of_initial_trials(space, max_trials, expected):
    assert BayesianDriver(space, LOSS, 0, max_trials, 1).num_initial() == expected


def test_scores_count_after_the_initial_trials():
    random = RandomDriver(SQUARE, LOSS, 0, 100, 1)
    bayesian = BayesianDriver(SQUARE, LOSS, 0, 100, 1)
    search = run_search(replace(random, max_trials=6), branin)
    assert bayesian.propose(search.trials[:4]) == random.propose(search.trials[:4])
    assert bayesian.propose(search.trials[:5]) != random.propose(search.trials[:5])


def test_driver_waits_for_the_last_running_trial():
    driver = BayesianDriver(SQUARE, LOSS, 0, 3, 1)
    trials = points_of_square([1.0, 2.0, None])
    assert driver.propose([*trials[:2], replace(trials[2], state=TrialState.RUNNING)]) == Wait()


def test_plan_and_promotable_are_those_of_a_random_search():
    driver = BayesianDriver(THIRTY, LOSS, 0, 40, 5)
    assert driver.plan() == Plan(30, 150, ("30 configurations x 5 epochs",))
    assert driver.promotable([]) == frozenset()


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError, match=r"max_trials must be at least 1. Received: 0"):
        BayesianDriver(SQUARE, LOSS, 0, 0, 1)


def test_configuration_is_foreseen_until_scores_count():
    driver = BayesianDriver(SPACE, LOSS, 3, 16, 1)
    search = run_search(driver, by_learning_rate, workers=3)
    num_foreseen(driver, search)
    foreseen = [driver.foresee(trials) is not None for trials, _ in search.decisions]
    proposed = [len(trials) < driver.num_initial() for trials, _ in search.decisions]
    assert foreseen == proposed
