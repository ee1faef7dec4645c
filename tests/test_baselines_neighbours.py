"""Neighbours, and the sparse matrices below them, against values by hand and slow references."""

import math

import numpy as np
import pytest
from baseline_data import encoded, index, prepared, random_train
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recsearch.baselines import fit
from recsearch.baselines.bias import fit_bias
from recsearch.baselines.matrices import (
    column_blocks,
    interaction_matrix,
    keep_largest,
    mean_matrix,
    paired_sums,
)
from recsearch.baselines.neighbours import weighted_columns
from recsearch.data.interactions import Encoded
from recsearch.data.task import Task

# Item neighbours, implicit


def test_item_knn_by_hand():
    # n_1 = 3, n_2 = 2, n_3 = 1; together: n_12 = 2, n_13 = 1, n_23 = 0.
    train = encoded([1, 1, 2, 2, 3, 3, 3], [1, 2, 1, 2, 1, 3, 3])
    cosine_12, cosine_13 = 2 / math.sqrt(3 * 2), 1 / math.sqrt(3 * 1)
    scores = fit("item_knn", prepared(train, 4, 4), {}).score_catalogue(index(1, 3, 0))
    np.testing.assert_allclose(scores[0], [0, cosine_12, cosine_12, cosine_13], rtol=1e-6)
    np.testing.assert_allclose(scores[1], [0, cosine_13, cosine_12, cosine_13], rtol=1e-6)
    assert scores[2].tolist() == [0, 0, 0, 0]


def test_item_knn_shrink_is_added_to_the_denominator():
    train = encoded([1, 1, 2, 2, 3], [1, 2, 1, 2, 1])
    scorer = fit("item_knn", prepared(train, 4, 3), {"shrink": 5.0})
    scores = scorer.score_pairs(index(3), index(2))
    np.testing.assert_allclose(scores, [2 / (math.sqrt(3 * 2) + 5)], rtol=1e-6)


def test_item_knn_keeps_the_nearest_neighbours_of_the_scored_item():
    train = encoded([1, 1, 2, 2, 3, 3], [1, 2, 1, 2, 1, 3])
    scorer = fit("item_knn", prepared(train, 4, 4), {"num_neighbours": 1})
    similarity = scorer.similarity.toarray()
    assert np.flatnonzero(similarity[1]).tolist() == [2]
    assert np.flatnonzero(similarity[3]).tolist() == [1]


def test_item_knn_idf_trusts_users_of_few_items_more():
    # User 1 met items 1, 2 and 3, user 2 items 1 and 2; of four items with the unknown one.
    train = encoded([1, 1, 1, 2, 2], [1, 2, 3, 1, 2])
    first, second = 1 + math.log(5 / 4), 1 + math.log(5 / 3)
    similarity = fit("item_knn", prepared(train, 3, 4), {"weighting": "idf"}).similarity.toarray()
    assert similarity[1, 2] == pytest.approx(1)
    assert similarity[1, 3] == pytest.approx(first / math.hypot(first, second))


def test_weighting_of_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"must be one of none, idf. Received 'bm25'"):
        weighted_columns(sparse.csr_array(np.eye(2)), "bm25")


# User neighbours, implicit


def test_user_knn_by_hand():
    # User 1 met 1 and 2, user 2 met 2 and 3, user 3 met 3: one item in common, two, three of them.
    train = encoded([1, 1, 2, 2, 3], [1, 2, 2, 3, 3])
    cosine_12, cosine_23 = 1 / 2, 1 / math.sqrt(2 * 1)
    scores = fit("user_knn", prepared(train, 4, 4), {}).score_catalogue(index(1, 2, 3, 0))
    expected = [
        [0, 0, cosine_12, cosine_12],
        [0, cosine_12, cosine_12, cosine_23],
        [0, 0, cosine_23, cosine_23],
        [0, 0, 0, 0],
    ]
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_user_knn_keeps_the_nearest_neighbours_of_the_user():
    train = encoded([1, 1, 2, 2, 3], [1, 2, 2, 3, 3])
    scorer = fit("user_knn", prepared(train, 4, 4), {"num_neighbours": 1})
    assert np.flatnonzero(scorer.similarity.toarray()[2]).tolist() == [3]


@pytest.mark.parametrize("parameters", [{}, {"shrink": 7.0}, {"weighting": "idf"}])
def test_similarities_of_users_are_those_of_items_of_the_transposed_data(parameters):
    train = random_train(np.random.default_rng(5), Task.IMPLICIT)
    transposed = encoded(train.item, train.user)
    users = fit("user_knn", prepared(train, 10, 8), parameters).similarity
    items = fit("item_knn", prepared(transposed, 8, 10), parameters).similarity
    np.testing.assert_array_equal(users.toarray(), items.toarray())


# Neighbours on residuals, ratings


def rating_knn(name: str, train: Encoded, num_users: int, num_items: int, **parameters):
    return fit(name, prepared(train, num_users, num_items, Task.RATING), parameters)


