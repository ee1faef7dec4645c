"""Held-out results: weights, parts and the rules that they keep."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_metrics import mean_ranking

from recsearch.errors import UsageError
from recsearch.metrics import PairResults, RankingResults

NAMES = ("hr@3", "ndcg@3", "mrr@3", "map@3", "recall@3", "precision@3")


def integers(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int32)


def array(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def ranking() -> RankingResults:
    """User 4 has items 1, 2 and 9 at ranks 1, 3 and never; user 6 has item 2 at rank 2."""
    return RankingResults(
        user=integers(4, 6),
        owner=integers(0, 0, 0, 1),
        item=integers(1, 2, 9, 2),
        rank=integers(1, 3, 4, 2),
        max_rank=3,
    )


def pairs() -> PairResults:
    return PairResults(integers(4, 6, 4), integers(1, 2, 2), array(3, 4, 5), array(4, 4, 3))


def test_length_is_the_number_of_rows_and_users_are_distinct():
    assert (len(ranking()), len(pairs())) == (4, 3)
    assert ranking().users.tolist() == pairs().users.tolist() == [4, 6]
    assert ranking().num_relevant.tolist() == [3, 1]
    assert ranking().row_user.tolist() == [4, 4, 4, 6]
    assert ranking().row_item.tolist() == [1, 2, 9, 2]
    assert pairs().row_user.tolist() == [4, 6, 4]
    assert pairs().row_item.tolist() == [1, 2, 2]


def test_metrics_of_rankings_by_hand_with_and_without_weights():
    recall = (2 / 3, 1 / 1)
    assert ranking().metrics(["recall@3"])["recall@3"] == pytest.approx(sum(recall) / 2)
    weighted = ranking().metrics(["recall@3"], np.array([3.0, 1.0]))["recall@3"]
    assert weighted == pytest.approx((3 * recall[0] + recall[1]) / 4)


def test_metrics_of_pairs_by_hand_weigh_a_pair_as_its_user():
    # Squared errors 1 and 4 of user 4, 0 of user 6.
    value = pairs().metrics(["rmse", "mae"], np.array([2.0, 3.0]))
    assert value["rmse"] == pytest.approx(math.sqrt((2 * 1 + 2 * 4 + 3 * 0) / (2 + 2 + 3)))
    assert value["mae"] == pytest.approx((2 * 1 + 2 * 2 + 3 * 0) / (2 + 2 + 3))


def test_lists_of_a_user_share_his_weight_and_each_counts():
    lists = RankingResults(
        integers(5, 3, 5), integers(0, 1, 2), integers(1, 1, 2), integers(1, 4, 2), 3
    )
    assert lists.users.tolist() == [3, 5]
    assert lists.metrics(["mrr@3"])["mrr@3"] == pytest.approx((1 + 0 + 1 / 2) / 3)
    weighted = lists.metrics(["mrr@3"], np.array([2.0, 1.0]))["mrr@3"]
    assert weighted == pytest.approx((1 * (1 + 1 / 2) + 2 * 0) / (1 + 1 + 2))


def test_where_of_rankings_keeps_ranks_and_counts_the_items_that_stay():
    part = ranking().where(ranking().item == 2)
    assert part.rank.tolist() == [3, 2]
    assert part.num_relevant.tolist() == [1, 1]
    assert part.metrics(["recall@3"]) == {"recall@3": 1.0}
    only = ranking().where(ranking().item == 9)
    assert only.user.tolist() == [4]
    assert only.metrics(["recall@3", "mrr@3"]) == {"recall@3": 0.0, "mrr@3": 0.0}


def test_where_of_pairs_keeps_rows():
    part = pairs().where(np.array([True, True, False]))
    assert part.metrics(["mae"])["mae"] == pytest.approx((1 + 0) / 2)


@pytest.mark.parametrize("results", [ranking(), pairs()])
def test_where_nothing_holds_there_is_no_value(results):
    part = results.where(np.zeros(len(results), dtype=bool))
    name = "hr@1" if isinstance(results, RankingResults) else "rmse"
    assert (len(part), len(part.users)) == (0, 0)
    assert math.isnan(part.metrics([name])[name])


def test_weights_of_zero_alone_have_no_value():
    assert math.isnan(ranking().metrics(["hr@3"], np.zeros(2))["hr@3"])
    assert math.isnan(pairs().metrics(["rmse"], np.zeros(2))["rmse"])


def test_a_click_metric_of_weights_that_leave_one_label_has_no_value():
    clicks = PairResults(integers(1, 2), integers(1, 1), array(0, 1), array(0.2, 0.8))
    assert clicks.metrics(["auc"]) == {"auc": 1.0}
    assert math.isnan(clicks.metrics(["auc"], np.array([1.0, 0.0]))["auc"])


@pytest.mark.parametrize("weight", [np.ones(3), np.array([1.0, -1.0]), np.ones((2, 1))])
def test_weights_that_do_not_fit_the_users_are_refused(weight):
    for results, name in ((ranking(), "hr@1"), (pairs(), "mae")):
        with pytest.raises(
            ValueError, match=r"one weight for each of the 2 users .* Received shap"
        ):
            results.metrics([name], weight)


def test_metrics_of_the_other_kind_are_refused():
    with pytest.raises(UsageError, match="rmse compares labels"):
        ranking().metrics(["rmse"])
    with pytest.raises(UsageError, match="hr@1 ranks items"):
        pairs().metrics(["hr@1"])


def test_a_cutoff_beyond_the_ranks_that_are_told_is_refused():
    with pytest.raises(
        ValueError, match=r"hr@4 needs ranks to 4. Received ranks to 3. Measure wit"
    ):
        ranking().metrics(["hr@4"])


def test_results_of_unequal_lengths_are_refused():
    with pytest.raises(ValueError, match=r"arrays of one length. Received .*'item': \(1,\)"):
        PairResults(integers(1, 2), integers(1), array(1, 2), array(1, 2))
    with pytest.raises(ValueError, match=r"arrays of one length. Received .*'rank': \(2,\)"):
        RankingResults(integers(1), integers(0), integers(1), integers(1, 2), 3)


@pytest.mark.parametrize("owner", [integers(0, 0), integers(1, 2)])
def test_units_without_a_held_out_item_and_items_without_a_unit_are_refused(owner):
    with pytest.raises(ValueError, match=r"must have at least one ranked item.*Leave out users"):
        RankingResults(integers(1, 2), owner, integers(1, 2), integers(1, 2), 3)


@st.composite
def random_rankings(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    num_relevant = rng.integers(1, 5, draw(st.integers(1, 8)))
    owner = np.repeat(np.arange(len(num_relevant)), num_relevant)
    rank = np.concatenate([rng.permutation(6)[:n] + 1 for n in num_relevant])
    user = rng.integers(0, 6, len(num_relevant))
    return RankingResults(user, owner, rng.integers(1, 9, len(rank)), np.minimum(rank, 4), 3), rng


@given(random_rankings())
@settings(max_examples=100, deadline=None)
def test_metrics_of_rankings_are_those_of_plain_arrays(case):
    results, _ = case
    expected = mean_ranking(NAMES, results.rank, results.owner, results.num_relevant)
    assert results.metrics(NAMES) == pytest.approx(expected, abs=1e-12)


@given(random_rankings())
@settings(max_examples=100, deadline=None)
def test_weights_of_zero_and_one_are_parts(case):
    results, rng = case
    kept = rng.random(len(results.users)) < 0.5
    kept[0] = True
    part = results.where(np.isin(results.row_user, results.users[kept]))
    weighted = results.metrics(NAMES, kept.astype(np.float64))
    assert weighted == pytest.approx(part.metrics(NAMES), abs=1e-12)


@given(random_rankings())
@settings(max_examples=50, deadline=None)
def test_an_estimator_of_many_weightings_is_each_of_them(case):
    results, rng = case
    weights = rng.random((5, len(results.users)))
    for name in NAMES:
        together = results.estimator(name)(weights)
        apart = [results.metrics([name], weight)[name] for weight in weights]
        assert together.tolist() == pytest.approx(apart, abs=1e-12)
