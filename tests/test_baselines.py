"""Baselines against values by hand, slow references and published results."""

import math
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recsearch.baselines import TooLargeError, applicable, choose_ease_l2, fit_baseline
from recsearch.baselines.bias import fit_bias
from recsearch.baselines.ease import ease_from_gram, fit_ease, gram_matrix
from recsearch.baselines.item_knn import fit_item_knn
from recsearch.baselines.matrices import (
    interaction_matrix,
    item_blocks,
    keep_largest,
    mean_matrix,
)
from recsearch.baselines.popularity import fit_popularity
from recsearch.baselines.residual_knn import fit_residual_knn
from recsearch.data.interactions import Encoded, Task
from recsearch.errors import RecsearchError, UsageError
from recsearch.metrics import mean_ranking, pair_metrics, rank_in_lists


def encoded(user, item, label=None) -> Encoded:
    label = np.ones(len(user)) if label is None else label
    return Encoded(
        np.asarray(user, dtype=np.int32),
        np.asarray(item, dtype=np.int32),
        np.asarray(label, dtype=np.float32),
    )


def index(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int32)


def random_train(rng: np.random.Generator, task: Task, num: int = 120) -> Encoded:
    """Users 0 to 9 and items 0 to 7, the unknown ones and repetitions included."""
    label = {
        Task.RATING: rng.integers(1, 6, num),
        Task.CLICK: rng.integers(0, 2, num),
        Task.IMPLICIT: np.ones(num),
    }[task]
    return encoded(rng.integers(0, 10, num), rng.integers(0, 8, num), label)


def checkerboard() -> Encoded:
    """Users and items 1 to 8: like meets like (both odd or both even), save item u of user u."""
    pairs = [(u, i) for u, i in product(range(1, 9), repeat=2) if (u + i) % 2 == 0 and u != i]
    return encoded(*zip(*pairs, strict=True))


# All of them

EVERY = [(name, task) for task in Task for name in applicable(task)]


def test_applicable_baselines_of_each_task():
    assert applicable(Task.IMPLICIT) == ("popularity", "item_knn", "ease")
    assert applicable(Task.RATING) == ("bias", "item_knn")
    assert applicable(Task.CLICK) == ("popularity", "bias")
    assert len(EVERY) == 7


@pytest.mark.parametrize(("name", "task"), EVERY)
def test_baseline_scores_pairs_as_the_catalogue(name, task):
    train = random_train(np.random.default_rng(0), task)
    scorer = fit_baseline(name, train, 12, 9, task)
    catalogue = scorer.score_catalogue(np.arange(12, dtype=np.int32))
    user, item = np.divmod(np.arange(12 * 9, dtype=np.int32), 9)
    pairs = scorer.score_pairs(user, item)
    assert (catalogue.shape, catalogue.dtype) == ((12, 9), np.float32)
    assert (pairs.shape, pairs.dtype) == ((108,), np.float32)
    assert np.isfinite(catalogue).all()
    known = item > 0  # column 0 of a catalogue means nothing
    np.testing.assert_allclose(pairs[known], catalogue.ravel()[known], rtol=1e-5, atol=1e-6)
    assert np.isfinite(pairs).all()


@pytest.mark.parametrize(("name", "task"), EVERY)
def test_baseline_returns_a_new_catalogue_each_time(name, task):
    scorer = fit_baseline(name, random_train(np.random.default_rng(0), task), 12, 9, task)
    first = scorer.score_catalogue(index(1, 2))
    expected = first.copy()
    first[:] = -np.inf
    np.testing.assert_array_equal(scorer.score_catalogue(index(1, 2)), expected)


@pytest.mark.parametrize(("name", "task"), EVERY)
def test_baseline_of_no_pairs_is_empty(name, task):
    scorer = fit_baseline(name, random_train(np.random.default_rng(0), task), 12, 9, task)
    assert scorer.score_pairs(index(), index()).shape == (0,)
    assert scorer.score_catalogue(index()).shape == (0, 9)


def test_fit_baseline_of_unknown_name_is_refused():
    train = random_train(np.random.default_rng(0), Task.RATING)
    with pytest.raises(UsageError, match=r"task rating must be one of bias, item_knn. .*'ease'"):
        fit_baseline("ease", train, 12, 9, Task.RATING)


