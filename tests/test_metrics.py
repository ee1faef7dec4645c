"""Metrics against sums that can be redone by hand, a slow reference and scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from recsearch.data.interactions import Task
from recsearch.errors import UsageError
from recsearch.metrics import (
    deepest_cutoff,
    default_objective,
    find_metric,
    mean_ranking,
    metrics_for,
    pair_metrics,
    per_user_ranking,
    rank_in_lists,
    rank_positives,
)

EXCLUDED = -np.inf


def array(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def integers(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


# Names


@pytest.mark.parametrize(
    ("name", "direction", "family", "cutoff"),
    [
        ("rmse", "min", "rmse", None),
        ("mae", "min", "mae", None),
        ("log_loss", "min", "log_loss", None),
        ("auc", "max", "auc", None),
        ("hr@1", "max", "hr", 1),
        ("ndcg@10", "max", "ndcg", 10),
        ("recall@20", "max", "recall", 20),
        ("precision@5", "max", "precision", 5),
        ("mrr@100", "max", "mrr", 100),
    ],
)
def test_find_metric_of_known_name(name, direction, family, cutoff):
    metric = find_metric(name)
    assert (metric.name, metric.direction, metric.family, metric.cutoff) == (
        name,
        direction,
        family,
        cutoff,
    )
    assert metric.source


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ndgc@10", "Did you mean ndcg@10"),
        ("NDCG@10", "Did you mean ndcg@10"),
        ("ndcg", "Did you mean ndcg@5"),
        ("rsme", "Did you mean rmse"),
        ("rmse@10", "Did you mean"),
        ("ndcg@0", "k at least 1"),
        ("ndcg@-1", "k at least 1"),
        ("ndcg@05", "k at least 1"),
        ("ndcg@1.5", "k at least 1"),
        ("ndcg@", "k at least 1"),
        ("", "Received ''"),
        ("zzzz", "one of rmse, mae, auc, log_loss, hr@k, ndcg@k, recall@k, precision@k, mrr@k"),
    ],
)
def test_find_metric_of_unknown_name_tells_close_ones_and_listing(name, hint):
    with pytest.raises(UsageError, match=hint):
        find_metric(name)


def test_metrics_for_every_task_exist_and_hold_the_objective():
    for task in Task:
        names = metrics_for(task)
        assert [find_metric(name).name for name in names] == list(names)
        assert default_objective(task) in names
    assert metrics_for(Task.RATING) == ("rmse", "mae")
    assert metrics_for(Task.CLICK) == ("auc", "log_loss")
    assert len(metrics_for(Task.IMPLICIT)) == 5 * 3


def test_deepest_cutoff_is_the_largest_and_zero_without_ranking():
    assert deepest_cutoff(["hr@5", "ndcg@20", "mrr@10"]) == 20
    assert deepest_cutoff(["rmse"]) == 0
    assert deepest_cutoff([]) == 0


# Metrics of pairs


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
    with pytest.raises(UsageError, match="ndcg@10 ranks items"):
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


# Ranks


def test_rank_positives_by_hand():
    scores = np.array(
        [
            [EXCLUDED, 0.9, 0.8, 0.7, 0.6],  # positives 2 and 4: 1 is ahead of both, 3 of one
            [EXCLUDED, 0.1, 0.2, 0.3, 0.4],  # positive 4 is the best
        ],
        dtype=np.float32,
    )
    ranks = rank_positives(scores, integers(0, 0, 1), integers(4, 2, 4), max_rank=10)
    assert ranks.dtype == np.int32
    assert ranks.tolist() == [4, 2, 1]


def test_rank_positives_loses_ties_with_others_and_orders_equal_positives():
    scores = np.array([[EXCLUDED, 0.5, 0.5, 0.5, 0.1]], dtype=np.float32)
    ranks = rank_positives(scores, integers(0, 0), integers(1, 3), max_rank=10)
    assert ranks.tolist() == [2, 3]  # item 2 is ahead of both


def test_rank_positives_beyond_max_rank_or_excluded_is_max_rank_plus_one():
    scores = np.array([[EXCLUDED, 0.9, 0.8, 0.7, EXCLUDED]], dtype=np.float32)
    assert rank_positives(scores, integers(0), integers(3), max_rank=2).tolist() == [3]
    assert rank_positives(scores, integers(0), integers(3), max_rank=3).tolist() == [3]
    assert rank_positives(scores, integers(0), integers(4), max_rank=2).tolist() == [3]
    assert rank_positives(scores, integers(0), integers(0), max_rank=20).tolist() == [21]


def test_rank_positives_does_not_change_the_scores():
    scores = np.array([[EXCLUDED, 0.9, 0.8]], dtype=np.float32)
    before = scores.copy()
    rank_positives(scores, integers(0), integers(1), max_rank=1)
    assert (scores == before).all()


def test_rank_positives_without_positives_is_empty():
    scores = np.zeros((2, 3), dtype=np.float32)
    assert rank_positives(scores, integers(), integers(), max_rank=5).shape == (0,)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_ranks_of_a_diverged_model_are_refused(bad):
    scores = np.array([[EXCLUDED, 0.9, 0.8], [EXCLUDED, 0.1, bad]], dtype=np.float32)
    with pytest.raises(ValueError, match=f"Received {bad} in row 1, column 2. The model has div"):
        rank_positives(scores, integers(0), integers(1), max_rank=1)
    with pytest.raises(ValueError, match=f"Received {bad} in row 1, column 2. The model has div"):
        rank_in_lists(scores, max_rank=1)


def test_rank_in_lists_by_hand():
    scores = np.array(
        [
            [0.5, 0.9, 0.1, 0.4],  # one is ahead
            [0.5, 0.5, 0.1, 0.5],  # two ties, both lost
            [0.5, EXCLUDED, 0.1, 0.4],  # the excluded one does not count
            [EXCLUDED, EXCLUDED, EXCLUDED, EXCLUDED],  # unknown: never found
            [0.1, 0.9, 0.8, 0.7],  # beyond max_rank
        ],
        dtype=np.float32,
    )
    ranks = rank_in_lists(scores, max_rank=3)
    assert ranks.dtype == np.int32
    assert ranks.tolist() == [2, 3, 1, 4, 4]


def slow_ranks(scores: np.ndarray, row: np.ndarray, item: np.ndarray, max_rank: int) -> list[int]:
    """The tie rule as a loop over candidates."""
    ranks = []
    positives = set(zip(row.tolist(), item.tolist(), strict=True))
    for place, (r, i) in enumerate(zip(row, item, strict=True)):
        rank = 1
        for other in range(scores.shape[1]):
            if (int(r), other) not in positives and scores[r, other] >= scores[r, i]:
                rank += 1
        for other_place, (s, j) in enumerate(zip(row, item, strict=True)):
            ahead = scores[s, j] > scores[r, i] or (
                scores[s, j] == scores[r, i] and other_place < place
            )
            rank += int(s == r and other_place != place and ahead)
        ranks.append(max_rank + 1 if scores[r, i] == EXCLUDED else min(rank, max_rank + 1))
    return ranks


@st.composite
def ranking_cases(draw):
    """Scores with many ties and exclusions, and some positives of each row."""
    num_rows, num_items = draw(st.integers(1, 4)), draw(st.integers(2, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scores = rng.integers(0, draw(st.integers(1, 20)), (num_rows, num_items)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.2] = EXCLUDED
    row, item = np.nonzero(rng.random(scores.shape) < 0.3)
    order = rng.permutation(len(row))
    return scores, row[order], item[order], draw(st.integers(1, 14))


@given(ranking_cases())
@settings(max_examples=200, deadline=None)
def test_rank_positives_agrees_with_slow_reference(case):
    scores, row, item, max_rank = case
    assert rank_positives(scores, row, item, max_rank).tolist() == slow_ranks(*case)


@given(ranking_cases())
@settings(max_examples=100, deadline=None)
def test_rank_positives_is_unchanged_by_relabelling_items(case):
    scores, row, item, max_rank = case
    relabelled = np.random.default_rng(0).permutation(scores.shape[1])
    moved = np.empty_like(scores)
    moved[:, relabelled] = scores
    ranks = rank_positives(moved, row, relabelled[item], max_rank)
    assert ranks.tolist() == rank_positives(scores, row, item, max_rank).tolist()


@given(st.integers(2, 30), st.integers(1, 29), st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_rank_in_lists_agrees_with_rank_positives(num_candidates, max_rank, seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 8, (5, num_candidates)).astype(np.float32)
    row, item = np.arange(5), np.zeros(5, dtype=np.int64)
    expected = rank_positives(scores, row, item, max_rank).tolist()
    assert rank_in_lists(scores, max_rank).tolist() == expected


# Ranking metrics

NAMES = tuple(f"{family}@3" for family in ("hr", "ndcg", "recall", "precision", "mrr"))


def test_per_user_ranking_by_hand():
    # User 0 has four held-out items at ranks 1, 3, 4 and unknown; user 1 has one, at rank 2.
    values = per_user_ranking(NAMES, integers(1, 2, 3, 4), integers(0, 1, 0, 0), integers(4, 1))
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert values["hr@3"].tolist() == [1, 1]
    assert values["recall@3"].tolist() == [2 / 4, 1 / 1]
    assert values["precision@3"].tolist() == [2 / 3, 1 / 3]
    assert values["mrr@3"].tolist() == [1, 1 / 2]
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
    assert len(values) == 5
    assert all(math.isnan(value) for value in values.values())


def test_precision_of_fewer_candidates_than_cutoff_divides_by_cutoff():
    scores = np.array([[EXCLUDED, 0.9, 0.8]], dtype=np.float32)
    ranks = rank_positives(scores, integers(0, 0), integers(1, 2), max_rank=10)
    values = mean_ranking(["precision@10", "ndcg@10"], ranks, integers(0, 0), integers(2))
    assert values == {"precision@10": pytest.approx(2 / 10), "ndcg@10": pytest.approx(1)}


def test_per_user_ranking_of_a_user_without_held_out_items_is_refused():
    with pytest.raises(ValueError, match="Leave out the users that have none"):
        per_user_ranking(["hr@1"], integers(1), integers(0), integers(1, 0))


def test_per_user_ranking_of_more_ranks_than_held_out_items_is_refused():
    with pytest.raises(ValueError, match="more ranks than held-out items"):
        per_user_ranking(["hr@1"], integers(1, 2), integers(0, 0), integers(1))


def test_per_user_ranking_of_a_pair_metric_is_refused():
    with pytest.raises(UsageError, match="rmse compares labels"):
        per_user_ranking(["rmse"], integers(1), integers(0), integers(1))


@given(st.integers(1, 6), st.integers(1, 8), st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_ranking_metrics_lie_between_zero_and_one(num_users, cutoff, seed):
    rng = np.random.default_rng(seed)
    num_relevant = rng.integers(1, 6, num_users)
    owner = np.repeat(np.arange(num_users), num_relevant)
    ranks = np.concatenate([rng.permutation(9)[:n] + 1 for n in num_relevant])
    names = [f"{family}@{cutoff}" for family in ("hr", "ndcg", "recall", "precision", "mrr")]
    values = per_user_ranking(names, ranks, owner, num_relevant)
    for name in names:
        assert values[name].shape == (num_users,)
        assert (values[name] >= 0).all()
        assert (values[name] <= 1 + 1e-12).all()
    assert (values[f"mrr@{cutoff}"] <= values[f"hr@{cutoff}"]).all()
    assert (values[f"ndcg@{cutoff}"] <= values[f"hr@{cutoff}"] + 1e-12).all()


@given(st.integers(1, 8), st.integers(1, 8))
def test_ranking_metrics_of_the_ideal_order_are_one(num_relevant, cutoff):
    ranks = np.arange(1, num_relevant + 1)
    owner = np.zeros(num_relevant, dtype=np.int64)
    names = [f"{family}@{cutoff}" for family in ("hr", "ndcg", "mrr", "recall", "precision")]
    values = mean_ranking(names, ranks, owner, integers(num_relevant))
    for name in names[:3]:
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
    names = ["hr@7", "ndcg@7", "recall@7", "precision@7", "mrr@7"]
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
