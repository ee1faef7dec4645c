"""Ranking metrics against sums that can be redone by hand, and scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_metrics import mean_ranking, per_user_ranking
from sklearn import metrics as sklearn_metrics

from recsearch.errors import UsageError
from recsearch.metrics import rank_in_lists, rank_positives

EXCLUDED = -np.inf


def integers(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


FAMILIES = ("hr", "ndcg", "mrr", "map", "recall", "precision")
NAMES = tuple(f"{family}@3" for family in FAMILIES)


def test_per_user_ranking_by_hand():
    # User 0 has four held-out items at ranks 1, 3, 4 and unknown; user 1 has one, at rank 2.
    values = per_user_ranking(NAMES, integers(1, 2, 3, 4), integers(0, 1, 0, 0), integers(4, 1))
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert values["hr@3"].tolist() == [1, 1]
    assert values["recall@3"].tolist() == [2 / 4, 1 / 1]
    assert values["precision@3"].tolist() == [2 / 3, 1 / 3]
    assert values["mrr@3"].tolist() == [1, 1 / 2]
    assert values["map@3"] == pytest.approx([(1 / 1 + 2 / 3) / min(3, 4), (1 / 2) / 1])
    assert values["ndcg@3"] == pytest.approx([(1 + 1 / math.log2(4)) / ideal, 1 / math.log2(3)])


def test_per_user_ranking_without_a_hit_is_zero():
    values = per_user_ranking(NAMES, integers(4), integers(0), integers(1, 2))
    for name in NAMES:
        assert values[name].tolist() == [0, 0]


def test_mean_ranking_is_the_mean_over_users():
    values = mean_ranking(["mrr@10"], integers(1, 4), integers(0, 1), integers(1, 1))
    assert values == {"mrr@10": pytest.approx((1 + 1 / 4) / 2)}


def test_mean_ranking_without_users_is_nan():
    values = mean_ranking(NAMES, integers(), integers(), integers())
    assert len(values) == 6
    assert all(math.isnan(value) for value in values.values())


def test_precision_of_fewer_candidates_than_cutoff_divides_by_cutoff():
    scores = np.array([[EXCLUDED, 0.9, 0.8]], dtype=np.float32)
    ranks = rank_positives(scores, integers(0, 0), integers(1, 2), max_rank=10)
    values = mean_ranking(["precision@10", "ndcg@10", "map@10"], ranks, integers(0, 0), integers(2))
    assert values == pytest.approx({"precision@10": 2 / 10, "ndcg@10": 1, "map@10": 1})


def test_per_user_ranking_of_a_user_without_held_out_items_is_refused():
    with pytest.raises(ValueError, match="Leave out users without one"):
        per_user_ranking(["hr@1"], integers(1), integers(0), integers(1, 0))


def test_per_user_ranking_of_more_ranks_than_held_out_items_is_refused():
    with pytest.raises(ValueError, match="more ranks than held-out items"):
        per_user_ranking(["hr@1"], integers(1, 2), integers(0, 0), integers(1))


def test_per_user_ranking_of_a_pair_metric_is_refused():
    with pytest.raises(
        UsageError,
        match=(
            r"rmse compares labels; it cannot be computed from ranks of held-out items. "
            r"Choose one of hr@k"
        ),
    ):
        per_user_ranking(["rmse"], integers(1), integers(0), integers(1))


@given(st.integers(1, 6), st.integers(1, 8), st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_ranking_metrics_lie_between_zero_and_one(num_users, cutoff, seed):
    rng = np.random.default_rng(seed)
    num_relevant = rng.integers(1, 6, num_users)
    owner = np.repeat(np.arange(num_users), num_relevant)
    ranks = np.concatenate([rng.permutation(9)[:n] + 1 for n in num_relevant])
    names = [f"{family}@{cutoff}" for family in FAMILIES]
    values = per_user_ranking(names, ranks, owner, num_relevant)
    for name in names:
        assert values[name].shape == (num_users,)
        assert (values[name] >= 0).all()
        assert (values[name] <= 1 + 1e-12).all()
    assert (values[f"mrr@{cutoff}"] <= values[f"hr@{cutoff}"]).all()
    assert (values[f"map@{cutoff}"] <= values[f"hr@{cutoff}"] + 1e-12).all()
    assert (values[f"ndcg@{cutoff}"] <= values[f"hr@{cutoff}"] + 1e-12).all()


@given(st.integers(1, 8), st.integers(1, 8))
def test_ranking_metrics_of_the_ideal_order_are_one(num_relevant, cutoff):
    ranks = np.arange(1, num_relevant + 1)
    owner = np.zeros(num_relevant, dtype=np.int64)
    names = [f"{family}@{cutoff}" for family in FAMILIES]
    values = mean_ranking(names, ranks, owner, integers(num_relevant))
    for name in names[:4]:
        assert values[name] == pytest.approx(1)
    assert values[f"recall@{cutoff}"] == pytest.approx(min(num_relevant, cutoff) / num_relevant)
    assert values[f"precision@{cutoff}"] == pytest.approx(min(num_relevant, cutoff) / cutoff)


@pytest.mark.parametrize("constant", [0.0, -3.5, 1e30])
def test_constant_scorer_gets_zero(constant):
    # 10 items, 2 of them positive: the other 7 known ones fill ranks 1 to 7.
    scores = np.full((3, 10), constant, dtype=np.float32)
    scores[:, 0] = EXCLUDED
    row = np.repeat(np.arange(3), 2)
    ranks = rank_positives(scores, row, integers(1, 9, 4, 5, 2, 3), max_rank=7)
    assert ranks.tolist() == [8] * 6
    names = [f"{family}@7" for family in FAMILIES]
    values = mean_ranking(names, ranks, row, integers(2, 2, 2))
    assert values == dict.fromkeys(names, 0.0)


@pytest.mark.parametrize("cutoff", [1, 5, 20])
def test_ndcg_agrees_with_scikit_learn_without_ties(cutoff):
    rng = np.random.default_rng(cutoff)
    scores = rng.permuted(np.tile(np.arange(60, dtype=np.float32), (8, 1)), axis=1)
    relevant = rng.random((8, 60)) < 0.1
    relevant[:, 0] = True
    row, item = np.nonzero(relevant)
    ranks = rank_positives(scores, row, item, max_rank=cutoff)
    values = mean_ranking([f"ndcg@{cutoff}"], ranks, row, relevant.sum(axis=1))
    expected = sklearn_metrics.ndcg_score(relevant, scores, k=cutoff)
    assert values[f"ndcg@{cutoff}"] == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_average_precision_of_a_whole_ranking_agrees_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    scores = rng.permuted(np.tile(np.arange(40, dtype=np.float32), (6, 1)), axis=1)
    relevant = rng.random((6, 40)) < 0.15
    relevant[:, 7] = True
    row, item = np.nonzero(relevant)
    ranks = rank_positives(scores, row, item, max_rank=40)
    values = per_user_ranking(["map@40"], ranks, row, relevant.sum(axis=1))["map@40"]
    for user in range(6):
        expected = sklearn_metrics.average_precision_score(relevant[user], scores[user])
        assert values[user] == pytest.approx(expected, abs=1e-9)


def test_average_precision_does_not_depend_on_the_order_of_positives():
    ranks, owner = integers(4, 1, 3), integers(0, 0, 0)
    # Hits at 1, 3 and 4; two of the five held-out items are beyond the cutoff.
    value = mean_ranking(["map@4"], ranks, owner, integers(5))["map@4"]
    assert value == pytest.approx((1 / 1 + 2 / 3 + 3 / 4) / 4)


def test_lists_of_fewer_candidates_than_cutoff_rank_among_those_they_have():
    scores = np.array([[0.5, 0.9, EXCLUDED], [0.5, EXCLUDED, EXCLUDED]], dtype=np.float32)
    ranks = rank_in_lists(scores, max_rank=10)
    values = mean_ranking(["mrr@10", "hr@1"], ranks, integers(0, 1), integers(1, 1))
    assert values == pytest.approx({"mrr@10": (1 / 2 + 1) / 2, "hr@1": 1 / 2})
