"""Baselines whose users' items count by their recency."""

import numpy as np
import pytest
from baseline_data import encoded, index, parity_column, prepared, random_train

from recsearch.baselines import fit, tune
from recsearch.baselines.ials import IalsSettings, solve_rows
from recsearch.baselines.matrices import by_recency, interaction_matrix
from recsearch.baselines.registry import BASELINES, HALF_LIVES
from recsearch.data.preparation import PreparedData
from recsearch.data.task import Task
from recsearch.errors import UsageError

WEIGHING = ("item_knn", "ease", "pure_svd", "ials", "content")
EVERY = tuple(BASELINES[Task.IMPLICIT])


def in_time() -> PreparedData:
    """Twelve users and nine items, the last ones without an interaction, in a random order."""
    rng = np.random.default_rng(0)
    train = random_train(rng, Task.IMPLICIT)
    timestamp = rng.integers(0, 50, len(train))
    return prepared(train, 12, 9, columns=parity_column(), timestamp=timestamp)


def weighted(data: PreparedData, half_life: float) -> np.ndarray:
    """The users' items [U, N] by their recency, item after item."""
    dense = np.zeros((data.spec.num_users, data.spec.num_items))
    rows, items = data.seen.rows(np.arange(data.spec.num_users, dtype=np.int32))
    for row, item, age in zip(rows, items, data.seen.age, strict=True):
        if row > 0 and item > 0:
            dense[row, item] = 0.5 ** (age / half_life)
    return dense


def test_by_recency_by_hand():
    train = encoded([1, 1, 1, 2], [3, 1, 2, 1])
    data = prepared(train, 3, 4, timestamp=np.array([5, 9, 7, 1]))
    interactions = interaction_matrix(train, 3, 4)
    found = by_recency(interactions, data.seen, {"half_life": 1.0})
    assert found.dtype == np.float32
    assert found.toarray().tolist() == [[0, 0, 0, 0], [0, 1, 0.5, 0.25], [0, 1, 0, 0]]
    assert by_recency(interactions, data.seen, {}) is interactions


@pytest.mark.parametrize("half_life", [0.0, -1.0, float("nan")])
@pytest.mark.parametrize("name", WEIGHING)
def test_half_life_that_is_not_above_zero_is_refused(name, half_life):
    with pytest.raises(ValueError, match="`half_life` must be above 0"):
        fit(name, in_time(), {"half_life": half_life})


def test_those_that_weigh_are_told():
    found = [name for name in EVERY if BASELINES[Task.IMPLICIT][name].weighs_recency]
    assert sorted(found) == sorted(WEIGHING)
    assert not any(
        one.weighs_recency for task in (Task.RATING, Task.CLICK) for one in BASELINES[task].values()
    )


@pytest.mark.parametrize("name", WEIGHING)
def test_scores_by_recency_of_pairs_are_those_of_the_catalogue_and_no_others(name):
    data, users = in_time(), np.arange(12, dtype=np.int32)
    scorer = fit(name, data, {"half_life": 1.5})
    catalogue = scorer.score_catalogue(users)
    user, item = np.divmod(np.arange(12 * 9, dtype=np.int32), 9)
    pairs = scorer.score_pairs(user, item).reshape(12, 9)
    np.testing.assert_allclose(pairs[:, 1:], catalogue[:, 1:], rtol=1e-5, atol=1e-6)
    plain = fit(name, data, {}).score_catalogue(users)
    assert np.abs(catalogue - plain)[1:10, 1:].max() > 0.01
    for_ever = fit(name, data, {"half_life": 1e9}).score_catalogue(users)
    if name != "ials":  # whose users are solved for once more
        np.testing.assert_allclose(for_ever, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "parameters"), [("item_knn", {}), ("ease", {}), ("pure_svd", {"factors": 3})]
)
def test_linear_maps_are_of_the_weighted_items(name, parameters):
    """The map itself is the one that makes the scores of all items alike."""
    rng, users = np.random.default_rng(1), np.arange(40, dtype=np.int32)
    train = encoded(rng.integers(1, 40, 200), rng.integers(1, 9, 200))
    data = prepared(train, 40, 9, timestamp=rng.integers(0, 50, 200))
    plain = fit(name, data, parameters).score_catalogue(users)[:, 1:]
    met = interaction_matrix(train, 40, 9).toarray()[:, 1:]
    assert np.linalg.matrix_rank(met) == 8  # so that there is one such map
    linear = np.linalg.pinv(met) @ plain
    expected = weighted(data, 2.0)[:, 1:] @ linear
    found = fit(name, data, {**parameters, "half_life": 2.0}).score_catalogue(users)[:, 1:]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_content_is_the_weighted_mean():
    data, users = in_time(), np.arange(12, dtype=np.int32)
    scorer = fit("content", data, {"half_life": 2.0})
    share = weighted(data, 2.0)
    share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-12)
    vector = scorer.vector.toarray()
    np.testing.assert_allclose(scorer.score_catalogue(users), share @ vector @ vector.T, atol=1e-5)


