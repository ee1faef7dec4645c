"""The embedded data set: its shape, its determinism, and the signal that is planted in it."""

import time

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from recsearch.data.interactions import ColumnKind, Interactions
from recsearch.data.splitting import split_interactions
from recsearch.data.synthetic import (
    FIRST_SECOND,
    MIN_RATINGS_PER_USER,
    SPAN_SECONDS,
    SyntheticData,
    _label_moments,
    generate,
)
from recsearch.data.task import Task
from recsearch.errors import UsageError


@pytest.fixture(scope="module")
def data() -> SyntheticData:
    return generate()


def positions(interactions: Interactions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return interactions.user_id.to_numpy() - 1, interactions.item_id.to_numpy() - 1


def rmse(error: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(error**2)))


def fit_biases(
    train: Interactions, test: Interactions, shape: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the residuals of mean + user bias + item bias (damping 5) on both parts."""
    (user, item), mean = positions(train), train.label.mean(dtype=np.float64)
    of_user, of_item = np.zeros(shape[0]), np.zeros(shape[1])
    num_of_user = np.bincount(user, minlength=shape[0]) + 5
    num_of_item = np.bincount(item, minlength=shape[1]) + 5
    for _ in range(10):
        of_item = np.bincount(item, train.label - mean - of_user[user], shape[1]) / num_of_item
        of_user = np.bincount(user, train.label - mean - of_item[item], shape[0]) / num_of_user
    predictions = (mean + of_user[u] + of_item[i] for u, i in map(positions, (train, test)))
    on_train, on_test = predictions
    return train.label - on_train, test.label - on_test


def least_squares_side(
    pairs: tuple[NDArray[np.int64], NDArray[np.int64]],
    target: NDArray[np.float64],
    other: NDArray[np.float64],
    num_rows: int,
) -> NDArray[np.float64]:
    """Returns the ridge solution (L2 8) of one side of a factorisation, given the other side."""
    rank = other.shape[1]
    rows = other[pairs[1]]
    gram = np.empty((num_rows, rank, rank))
    right = np.empty((num_rows, rank))
    for d in range(rank):
        right[:, d] = np.bincount(pairs[0], rows[:, d] * target, num_rows)
        for e in range(rank):
            gram[:, d, e] = np.bincount(pairs[0], rows[:, d] * rows[:, e], num_rows)
    return np.linalg.solve(gram + 8 * np.eye(rank), right[:, :, None])[:, :, 0]


def hit_rate(scores: NDArray[np.float64], seen: NDArray[np.bool_], test: Interactions) -> float:
    """Returns the share of test rows whose item is among the first 10 of those not seen."""
    user, item = positions(test)
    scores = np.where(seen, -np.inf, scores)[user]
    rank = np.sum(scores > scores[np.arange(len(item)), item][:, None], axis=1)
    return float(np.mean(rank < 10))


def test_generate_default_sizes_and_ranges(data: SyntheticData) -> None:
    interactions = data.interactions
    user, item = positions(interactions)
    assert len(interactions) == len(data.true_score) == 100_000
    assert len(np.unique(user * 1_500 + item)) == 100_000
    assert interactions.user_id.type == interactions.item_id.type == pa.int64()
    assert (user.min(), user.max()) == (0, 1_199)
    assert item.min() >= 0
    assert item.max() <= 1_499
    assert np.bincount(user).min() >= MIN_RATINGS_PER_USER
    assert interactions.label.dtype == np.float32
    assert set(np.unique(interactions.label)) == {1, 2, 3, 4, 5}
    assert 3.3 < interactions.label.mean() < 3.9
    assert 0.9 < interactions.label.std() < 1.3


def test_generate_timestamps_fill_the_span_unordered(data: SyntheticData) -> None:
    timestamp = data.interactions.timestamp
    assert timestamp is not None
    assert timestamp.dtype == np.int64
    assert timestamp.min() >= FIRST_SECOND
    assert timestamp.max() < FIRST_SECOND + SPAN_SECONDS
    assert np.ptp(timestamp) > 0.9 * SPAN_SECONDS
    assert np.any(np.diff(timestamp) < 0)


def test_generate_feature_tables_list_every_id(data: SyntheticData) -> None:
    assert data.users.id.to_pylist() == list(range(1, 1_201))
    assert data.items.id.to_pylist() == list(range(1, 1_501))
    kinds = {
        name: column.kind for table in (data.users, data.items)
        for name, column in table.columns.items()
    }  # fmt: skip
    assert kinds == {
        "age_group": ColumnKind.CATEGORICAL,
        "country": ColumnKind.CATEGORICAL,
        "genres": ColumnKind.MULTI,
        "year": ColumnKind.NUMERIC,
        "title": ColumnKind.TEXT,
    }
    columns = data.items.columns
    assert columns["genres"].values.type == pa.list_(pa.string())
    assert columns["year"].values.type == pa.float64()
    assert 0 < columns["year"].values.null_count < 100
    assert {len(genres) for genres in columns["genres"].values.to_pylist()} == {1, 2, 3}
    title, genres = columns["title"].values[41].as_py(), columns["genres"].values[41].as_py()
    assert title == f"{genres[0]} no. 42"


def test_generate_popularity_is_zipf_like(data: SyntheticData) -> None:
    popularity = np.sort(np.bincount(positions(data.interactions)[1], minlength=1_500))[::-1]
    rank = np.arange(1, 1_501)
    tail = slice(100, 1_000)
    slope = np.polyfit(np.log(rank[tail]), np.log(popularity[tail]), 1)[0]
    assert -1.2 < slope < -0.7
    assert 0.35 < popularity[:150].sum() / 100_000 < 0.5


def test_generate_activity_is_skewed(data: SyntheticData) -> None:
    activity = np.bincount(positions(data.interactions)[0])
    assert np.median(activity) < 0.8 * activity.mean()
    assert activity.max() > 5 * activity.mean()


def test_generate_same_seed_same_data() -> None:
    first, again, other = (generate(50, 60, 800, seed) for seed in (3, 3, 4))
    assert first.interactions.user_id.equals(again.interactions.user_id)
    assert first.interactions.item_id.equals(again.interactions.item_id)
    np.testing.assert_array_equal(first.interactions.label, again.interactions.label)
    np.testing.assert_array_equal(first.interactions.timestamp, again.interactions.timestamp)
    np.testing.assert_array_equal(first.true_score, again.true_score)
    for table, same in ((first.users, again.users), (first.items, again.items)):
        assert all(
            table.columns[name].values.equals(same.columns[name].values) for name in table.columns
        )
    assert not first.interactions.item_id.equals(other.interactions.item_id)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((1, 60, 800), "num_users must be at least 2, num_items at least 5. Received 1 and 60"),
        ((50, 4, 200), "num_users must be at least 2, num_items at least 5. Received 50 and 4"),
        ((50, 60, 249), r"num_ratings must lie in \[250, 3000\].*Received 249 for 50 users"),
        ((50, 60, 3001), r"num_ratings must lie in \[250, 3000\].*Received 3001 for 50 users"),
    ],
)
def test_generate_impossible_counts_are_refused(sizes: tuple[int, int, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        generate(*sizes)


@pytest.mark.parametrize("num_ratings", [250, 3000])
def test_generate_counts_at_the_bounds(num_ratings: int) -> None:
    data = generate(50, 60, num_ratings)
    user, item = positions(data.interactions)
    assert len(np.unique(user * 60 + item)) == num_ratings


def test_label_moments_agree_with_sampled_labels(rng: np.random.Generator) -> None:
    score = np.array([0.0, 2.5, 3.0, 4.4, 6.0])
    labels = np.clip(np.rint(score + rng.normal(0.0, 0.75, (200_000, 5))), 1, 5)
    expected, variance = _label_moments(score)
    np.testing.assert_allclose(expected, labels.mean(axis=0), atol=0.01)
    np.testing.assert_allclose(variance, labels.var(axis=0), atol=0.01)
    assert expected[2] == pytest.approx(3.0)  # symmetric around the middle of the scale


def test_noise_floor_is_met_by_the_true_score(data: SyntheticData) -> None:
    error = data.interactions.label - data.true_score
    assert rmse(error) == pytest.approx(data.noise_floor, abs=0.01)
    assert abs(error.mean()) < 0.01


@pytest.mark.parametrize("seed", [0, 1])
def test_ratings_reward_factorisation_over_biases(seed: int) -> None:
    data = generate(seed=seed)
    split = split_interactions(data.interactions, "random", Task.RATING, seed=0)
    shape, rank = (1_200, 1_500), 6
    residual, test_residual = fit_biases(split.train, split.test, shape)
    user, item = positions(split.train)
    items = np.random.default_rng(0).normal(0.0, 0.1, (shape[1], rank))
    for _ in range(8):
        users = least_squares_side((user, item), residual, items, shape[0])
        items = least_squares_side((item, user), residual, users, shape[1])
    test_user, test_item = positions(split.test)
    factorised = rmse(test_residual - np.sum(users[test_user] * items[test_item], axis=1))
    assert factorised < rmse(test_residual) - 0.03
    assert data.noise_floor < factorised - 0.08


def test_choice_of_items_shows_taste(data: SyntheticData) -> None:
    split = split_interactions(data.interactions, "random", Task.IMPLICIT, seed=0)
    seen = np.zeros((1_200, 1_500), dtype=np.bool_)
    seen[positions(split.train)] = True
    together = seen.T.astype(np.float32) @ seen
    popularity = np.diag(together).copy()
    length = np.sqrt(np.maximum(popularity, 1))
    cosine = together / np.outer(length, length)
    np.fill_diagonal(cosine, 0)
    by_popularity = hit_rate(np.broadcast_to(popularity, seen.shape), seen, split.test)
    assert hit_rate(seen @ cosine, seen, split.test) > 1.2 * by_popularity


def test_features_explain_taste(data: SyntheticData) -> None:
    """Mean label by (age group, genre) varies far more than if ages were dealt at random."""
    user, item = positions(data.interactions)
    age = np.unique(data.users.columns["age_group"].values.to_numpy(False), return_inverse=True)[1]
    genre = np.unique(
        [genres[0] for genres in data.items.columns["genres"].values.to_pylist()],
        return_inverse=True,
    )[1]
    label = data.interactions.label.astype(np.float64)

    def spread(age_of_user: NDArray[np.int64]) -> float:
        cell = genre[item] * 6 + age_of_user[user]
        num = np.bincount(cell, minlength=72).reshape(12, 6)
        mean = np.bincount(cell, label, 72).reshape(12, 6) / num
        mean -= mean.mean(axis=0)
        mean -= mean.mean(axis=1, keepdims=True)
        return float(np.sum(num * mean**2))

    dealt = np.random.default_rng(0)
    assert spread(age) > 3 * max(spread(dealt.permutation(age)) for _ in range(5))


def test_generate_is_quick() -> None:
    start = time.perf_counter()
    generate()
    assert time.perf_counter() - start < 3.0
