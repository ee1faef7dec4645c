"""EASE, PureSVD and iALS, against values by hand and slow references."""

import math
from itertools import pairwise

import numpy as np
import pytest
from baseline_data import checkerboard_train, encoded, index, prepared, random_train
from scipy import sparse

from recsearch.baselines import fit
from recsearch.baselines.ease import DEFAULT_L2, ease_from_gram, gram_matrix
from recsearch.baselines.factors import Factors
from recsearch.baselines.ials import IalsSettings, fit_ials, solve_rows
from recsearch.baselines.matrices import interaction_matrix
from recsearch.data.task import Task

# EASE


def fit_ease(train, num_users, num_items, l2=DEFAULT_L2):
    return ease_from_gram(gram_matrix(train, num_users, num_items), l2)


def test_ease_by_direct_inverse_of_three_items():
    train = encoded([1, 1, 2, 2, 2, 3], [1, 2, 1, 2, 3, 3])
    met = np.array([[1, 1, 0], [1, 1, 1], [0, 0, 1]])
    inverse = np.linalg.inv(met.T @ met + 2.0 * np.eye(3))
    weight = np.eye(3) - inverse @ np.diag(1 / np.diag(inverse))
    np.fill_diagonal(weight, 0)
    scorer = fit_ease(train, 4, 4, l2=2.0)
    np.testing.assert_allclose(scorer.weight, weight, rtol=1e-6)
    np.testing.assert_allclose(
        scorer.score_catalogue(index(1, 2, 3))[:, 1:], met @ weight, rtol=1e-5
    )


def test_ease_of_two_items_by_hand():
    # X'X + l2 I = [[3 + 1, 2], [2, 2 + 1]]; its inverse is [[3, -2], [-2, 4]] / 8.
    train = encoded([1, 1, 2, 2, 3], [1, 2, 1, 2, 1])
    weight = fit_ease(train, 4, 3, l2=1.0).weight
    np.testing.assert_allclose(weight, [[0, 2 / 4], [2 / 3, 0]], rtol=1e-6)


def test_ease_ignores_unknown_ids_and_repetitions():
    plain = encoded([1, 1, 2], [1, 2, 1])
    noisy = encoded([1, 1, 2, 2, 0, 3], [1, 2, 1, 1, 2, 0])
    np.testing.assert_array_equal(fit_ease(noisy, 4, 3).weight, fit_ease(plain, 4, 3).weight)


def test_ease_from_gram_leaves_the_gram_matrix_as_it_was():
    gram = gram_matrix(checkerboard_train(), 9, 9)
    before = gram.product.copy()
    ease_from_gram(gram, 1.0)
    np.testing.assert_array_equal(gram.product, before)


@pytest.mark.parametrize("l2", [0.0, -1.0, math.nan, math.inf])
def test_ease_of_an_l2_that_is_not_positive_is_refused(l2):
    with pytest.raises(ValueError, match=f"positive number. Received {l2}"):
        fit_ease(checkerboard_train(), 9, 9, l2=l2)


# PureSVD


def test_pure_svd_is_the_low_rank_approximation():
    train = random_train(np.random.default_rng(7), Task.IMPLICIT, num=40)
    met = interaction_matrix(train, 10, 8).toarray()
    left, size, right = np.linalg.svd(met)
    assert size[2] - size[3] > 0.1  # so that the first three are well defined
    expected = left[:, :3] * size[:3] @ right[:3]
    scorer = fit("pure_svd", prepared(train, 10, 8), {"factors": 3})
    np.testing.assert_allclose(scorer.score_catalogue(np.arange(10)), expected, atol=1e-5)


def test_pure_svd_of_one_factor_by_hand():
    # Users 1 and 2 met items 1 and 2, user 3 met item 3: the first factor is (1, 1, 0) / sqrt 2.
    train = encoded([1, 1, 2, 2, 3], [1, 2, 1, 2, 3])
    scores = fit("pure_svd", prepared(train, 4, 4), {"factors": 1}).score_catalogue(index(1, 3))
    np.testing.assert_allclose(scores, [[0, 1, 1, 0], [0, 0, 0, 0]], atol=1e-6)


def test_pure_svd_of_more_factors_than_items_gives_back_what_was_met():
    train = random_train(np.random.default_rng(8), Task.IMPLICIT, num=40)
    scorer = fit("pure_svd", prepared(train, 10, 8), {"factors": 50})
    met = interaction_matrix(train, 10, 8).toarray()
    np.testing.assert_allclose(scorer.score_catalogue(np.arange(10)), met, atol=1e-5)


# iALS


