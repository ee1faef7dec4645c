"""Metrics of pairs against sums that can be redone by hand, slow references and scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_metrics import pair_metrics
from sklearn import metrics as sklearn_metrics

from recsearch.errors import UsageError
from recsearch.metrics import PairResults

NAMES = ("rmse", "mae", "auc", "user_auc", "log_loss")


def array(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def integers(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int32)


def test_rmse_and_mae_by_hand():
    values = pair_metrics(["rmse", "mae"], array(3, 4, 5), array(4, 4, 3))
    assert values["rmse"] == pytest.approx(math.sqrt((1 + 0 + 4) / 3))
    assert values["mae"] == pytest.approx((1 + 0 + 2) / 3)


def test_auc_by_hand_counts_ties_half():
    # Pairs of a 1 and a 0: (.5, .5) ties, (.5, .1) right, (.4, .5) wrong, (.4, .1) right.
    values = pair_metrics(["auc"], array(1, 0, 1, 0), array(0.5, 0.5, 0.4, 0.1))
    assert values["auc"] == pytest.approx((0.5 + 1 + 0 + 1) / 4)


def test_log_loss_by_hand():
    values = pair_metrics(["log_loss"], array(1, 0), array(0.75, 0.5))
    assert values["log_loss"] == pytest.approx(-(math.log(0.75) + math.log(0.5)) / 2)


def test_log_loss_of_certain_scores_is_clipped():
    assert pair_metrics(["log_loss"], array(1), array(0))["log_loss"] == pytest.approx(
        -math.log(1e-7)
    )
    assert pair_metrics(["log_loss"], array(0), array(7))["log_loss"] == pytest.approx(
        -math.log(1e-7), rel=1e-6
    )


def test_auc_of_a_single_class_is_nan_and_log_loss_is_not():
    values = pair_metrics(["auc", "log_loss"], array(1, 1), array(0.5, 0.5))
    assert math.isnan(values["auc"])
    assert values["log_loss"] == pytest.approx(math.log(2))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_pair_metrics_of_a_score_that_is_not_finite_are_nan(bad):
    values = pair_metrics(["rmse", "mae", "auc", "log_loss"], array(0, 1), array(0.5, bad))
    assert len(values) == 4
    assert all(math.isnan(value) for value in values.values())


def test_pair_metrics_without_pairs_are_nan():
    assert math.isnan(pair_metrics(["rmse"], array(), array())["rmse"])


def test_pair_metrics_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"same shape. Received \(3,\) and \(3, 1\)"):
        pair_metrics(["rmse"], array(1, 2, 3), array(1, 2, 3)[:, None])


def test_pair_metrics_of_a_label_that_is_no_click_are_refused():
    with pytest.raises(ValueError, match=r"must be 0 or 1. Received 3"):
        pair_metrics(["auc"], array(0, 1, 3), array(0.1, 0.2, 0.3))


def test_pair_metrics_of_a_ranking_name_are_refused():
    expected = (
        "ndcg@10 ranks items; it cannot be computed from labelled pairs. Choose one of "
        "rmse, mae, auc"
    )
    with pytest.raises(UsageError, match=expected):
        pair_metrics(["ndcg@10"], array(1), array(1))


def test_pair_metrics_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 500).astype(np.float32)
    score = np.round(rng.random(500), 2).astype(np.float32).clip(0.01, 0.99)
    values = pair_metrics(["rmse", "mae", "auc", "log_loss"], label, score)
    exact = score.astype(np.float64)
    assert values == pytest.approx(
        {
            "rmse": sklearn_metrics.root_mean_squared_error(label, exact),
            "mae": sklearn_metrics.mean_absolute_error(label, exact),
            "auc": sklearn_metrics.roc_auc_score(label, exact),
            "log_loss": sklearn_metrics.log_loss(label, exact),
        },
        rel=1e-9,
    )


def results(user: list[int], label: list[float], score: list[float]) -> PairResults:
    return PairResults(integers(*user), integers(*user), array(*label), array(*score))


def test_user_auc_by_hand_is_the_plain_mean_over_users_with_both_labels():
    # User 5: (.9, .1) right, (.9, .9) ties. User 7: wrong. User 8 has one label only, 9 one row.
    held_out = results(
        [5, 7, 5, 8, 7, 5, 8, 9],
        [1, 1, 0, 1, 0, 0, 1, 0],
        [0.9, 0.2, 0.1, 0.5, 0.3, 0.9, 0.6, 0.5],
    )
    expected = ((1 + 0.5) / 2 + 0 / 1) / 2
    assert held_out.metrics(["user_auc"])["user_auc"] == pytest.approx(expected)


def test_user_auc_without_a_user_of_both_labels_is_nan():
    held_out = results([1, 1, 2], [1, 1, 0], [0.5, 0.6, 0.7])
    assert math.isnan(held_out.metrics(["user_auc"])["user_auc"])
    assert held_out.metrics(["auc"])["auc"] == 0


def test_user_auc_of_one_user_is_the_auc():
    values = pair_metrics(["auc", "user_auc"], array(1, 0, 1, 0), array(0.5, 0.5, 0.4, 0.1))
    assert values["user_auc"] == values["auc"] == pytest.approx(2.5 / 4)


@st.composite
def click_cases(draw):
    """Clicks of a few users, with many ties, and a weight for each user."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    num_rows, num_users = draw(st.integers(4, 60)), draw(st.integers(1, 6))
    user = rng.integers(3, 3 + num_users, num_rows).astype(np.int32)
    label = rng.integers(0, 2, num_rows).astype(np.float32)
    label[:2] = 0, 1
    score = (rng.integers(1, draw(st.integers(2, 30)), num_rows) / 32).astype(np.float32)
    held_out = PairResults(user, user, label, score)
    return held_out, rng.integers(1, 5, len(held_out.users)).astype(np.float64)