def test_fit_baseline_hands_l2_to_ease():
    train = checkerboard()
    weak = fit_baseline("ease", train, 9, 9, Task.IMPLICIT, l2=1.0)
    strong = fit_baseline("ease", train, 9, 9, Task.IMPLICIT, l2=1e6)
    assert weak.score_catalogue(index(1)).max() > 0.1
    assert strong.score_catalogue(index(1)).max() < 1e-4


@pytest.mark.parametrize("name", ["item_knn", "ease"])
def test_withheld_item_of_a_checkerboard_is_found(name):
    train = checkerboard()
    scorer = fit_baseline(name, train, 9, 9, Task.IMPLICIT, l2=1.0)
    users = np.arange(1, 9, dtype=np.int32)
    scores = scorer.score_catalogue(users)
    scores[train.user - 1, train.item] = -np.inf
    scores[:, 0] = -np.inf
    assert scores.argmax(axis=1).tolist() == users.tolist()


# Popularity


def test_popularity_counts_interactions_of_known_items():
    scorer = fit_popularity(encoded([1, 1, 2, 0, 3], [2, 2, 2, 1, 0]), 4, Task.IMPLICIT)
    assert scorer.score_pairs(index(1, 1, 1, 1), index(0, 1, 2, 3)).tolist() == [0, 1, 3, 0]
    assert scorer.score_catalogue(index(1, 7)).tolist() == [[0, 1, 3, 0]] * 2


def test_popularity_of_clicks_is_the_smoothed_rate():
    # 3 clicks in 5 views over all: p = .6. Item 1: 2 of 2 views; item 2: 1 of 3; item 3: never.
    train = encoded([1, 2, 1, 2, 3], [1, 1, 2, 2, 2], [1, 1, 1, 0, 0])
    scorer = fit_popularity(train, 4, Task.CLICK)
    expected = [0.6, (2 + 10 * 0.6) / (2 + 10), (1 + 10 * 0.6) / (3 + 10), 0.6]
    np.testing.assert_allclose(scorer.score_catalogue(index(1))[0], expected, rtol=1e-6)


# Bias


def test_bias_by_hand_when_all_users_rate_alike():
    # Ten users give 5 to item 1 and 1 to item 2: b_1 = 10 * 2 / (10 + 10), b_u = 0.
    user = np.repeat(np.arange(1, 11), 2)
    train = encoded(user, np.tile([1, 2], 10), np.tile([5, 1], 10))
    scorer = fit_bias(train, 12, 4)
    scores = scorer.score_pairs(index(1, 1, 11, 0, 1, 0), index(1, 2, 1, 2, 3, 0))
    np.testing.assert_allclose(scores, [4, 2, 4, 2, 3, 3], rtol=1e-6)


def test_bias_agrees_with_slow_reference():
    rng = np.random.default_rng(1)
    train = encoded(rng.integers(1, 10, 80), rng.integers(1, 8, 80), rng.integers(1, 6, 80))
    rows = list(zip(train.user.tolist(), train.item.tolist(), train.label.tolist(), strict=True))
    mean = sum(label for _, _, label in rows) / 80
    user_bias, item_bias = dict.fromkeys(range(10), 0.0), dict.fromkeys(range(8), 0.0)
    for _ in range(10):
        for item in range(1, 8):
            rest = [label - mean - user_bias[u] for u, i, label in rows if i == item]
            item_bias[item] = sum(rest) / (10 + len(rest))
        for user in range(1, 10):
            rest = [label - mean - item_bias[i] for u, i, label in rows if u == user]
            user_bias[user] = sum(rest) / (15 + len(rest))
    fitted = fit_bias(train, 10, 8)
    assert fitted.mean == pytest.approx(mean)
    assert fitted.user_bias == pytest.approx(list(user_bias.values()))
    assert fitted.item_bias == pytest.approx(list(item_bias.values()))


def test_bias_stays_within_the_training_labels():
    # User 1 gives 2, user 2 gives 4, to a hundred items each; item 201 gets 4 from all others.
    user = np.repeat([1, 2], 100)
    train = encoded(
        np.concatenate([user, np.arange(3, 103)]),
        np.concatenate([np.arange(1, 201), np.full(100, 201)]),
        np.concatenate([np.where(user == 1, 2, 4), np.full(100, 4)]),
    )
    scorer = fit_bias(train, 103, 202)
    assert scorer.unclipped(index(2), index(201))[0] > 4
    assert scorer.score_pairs(index(2), index(201)).tolist() == [4]
    assert scorer.score_catalogue(index(1, 2)).min() >= 2