def test_ials_solves_weighted_normal_equations():
    rng = np.random.default_rng(9)
    item = rng.normal(size=(5, 2)).astype(np.float32)
    item[0] = 0
    interactions = interaction_matrix(encoded([1, 1, 1, 2], [1, 2, 4, 3]), 4, 5)
    interactions.data[:] = [0.25, 1.0, 0.5, 1.0]
    solved = solve_rows(
        interactions, item, IalsSettings(2, l2=0.5, unobserved_weight=0.25, sweeps=1)
    )
    everywhere = 0.25 * sum(np.outer(item[i], item[i]) for i in (1, 2, 3, 4))
    met, counts = item[[1, 2, 4]], np.array([0.25, 1.0, 0.5])
    ridge = 0.5 * (1.75 + 0.25 * 4) * np.eye(2)
    expected = np.linalg.solve(everywhere + (met.T * counts) @ met + ridge, counts @ met)
    np.testing.assert_allclose(solved[1], expected, rtol=1e-5)


@pytest.mark.parametrize("name", EVERY)
def test_half_life_without_ages_or_for_others_is_refused(name):
    train = random_train(np.random.default_rng(0), Task.IMPLICIT)
    without = prepared(train, 12, 9, columns=parity_column())
    for data in (without, in_time()) if name not in WEIGHING else (without,):
        with pytest.raises(UsageError, match=rf"parameters of {name} are: .*Received half_life"):
            fit(name, data, {"half_life": 2.0})


def test_tuning_tries_half_lives_at_the_default_and_then_the_grid_at_the_best():
    grid, tried = BASELINES[Task.IMPLICIT]["ease"].grid, []
    values = iter([0.1, 0.3, 0.5, 0.2, *([0.4] * (len(grid) - 2)), 0.6])

    def value(scorer) -> float:
        tried.append(scorer.score_catalogue(index(1)))
        return next(values)

    data = in_time()
    tuned = tune("ease", data, value)
    best = HALF_LIVES[1]
    expected = [
        grid[0],
        *({**grid[0], "half_life": one} for one in HALF_LIVES),
        *({**one, "half_life": best} for one in grid[1:]),
    ]
    for parameters, scores in zip(expected, tried, strict=True):
        np.testing.assert_allclose(
            fit("ease", data, parameters).score_catalogue(index(1)), scores, atol=1e-5
        )
    assert tuned.parameters == {**grid[-1], "half_life": best}
    total = len(grid) + len(HALF_LIVES)
    assert tuned.note == f"{total} of {total} configurations were tried"


def test_tuning_without_a_better_half_life_takes_none():
    tuned = tune("item_knn", in_time(), lambda _: 1.0)
    assert tuned.parameters == BASELINES[Task.IMPLICIT]["item_knn"].grid[0]