@given(click_cases())
@settings(max_examples=100, deadline=None)
def test_weighted_pair_metrics_agree_with_scikit_learn(case):
    held_out, weight = case
    label, score = held_out.label, held_out.score.astype(np.float64)
    row = weight[np.searchsorted(held_out.users, held_out.user)]
    expected = {
        "rmse": sklearn_metrics.root_mean_squared_error(label, score, sample_weight=row),
        "mae": sklearn_metrics.mean_absolute_error(label, score, sample_weight=row),
        "auc": sklearn_metrics.roc_auc_score(label, score, sample_weight=row),
        "log_loss": sklearn_metrics.log_loss(label, score, sample_weight=row),
    }
    assert held_out.metrics(list(expected), weight) == pytest.approx(expected, abs=1e-9)


@given(click_cases())
@settings(max_examples=100, deadline=None)
def test_user_auc_agrees_with_scikit_learn_user_by_user(case):
    held_out, weight = case
    areas, weights = [], []
    for user, its_weight in zip(held_out.users, weight, strict=True):
        mine = held_out.user == user
        if len(set(held_out.label[mine].tolist())) == 2:
            areas.append(sklearn_metrics.roc_auc_score(held_out.label[mine], held_out.score[mine]))
            weights.append(its_weight)
    value = held_out.metrics(["user_auc"], weight)["user_auc"]
    if areas:
        assert value == pytest.approx(np.average(areas, weights=weights), abs=1e-9)
    else:
        assert math.isnan(value)


@given(click_cases())
@settings(max_examples=50, deadline=None)
def test_whole_weights_equal_repeated_pairs(case):
    held_out, weight = case
    times = weight.astype(np.int64)[np.searchsorted(held_out.users, held_out.user)]
    repeated = PairResults(
        *(np.repeat(a, times) for a in (held_out.user, held_out.item, held_out.label)),
        score=np.repeat(held_out.score, times),
    )
    names = ("rmse", "mae", "auc", "log_loss")
    assert held_out.metrics(names, weight) == pytest.approx(repeated.metrics(names), abs=1e-9)