def test_bias_of_unknown_ids_is_zero_even_if_training_holds_them():
    fitted = fit_bias(encoded([0, 0, 1], [1, 0, 0], [5, 5, 1]), 2, 2)
    assert fitted.user_bias[0] == 0
    assert fitted.item_bias[0] == 0


# Item neighbours, implicit


def test_item_knn_by_hand():
    # n_1 = 3, n_2 = 2, n_3 = 1; together: n_12 = 2, n_13 = 1, n_23 = 0.
    train = encoded([1, 1, 2, 2, 3, 3, 3], [1, 2, 1, 2, 1, 3, 3])
    cosine_12, cosine_13 = 2 / math.sqrt(3 * 2), 1 / math.sqrt(3 * 1)
    scores = fit_item_knn(train, 4, 4).score_catalogue(index(1, 3, 0))
    np.testing.assert_allclose(scores[0], [0, cosine_12, cosine_12, cosine_13], rtol=1e-6)
    np.testing.assert_allclose(scores[1], [0, cosine_13, cosine_12, cosine_13], rtol=1e-6)
    assert scores[2].tolist() == [0, 0, 0, 0]


def test_item_knn_shrink_is_added_to_the_denominator():
    train = encoded([1, 1, 2, 2, 3], [1, 2, 1, 2, 1])
    scores = fit_item_knn(train, 4, 3, shrink=5.0).score_pairs(index(3), index(2))
    np.testing.assert_allclose(scores, [2 / (math.sqrt(3 * 2) + 5)], rtol=1e-6)


def test_item_knn_keeps_the_nearest_neighbours_of_the_scored_item():
    train = encoded([1, 1, 2, 2, 3, 3], [1, 2, 1, 2, 1, 3])
    similarity = fit_item_knn(train, 4, 4, num_neighbours=1).similarity.toarray()
    assert np.flatnonzero(similarity[1]).tolist() == [2]
    assert np.flatnonzero(similarity[3]).tolist() == [1]


# Item neighbours, ratings


def slow_residual_knn(train: Encoded, num_users: int, num_items: int, user: int, item: int):
    """The score of one pair by the formula, unclipped; all pairs of `train` differ."""
    bias = fit_bias(train, num_users, num_items)
    residual = {
        (int(u), int(i)): float(label) - bias.unclipped(index(u), index(i))[0]
        for u, i, label in zip(train.user, train.item, train.label, strict=True)
    }
    total = norm = 0.0
    for other in (i for u, i in residual if u == user and i != item):
        common = [u for u in range(num_users) if {(u, item), (u, other)} <= residual.keys()]
        energy = sum(residual[u, item] ** 2 for u in common) * sum(
            residual[u, other] ** 2 for u in common
        )
        if len(common) > 1 and energy > 0:
            rho = sum(residual[u, item] * residual[u, other] for u in common) / math.sqrt(energy)
            weight = rho * (len(common) - 1) / (len(common) - 1 + 100)
            if weight > 0:
                total += weight * residual[user, other]
                norm += weight
    return bias.unclipped(index(user), index(item))[0] + (total / norm if norm else 0.0)


def test_residual_knn_agrees_with_slow_reference():
    rng = np.random.default_rng(2)
    user, item = np.nonzero(rng.random((12, 9)) < 0.5)
    label = rng.integers(1, 6, len(user))
    train = encoded(user + 1, item + 1, label)
    scorer = fit_residual_knn(train, 13, 10)
    pairs = [(u, i) for u in range(1, 13) for i in range(1, 10)]
    expected = [np.clip(slow_residual_knn(train, 13, 10, u, i), 1, 5) for u, i in pairs]
    scores = scorer.score_pairs(*(index(*part) for part in zip(*pairs, strict=True)))
    np.testing.assert_allclose(scores, expected, rtol=1e-4)
    assert not np.allclose(scores, scorer.bias.score_catalogue(np.arange(13))[1:, 1:].ravel())


def test_residual_knn_without_rated_neighbours_is_the_bias():
    train = random_train(np.random.default_rng(3), Task.RATING)
    scorer = fit_residual_knn(train, 12, 10)
    user, item = index(0, 0, 11, 3), index(0, 4, 4, 9)
    np.testing.assert_array_equal(
        scorer.score_pairs(user, item), scorer.bias.score_pairs(user, item)
    )


