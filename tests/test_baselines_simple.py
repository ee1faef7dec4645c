"""Popularity, biases and content, against values by hand and slow references."""

import math

import numpy as np
import pytest
from baseline_data import encoded, index, parity_column, prepared

from recsearch.baselines import fit
from recsearch.baselines.bias import fit_bias
from recsearch.baselines.popularity import fit_popularity
from recsearch.baselines.tfidf import term_counts
from recsearch.data.interactions import ColumnKind
from recsearch.data.task import Task
from recsearch.data.vocabulary import ColumnSpec

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


def test_bias_regularisation_counts_as_labels_without_a_departure():
    # As above: b_1 = 10 * 2 / (reg_item + 10); users do not differ, whatever reg_user.
    user = np.repeat(np.arange(1, 11), 2)
    train = encoded(user, np.tile([1, 2], 10), np.tile([5, 1], 10))
    data = prepared(train, 11, 3, Task.RATING)
    scorer = fit("bias", data, {"reg_item": 30.0, "reg_user": 1.0})
    np.testing.assert_allclose(scorer.score_pairs(index(1), index(1)), [3 + 20 / 40], rtol=1e-6)
    # One user who gives 4 to items that are 3 on average: b_u = 2 * 1 / (reg_user + 2) at first.
    lone = encoded([1, 1, 2, 2], [1, 2, 1, 2], [4, 4, 2, 2])
    weak, strong = (fit_bias(lone, 3, 3, reg_user=reg) for reg in (2.0, 6.0))
    assert weak.user_bias[1] == pytest.approx(2 / (2 + 2))
    assert strong.user_bias[1] == pytest.approx(2 / (6 + 2))


# Content


def genres() -> dict[str, tuple[ColumnSpec, np.ndarray]]:
    """Items 1 to 4 of studio 1, 1, 2, unknown and genres {1, 2}, {1}, {2}, {}."""
    studio = np.array([0, 1, 1, 2, 0], dtype=np.int32)
    genre = np.array([[0, 0], [1, 2], [1, 0], [2, 0], [0, 0]], dtype=np.int32)
    year = np.zeros(5, dtype=np.float32)
    return {
        "item_studio": (ColumnSpec("item_studio", ColumnKind.CATEGORICAL, size=3), studio),
        "item_year": (ColumnSpec("item_year", ColumnKind.NUMERIC), year),
        "item_genre": (ColumnSpec("item_genre", ColumnKind.MULTI, size=3, length=2), genre),
    }


def test_terms_are_the_values_of_categorical_and_multi_valued_columns():
    counts = term_counts(prepared(encoded([1], [1]), 2, 5, columns=genres()))
    assert counts.toarray().tolist() == [
        [0, 0, 0, 0], [1, 0, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 0, 0],
    ]  # fmt: skip


def test_content_by_hand_without_idf():
    # Of length 1: v_1 = (1, 0, 1, 1) / sqrt 3, v_2 = (1, 0, 1, 0) / sqrt 2, v_3 = (0, 1, 0, 1) / ..
    data = prepared(encoded([1, 2, 2], [1, 1, 3]), 4, 5, columns=genres())
    scores = fit("content", data, {"idf": False}).score_catalogue(index(1, 2, 3))
    cosine_12, cosine_13, cosine_23 = 2 / math.sqrt(6), 1 / math.sqrt(6), 0
    expected = [
        [0, 1, cosine_12, cosine_13, 0],
        [0, (1 + cosine_13) / 2, (cosine_12 + cosine_23) / 2, (cosine_13 + 1) / 2, 0],
        [0, 0, 0, 0, 0],
    ]
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_content_idf_is_smoothed_and_counted_over_known_items():
    # Items 1 to 8, four of each parity: idf = 1 + log((1 + 8) / (1 + 4)) for both, so that it
    # cancels; with one odd item more marked by a rare second column, rare terms weigh more.
    rare = np.array([0, 1, 0, 1, 0, 0, 0, 0, 0], dtype=np.int32)
    columns = parity_column() | {
        "item_rare": (ColumnSpec("item_rare", ColumnKind.CATEGORICAL, size=2), rare)
    }
    data = prepared(encoded([1], [1]), 2, 9, columns=columns)
    common, seldom = 1 + math.log(9 / 5), 1 + math.log(9 / 3)
    scores = fit("content", data, {"idf": True}).score_pairs(index(1, 1, 1), index(3, 5, 2))
    partly = common / math.sqrt(common**2 + seldom**2)
    np.testing.assert_allclose(scores, [1, partly, 0], rtol=1e-6)


def test_content_scores_an_item_that_training_does_not_know_by_its_columns():
    column, values = parity_column()["item_parity"]
    longer = {"item_parity": (column, np.append(values, [1, 2]).astype(np.int32))}
    content = fit("content", prepared(encoded([1, 1], [1, 3]), 2, 9, columns=longer), {})
    odd = int(values[1])
    expected = [1.0, 0.0] if odd == 1 else [0.0, 1.0]
    np.testing.assert_allclose(content.score_pairs(index(1, 1), index(9, 10)), expected, rtol=1e-6)
    assert content.score_pairs(index(2), index(9)).tolist() == [0]  # a user without items


def test_content_of_the_catalogue_does_not_depend_on_unknown_items():
    column, values = parity_column()["item_parity"]
    longer = {"item_parity": (column, np.append(values, [1, 1, 1]).astype(np.int32))}
    train = encoded([1, 1], [1, 2])
    data = [prepared(train, 2, 9, columns=c) for c in (parity_column(), longer)]
    first, second = (fit("content", one, {}).score_catalogue(index(1)) for one in data)
    np.testing.assert_array_equal(first, second)