def slow_residual_knn(
    train: Encoded, num_users: int, num_items: int, user: int, item: int, shrink: float = 100
):
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
            weight = rho * (len(common) - 1) / (len(common) - 1 + shrink)
            if weight > 0:
                total += weight * residual[user, other]
                norm += weight
    return bias.unclipped(index(user), index(item))[0] + (total / norm if norm else 0.0)


@pytest.mark.parametrize("shrink", [100.0, 3.0])
def test_residual_knn_of_items_agrees_with_slow_reference(shrink):
    train = half_of_the_ratings()
    scorer = rating_knn("item_knn", train, 13, 10, shrink=shrink)
    pairs = [(u, i) for u in range(1, 13) for i in range(1, 10)]
    slow = [slow_residual_knn(train, 13, 10, u, i, shrink) for u, i in pairs]
    scores = scorer.score_pairs(*(index(*part) for part in zip(*pairs, strict=True)))
    np.testing.assert_allclose(scores, np.clip(slow, 1, 5), rtol=1e-4)
    assert not np.allclose(scores, scorer.bias.score_catalogue(np.arange(13))[1:, 1:].ravel())


def half_of_the_ratings() -> Encoded:
    """Users 1 to 12 and items 1 to 9; half of all pairs have a rating."""
    rng = np.random.default_rng(2)
    user, item = np.nonzero(rng.random((12, 9)) < 0.5)
    return encoded(user + 1, item + 1, rng.integers(1, 6, len(user)))


def slow_user_correction(train: Encoded, user: int, item: int) -> float:
    """Mean residual of those who rated the item, weighted by their positive similarity."""
    bias = fit_bias(train, 13, 10)
    residual = {
        (int(u), int(i)): float(label) - bias.unclipped(index(u), index(i))[0]
        for u, i, label in zip(train.user, train.item, train.label, strict=True)
    }
    total = norm = 0.0
    for other in (u for u, i in residual if i == item and u != user):
        common = [i for i in range(10) if {(user, i), (other, i)} <= residual.keys()]
        own = np.array([residual[user, i] for i in common])
        theirs = np.array([residual[other, i] for i in common])
        if len(common) > 1 and own @ theirs > 0:
            rho = own @ theirs / math.sqrt((own @ own) * (theirs @ theirs))
            weight = rho * (len(common) - 1) / (len(common) - 1 + 100)
            total += weight * residual[other, item]
            norm += weight
    return total / norm if norm else 0.0


def test_residual_knn_of_users_agrees_with_slow_reference():
    train = half_of_the_ratings()
    scorer = rating_knn("user_knn", train, 13, 10)
    user, item = (part.astype(np.int32) + 1 for part in np.divmod(np.arange(12 * 9), 9))
    slow = [slow_user_correction(train, u, i) for u, i in zip(user, item, strict=True)]
    expected = np.clip(scorer.bias.unclipped(user, item) + slow, 1, 5)
    np.testing.assert_allclose(scorer.score_pairs(user, item), expected, rtol=1e-4)


@pytest.mark.parametrize("name", ["item_knn", "user_knn"])
def test_residual_knn_without_rated_neighbours_is_the_bias(name):
    train = random_train(np.random.default_rng(3), Task.RATING)
    scorer = rating_knn(name, train, 12, 10)
    user, item = index(0, 0, 11, 3), index(0, 4, 4, 9)
    np.testing.assert_array_equal(
        scorer.score_pairs(user, item), scorer.bias.score_pairs(user, item)
    )


@pytest.mark.parametrize("name", ["item_knn", "user_knn"])
def test_residual_knn_of_constant_ratings_is_the_constant(name):
    train = encoded([1, 1, 2, 2, 3], [1, 2, 1, 2, 1], [4, 4, 4, 4, 4])
    scorer = rating_knn(name, train, 4, 3)
    assert scorer.score_pairs(index(3), index(2)).tolist() == [4]


# Matrices


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


def test_column_blocks_cover_all_columns_in_order():
    matrix = interaction_matrix(encoded(np.ones(5000), np.arange(1, 5001)), 2, 5002)
    blocks = list(column_blocks(matrix))
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
    assert len(list(column_blocks(interaction_matrix(train, 4, num + 1)))) == 2
    scorer = rating_knn("item_knn", train, 4, num + 1)
    assert scorer.similarity.shape == (num + 1, num + 1)
    assert not scorer.similarity.diagonal().any()
    residual = scorer.residual.toarray()[1:].astype(np.float64)
    for item in (1, num):
        row = scorer.similarity[[item]].tocoo()
        assert len(row.col) == 500
        own, others = residual[:, item], residual[:, row.col]
        rho = own @ others / np.sqrt((own @ own) * (others**2).sum(axis=0))
        np.testing.assert_allclose(row.data, rho * 2 / 102, rtol=1e-4)


def test_paired_sums_are_inner_products_of_rows():
    rng = np.random.default_rng(6)
    left, right = rng.integers(0, 3, (4, 6)), rng.integers(0, 3, (5, 6))
    row, other = rng.integers(0, 4, 9000), rng.integers(0, 5, 9000)
    sums = paired_sums(sparse.csr_array(left), sparse.csr_array(right), row, other)
    np.testing.assert_array_equal(sums, (left[row] * right[other]).sum(axis=1))