def test_residual_knn_of_constant_ratings_is_the_constant():
    train = encoded([1, 1, 2, 2, 3], [1, 2, 1, 2, 1], [4, 4, 4, 4, 4])
    assert fit_residual_knn(train, 4, 3).score_pairs(index(3), index(2)).tolist() == [4]


# EASE


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
    gram = gram_matrix(checkerboard(), 9, 9)
    before = gram.product.copy()
    ease_from_gram(gram, 1.0)
    np.testing.assert_array_equal(gram.product, before)


def test_choose_ease_l2_takes_the_best_and_the_first_of_equals():
    train = checkerboard()
    seen = []

    def distance_to_half(scorer) -> float:
        seen.append(float(scorer.score_pairs(index(1), index(1))[0]))
        return -abs(seen[-1] - 0.5)

    grid = (0.1, 5.0, 1e4)
    chosen = choose_ease_l2(train, 9, 9, distance_to_half, grid)
    assert len(seen) == 3
    assert seen == sorted(seen, reverse=True)
    assert chosen == grid[int(np.argmin(np.abs(np.array(seen) - 0.5)))]
    assert choose_ease_l2(train, 9, 9, lambda _: 1.0, (3.0, 2.0)) == 3.0


def test_choose_ease_l2_of_an_empty_grid_or_nan_is_refused():
    with pytest.raises(ValueError, match="at least one l2"):
        choose_ease_l2(checkerboard(), 9, 9, lambda _: 1.0, ())
    with pytest.raises(ValueError, match=r"finite numbers. Received \[nan\]"):
        choose_ease_l2(checkerboard(), 9, 9, lambda _: math.nan, (1.0,))


@pytest.mark.parametrize("l2", [0.0, -1.0, math.nan, math.inf])
def test_ease_of_an_l2_that_is_not_positive_is_refused(l2):
    with pytest.raises(ValueError, match=f"positive number. Received {l2}"):
        fit_ease(checkerboard(), 9, 9, l2=l2)


# Limits and matrices


def test_ease_of_too_many_items_is_refused_before_memory_is_taken():
    with pytest.raises(TooLargeError, match=r"have 999,999 items, .* 8000.0 GB"):
        fit_ease(encoded([1], [1]), 2, 1_000_000)
    assert issubclass(TooLargeError, RecsearchError)


@pytest.mark.parametrize(("name", "task"), [("item_knn", t) for t in (Task.IMPLICIT, Task.RATING)])
def test_item_knn_of_too_many_pairs_is_refused(name, task):
    num = 60_000
    train = encoded(np.ones(num), np.arange(1, num + 1))
    with pytest.raises(TooLargeError, match=r"item_knn compares .* have 3,600,000,000"):
        fit_baseline(name, train, 2, num + 1, task)


def test_mean_matrix_holds_means_and_keeps_zeros():
    train = encoded([1, 1, 2, 0], [1, 1, 2, 1])
    matrix = mean_matrix(train, np.array([1.0, 4.0, 0.0, 9.0]), 3, 3)
    assert matrix.toarray().tolist() == [[0, 0, 0], [0, 2.5, 0], [0, 0, 0]]
    assert matrix.nnz == interaction_matrix(train, 3, 3).nnz == 2


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
@settings(max_examples=50, deadline=None)
def test_keep_largest_agrees_with_slow_reference(seed, num_kept):
    rng = np.random.default_rng(seed)
    dense = rng.integers(0, 4, (5, 8)).astype(np.float32)
    kept = keep_largest(sparse.csr_array(dense), num_kept)
    for row, values in zip(kept.toarray(), dense, strict=True):
        entries = sorted((-value, column) for column, value in enumerate(values) if value > 0)
        expected = np.zeros(8)
        for value, column in entries[:num_kept]:
            expected[column] = -value
        np.testing.assert_array_equal(row, expected)


def test_item_blocks_cover_all_items_in_order():
    matrix = interaction_matrix(encoded(np.ones(5000), np.arange(1, 5001)), 2, 5002)
    blocks = list(item_blocks(matrix))
    assert len(blocks) >= 6  # 5000 * 5000 entries, 4 million a block
    assert np.concatenate([np.arange(5002)[block] for block in blocks]).tolist() == list(
        range(5002)
    )