def test_ials_solves_the_normal_equations_of_each_user():
    rng = np.random.default_rng(9)
    item = rng.normal(size=(5, 2)).astype(np.float32)
    item[0] = 0
    interactions = interaction_matrix(encoded([1, 1, 1, 2], [1, 2, 4, 3]), 4, 5)
    solved = solve_rows(
        interactions, item, IalsSettings(2, l2=0.5, unobserved_weight=0.25, sweeps=1)
    )
    everywhere = 0.25 * sum(np.outer(item[i], item[i]) for i in (1, 2, 3, 4))
    met = item[[1, 2, 4]]
    # Three items met, four in all: the ridge is .5 (3 + .25 * 4) = 2.
    expected = np.linalg.solve(everywhere + met.T @ met + 2 * np.eye(2), met.sum(axis=0))
    np.testing.assert_allclose(solved[1], expected, rtol=1e-5)
    assert solved[[0, 3]].tolist() == [[0, 0], [0, 0]]  # unknown, and without an item


def test_ials_of_one_factor_by_hand():
    # Item vectors 1 and 2; the user met item 2: (w (1 + 4) + 4 + l2 (1 + 2 w)) p = 2.
    item = np.array([[0], [1], [2]], dtype=np.float32)
    interactions = interaction_matrix(encoded([1], [2]), 2, 3)
    solved = solve_rows(
        interactions, item, IalsSettings(1, l2=0.5, unobserved_weight=0.2, sweeps=1)
    )
    assert solved[1, 0] == pytest.approx(2 / (0.2 * 5 + 4 + 0.5 * 1.4))


def objective(
    interactions: sparse.csr_array, vectors: Factors, l2: float, unobserved_weight: float
) -> float:
    """Returns the value that iALS minimises, from the equation of its module."""
    user, item = vectors.user.astype(np.float64), vectors.item.astype(np.float64)
    row, column = interactions.nonzero()
    observed = np.einsum("nd,nd->n", user[row], item[column])
    everywhere = np.sum((user.T @ user) * (item.T @ item))
    num_users, num_items = (size - 1 for size in interactions.shape)
    user_ridge = np.bincount(row, minlength=num_users + 1) + unobserved_weight * num_items
    item_ridge = np.bincount(column, minlength=num_items + 1) + unobserved_weight * num_users
    lengths = user_ridge @ np.sum(user**2, axis=1) + item_ridge @ np.sum(item**2, axis=1)
    return float(np.sum((observed - 1) ** 2) + unobserved_weight * everywhere + l2 * lengths)


def test_ials_objective_by_hand():
    # Scores of the user: 3 and 6. Met: item 1. l2 (1 + 2 w) 9 + l2 ((1 + w) 1 + w 4).
    vectors = Factors(
        np.array([[0], [3]], dtype=np.float32), np.array([[0], [1], [2]], dtype=np.float32)
    )
    value = objective(interaction_matrix(encoded([1], [1]), 2, 3), vectors, 0.1, 0.5)
    assert value == pytest.approx(
        (3 - 1) ** 2 + 0.5 * (9 + 36) + 0.1 * ((1 + 2 * 0.5) * 9 + (1 + 0.5) * 1 + 0.5 * 4)
    )


def test_ials_solution_is_where_the_objective_is_least():
    train = random_train(np.random.default_rng(10), Task.IMPLICIT, num=60)
    interactions = interaction_matrix(train, 10, 8)
    settings = IalsSettings(3, l2=0.1, unobserved_weight=0.2, sweeps=4)
    vectors = fit_ials(interactions, interactions.T.tocsr(), settings)
    best = objective(interactions, vectors, 0.1, 0.2)
    rng = np.random.default_rng(11)
    for _ in range(20):  # the items were solved for last
        moved = vectors.item + rng.normal(0, 0.01, vectors.item.shape).astype(np.float32)
        moved[0] = 0
        assert objective(interactions, Factors(vectors.user, moved), 0.1, 0.2) > best


def test_each_sweep_of_ials_lowers_the_objective():
    interactions = interaction_matrix(
        random_train(np.random.default_rng(12), Task.IMPLICIT, num=60), 10, 8
    )
    values = []
    for sweeps in range(1, 6):
        settings = IalsSettings(3, l2=0.05, unobserved_weight=0.2, sweeps=sweeps)
        vectors = fit_ials(interactions, interactions.T.tocsr(), settings)
        values.append(objective(interactions, vectors, 0.05, 0.2))
    assert all(later < earlier for earlier, later in pairwise(values))


def test_ials_of_singular_equations_is_refused():
    interactions = interaction_matrix(checkerboard_train(), 9, 9)
    settings = IalsSettings(4, l2=0.0, unobserved_weight=0.0, sweeps=1)
    with pytest.raises(ValueError, match=r"ials at l2 0.0 are singular. Choose a larger l2"):
        fit_ials(interactions, interactions.T.tocsr(), settings)
