"""Metrics of recommended lists against sums that can be redone by hand, scikit-learn and scipy."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from sklearn.metrics import log_loss, mean_absolute_error
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.preprocessing import MultiLabelBinarizer

from recsearch.errors import UsageError
from recsearch.metrics import Recommended, list_metrics
from recsearch.metrics import lists as module

NAMES = ("coverage", "gini", "novelty", "popularity", "diversity")
COUNTS = np.array([99, 8, 4, 2, 1])  # of 16 training users; that of the unknown item is not read
VECTORS = np.array([[9, 9], [1, 0], [1, 0], [0, 2], [0, 0]], np.float32)


def recommended(*lists: list[int], vectors: np.ndarray | None = VECTORS) -> Recommended:
    return Recommended(np.array(lists), COUNTS, 16, vectors)


def measure(name: str, *lists: list[int]) -> float:
    return list_metrics([name], recommended(*lists))[name]


def test_coverage_by_hand():
    assert measure("coverage@2", [1, 2], [2, 1], [1, 4]) == 3 / 4
    assert measure("coverage@1", [1, 2], [2, 1], [1, 4]) == 2 / 4


def test_gini_by_hand():
    # Recommended 0, 1, 2 and 3 times: (-3 * 0 - 1 * 1 + 1 * 2 + 3 * 3) / (4 * 6).
    assert measure("gini@2", [1, 2], [1, 2], [1, 3]) == pytest.approx(10 / 24)
    assert measure("gini@1", [1], [2], [3], [4]) == 0
    assert measure("gini@1", [3], [3]) == pytest.approx(1 - 1 / 4)


def test_novelty_by_hand_is_in_bits():
    # 8 of 16 users: 1 bit; 4: 2 bits; 1: 4 bits.
    assert measure("novelty@2", [1, 2], [1, 4]) == pytest.approx(((1 + 2) / 2 + (1 + 4) / 2) / 2)


def test_novelty_of_an_item_without_training_users_is_that_of_one_user():
    lists = Recommended(np.array([[1]]), np.array([0, 0]), 16)
    assert list_metrics(["novelty@1"], lists)["novelty@1"] == pytest.approx(4)


def test_popularity_by_hand():
    expected = ((8 + 4) / 2 + (8 + 1) / 2) / 2 / 16
    assert measure("popularity@2", [1, 2], [1, 4]) == pytest.approx(expected)


def test_diversity_by_hand():
    # Items 1 and 2 are alike, 3 is at right angles; 4 has no vector and is like no other.
    assert measure("diversity@2", [1, 2], [1, 3]) == pytest.approx((0 + 1) / 2)
    assert measure("diversity@3", [1, 2, 3]) == pytest.approx(1 - (1 + 0 + 0) / 3)
    assert measure("diversity@2", [4, 4]) == 1


def test_shorter_lists_count_what_they_hold():
    assert measure("coverage@3", [1, 2, -1], [1, -1, -1]) == 2 / 4
    assert measure("popularity@3", [1, 2, -1], [3, -1, -1]) == pytest.approx((6 + 2) / 2 / 16)
    # The list of one item has no pair: it is left out.
    assert measure("diversity@3", [1, 3, -1], [3, -1, -1]) == pytest.approx(1)


def test_lists_longer_than_the_catalogue_are_padded():
    lists = [1, 2, 3, 4, -1, -1]
    assert measure("coverage@6", lists) == 1
    assert measure("gini@6", lists) == 0


def test_repeated_items_count_as_often_as_they_stand():
    assert measure("gini@2", [1, 1]) == pytest.approx(3 / 4)
    assert measure("popularity@3", [1, 1, 2]) == pytest.approx((8 + 8 + 4) / 3 / 16)
    assert measure("diversity@2", [1, 1]) == pytest.approx(0)


@pytest.mark.parametrize("name", NAMES)
def test_metrics_of_no_user_are_nan(name):
    lists = Recommended(np.empty((0, 3), np.int64), COUNTS, 16, VECTORS)
    assert math.isnan(list_metrics([f"{name}@3"], lists)[f"{name}@3"])


@pytest.mark.parametrize("name", ["gini", "novelty", "popularity", "diversity"])
def test_metrics_of_empty_lists_are_nan(name):
    assert math.isnan(measure(f"{name}@2", [-1, -1]))


def test_coverage_of_empty_lists_is_zero():
    assert measure("coverage@2", [-1, -1]) == 0


def test_diversity_without_vectors_is_refused():
    with pytest.raises(
        ValueError, match=r"compares item vectors, and none were given. Pass an array"
    ):
        list_metrics(["diversity@2"], recommended([1, 2], vectors=None))


def test_a_cutoff_beyond_the_lists_is_refused():
    with pytest.raises(
        ValueError, match=r"at least 5 positions. Received 2. Recommend longer lists"
    ):
        measure("coverage@5", [1, 2])


def test_a_metric_of_ranks_is_refused():
    with pytest.raises(
        UsageError, match="ndcg@5 ranks items; it cannot be computed from recommended lists"
    ):
        measure("ndcg@5", [1, 2])


@pytest.mark.parametrize("item", [0, 5, -2])
def test_items_outside_the_catalogue_are_refused(item):
    with pytest.raises(ValueError, match=f"from 1 to 4, or be -1 to pad a list. Received {item}"):
        recommended([1, item])


def test_more_users_of_an_item_than_users_are_refused():
    with pytest.raises(
        ValueError, match=r"users \(8\) than there are users \(7\)\. Count each user once per item"
    ):
        Recommended(np.array([[1]]), COUNTS, 7)


def test_vectors_of_another_catalogue_are_refused():
    with pytest.raises(ValueError, match=r"one vector per item, 5. Received 4"):
        recommended([1], vectors=VECTORS[:4])


@st.composite
def random_lists(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    num_items, length = draw(st.integers(2, 12)), draw(st.integers(2, 5))
    items = np.stack([rng.permutation(num_items)[:length] + 1 for _ in range(4)])
    items = np.pad(items, ((0, 0), (0, length - items.shape[1])), constant_values=-1)
    counts = rng.integers(1, 50, num_items + 1)
    vectors = rng.integers(0, 2, (num_items + 1, 6)).astype(np.float32)
    return Recommended(items, counts, 50, vectors), length


@given(random_lists())
@settings(max_examples=100, deadline=None)
def test_gini_is_half_the_relative_mean_difference(case):
    lists, length = case
    times = np.bincount(lists.items[lists.items > 0], minlength=len(lists.counts))[1:]
    difference = 2 * pdist(times[:, None], "cityblock").sum() / len(times) ** 2
    value = list_metrics([f"gini@{length}"], lists)[f"gini@{length}"]
    assert value == pytest.approx(difference / (2 * times.mean()), abs=1e-9)


@given(random_lists())
@settings(max_examples=100, deadline=None)
def test_diversity_agrees_with_cosines_of_scikit_learn(case):
    lists, length = case
    expected = []
    for items in lists.items:
        cosines = cosine_similarity(lists.vectors[items[items > 0]].astype(np.float64))
        expected.append(1 - cosines[np.triu_indices(len(cosines), 1)].mean())
    value = list_metrics([f"diversity@{length}"], lists)[f"diversity@{length}"]
    assert value == pytest.approx(np.mean(expected), abs=1e-9)


@given(random_lists())
@settings(max_examples=100, deadline=None)
def test_coverage_agrees_with_the_indicator_matrix_of_scikit_learn(case):
    lists, length = case
    indicators = MultiLabelBinarizer(classes=range(1, len(lists.counts)))
    matrix = indicators.fit_transform([items[items > 0] for items in lists.items])
    value = list_metrics([f"coverage@{length}"], lists)[f"coverage@{length}"]
    assert value == pytest.approx(matrix.any(axis=0).mean(), abs=1e-9)


def shares_and_weights(lists: Recommended) -> tuple[np.ndarray, np.ndarray]:
    """Returns the share of users of each recommended item, and its weight in a mean over users."""
    shares = [lists.counts[items[items > 0]] / lists.num_users for items in lists.items]
    weights = [np.full(len(share), 1 / len(share)) for share in shares]
    return np.concatenate(shares), np.concatenate(weights)


@given(random_lists())
@settings(max_examples=100, deadline=None)
def test_novelty_is_the_log_loss_of_scikit_learn_in_bits(case):
    lists, length = case
    shares, weights = shares_and_weights(lists)
    nats = log_loss(np.ones(len(shares)), shares, sample_weight=weights, labels=[0, 1])
    value = list_metrics([f"novelty@{length}"], lists)[f"novelty@{length}"]
    assert value == pytest.approx(nats / math.log(2), abs=1e-9)


@given(random_lists())
@settings(max_examples=100, deadline=None)
def test_popularity_agrees_with_a_weighted_mean_of_scikit_learn(case):
    lists, length = case
    shares, weights = shares_and_weights(lists)
    expected = mean_absolute_error(np.zeros(len(shares)), shares, sample_weight=weights)
    value = list_metrics([f"popularity@{length}"], lists)[f"popularity@{length}"]
    assert value == pytest.approx(expected, abs=1e-9)


def test_diversity_in_blocks_of_users_is_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    lists = recommended(*(rng.permutation(4)[:3] + 1 for _ in range(20)))
    whole = list_metrics(["diversity@3"], lists)
    monkeypatch.setattr(module, "CELLS_PER_BLOCK", 7 * VECTORS.shape[1])
    assert list_metrics(["diversity@3"], lists) == pytest.approx(whole)


@given(random_lists())
@settings(max_examples=50, deadline=None)
def test_list_metrics_lie_in_their_ranges(case):
    lists, length = case
    values = list_metrics([f"{name}@{length}" for name in NAMES], lists)
    for name in ("coverage", "gini", "popularity", "diversity"):
        assert -1e-9 <= values[f"{name}@{length}"] <= 1 + 1e-9
    assert 0 <= values[f"novelty@{length}"] <= math.log2(50)