def test_similarities_of_several_blocks_are_those_of_one():
    # Three users rate all 2100 items: over four million entries, hence two blocks.
    num = 2100
    rng = np.random.default_rng(4)
    label = rng.integers(1, 6, 3 * num)
    train = encoded(np.repeat([1, 2, 3], num), np.tile(np.arange(1, num + 1), 3), label)
    assert len(list(item_blocks(interaction_matrix(train, 4, num + 1)))) == 2
    scorer = fit_residual_knn(train, 4, num + 1)
    assert scorer.similarity.shape == (num + 1, num + 1)
    assert not scorer.similarity.diagonal().any()
    residual = scorer.residual.toarray()[1:].astype(np.float64)
    for item in (1, num):
        row = scorer.similarity[[item]].tocoo()
        assert len(row.col) == 500
        own, others = residual[:, item], residual[:, row.col]
        rho = own @ others / np.sqrt((own @ own) * (others**2).sum(axis=0))
        np.testing.assert_allclose(row.data, rho * 2 / 102, rtol=1e-4)


# Published results


@pytest.fixture(scope="module")
def ncf(shared_data: Path) -> tuple[Encoded, np.ndarray, np.ndarray]:
    """Training part, users [m] and candidates [m, 100] of He et al. 2017, the positive first."""
    directory = shared_data / "ml-1m" / "ncf"
    train = pd.read_parquet(directory / "train.parquet", columns=["user", "item"])
    lists = pd.read_parquet(directory / "test_negatives.parquet").to_numpy(np.int32)
    candidates = lists[:, 1:] + 1
    candidates[~np.isin(candidates, train.item.to_numpy() + 1)] = 0
    return encoded(train.user + 1, train.item + 1), lists[:, 0] + 1, candidates


def ncf_metrics(scorer, user: np.ndarray, candidates: np.ndarray) -> dict[str, float]:
    pairs = scorer.score_pairs(np.repeat(user, candidates.shape[1]), candidates.ravel())
    scores = pairs.reshape(candidates.shape)
    scores[candidates == 0] = -np.inf
    scores[:, 1:][candidates[:, 1:] == candidates[:, :1]] = -np.inf
    ranks = rank_in_lists(scores, max_rank=10)
    owner, num_relevant = np.arange(len(user)), np.ones(len(user), dtype=np.int64)
    return mean_ranking(["hr@10", "ndcg@10"], ranks, owner, num_relevant)


@pytest.mark.parametrize(
    ("name", "hit_rate", "ndcg", "tolerance"),
    [
        ("popularity", 0.4531, 0.2541, 0.00005),  # deterministic
        # Untuned cosine, 100 neighbours, measured by two implementations.
        pytest.param("item_knn", 0.6623, 0.3904, 0.0005, marks=pytest.mark.slow),
        ("ease", 0.7192, 0.4494, 0.0005),  # Ferrari Dacrema et al. 2021 (TOIS)
    ],
)
def test_baseline_reaches_its_reference_on_ncf_movielens(ncf, name, hit_rate, ndcg, tolerance):
    train, user, candidates = ncf
    scorer = fit_baseline(name, train, 6041, 3707, Task.IMPLICIT, l2=1320.0)
    values = ncf_metrics(scorer, user, candidates)
    assert values["hr@10"] == pytest.approx(hit_rate, abs=tolerance)
    assert values["ndcg@10"] == pytest.approx(ndcg, abs=tolerance)


@pytest.mark.parametrize(
    ("name", "rmse", "mae"),
    [
        ("bias", 0.944, 0.748),  # Surprise's README, BaselineOnly on random folds
        ("item_knn", 0.920, 0.721),  # measured; Surprise's user-based k-NN Baseline: .931 / .733
    ],
)
def test_baseline_reaches_its_reference_on_movielens_100k(shared_data, name, rmse, mae):
    ratings = pd.read_parquet(shared_data / "ml-100k" / "ratings.parquet")
    values = []
    for fold in range(1, 6):
        is_test = (ratings.fold == fold).to_numpy()
        rows = encoded(ratings.user_id, ratings.item_id, ratings.rating)
        train, test = (
            Encoded(rows.user[part], rows.item[part], rows.label[part])
            for part in (~is_test, is_test)
        )
        scorer = fit_baseline(name, train, 944, 1683, Task.RATING)
        score = scorer.score_pairs(test.user, test.item)
        values.append(pair_metrics(["rmse", "mae"], test.label, score))
    means = pd.DataFrame(values).mean()
    assert means["rmse"] == pytest.approx(rmse, abs=0.004)
    assert means["mae"] == pytest.approx(mae, abs=0.004)
