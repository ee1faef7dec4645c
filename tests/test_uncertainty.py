"""Bootstrap intervals and paired comparisons, on data whose answer is known."""

import json
import math

import numpy as np
import pytest
from scipy import stats

from recsearch.errors import UsageError
from recsearch.metrics import PairResults, RankingResults, bootstrap_interval, compare_results
from recsearch.metrics import uncertainty as module


def one_rank_each(rank: np.ndarray, max_rank: int = 10) -> RankingResults:
    """One held-out item a user."""
    user = np.arange(1, len(rank) + 1, dtype=np.int32)
    return RankingResults(user, user - 1, user, np.asarray(rank, np.int32), max_rank)


def ratings(error: np.ndarray, pairs_per_user: int = 1) -> PairResults:
    user = np.arange(len(error), dtype=np.int32) // pairs_per_user + 1
    label = np.zeros(len(error), np.float32)
    return PairResults(user, user, label, np.asarray(error, np.float32))


def seeded(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_interval_of_a_hit_rate_is_that_of_a_binomial_share():
    rank = np.where(np.arange(400) < 100, 1, 11)
    interval = bootstrap_interval(one_rank_each(rank), "hr@10", seeded())
    deviation = math.sqrt(0.25 * 0.75 / 400)
    assert interval.value == 0.25
    assert interval.low == pytest.approx(0.25 - 1.96 * deviation, abs=0.006)
    assert interval.high == pytest.approx(0.25 + 1.96 * deviation, abs=0.006)
    assert (interval.num_users, interval.num_resamples, interval.note) == (400, 1000, "")


def test_interval_of_a_mean_agrees_with_scipy():
    error = seeded(1).exponential(size=300)
    interval = bootstrap_interval(ratings(error), "mae", seeded(), level=0.9)
    expected = stats.bootstrap(
        (np.abs(error),), np.mean, confidence_level=0.9, method="percentile", n_resamples=2000,
        rng=seeded(2),
    ).confidence_interval  # fmt: skip
    assert interval.low == pytest.approx(expected.low, abs=0.015)
    assert interval.high == pytest.approx(expected.high, abs=0.015)


def test_users_are_resampled_and_not_rows():
    # 20 users with 50 equal errors each are 20 observations, not 1,000.
    error = np.repeat(seeded(3).normal(size=20) + 3, 50)
    by_user = bootstrap_interval(ratings(error, pairs_per_user=50), "mae", seeded())
    by_row = bootstrap_interval(ratings(error), "mae", seeded())
    assert by_user.num_users == 20
    assert by_user.high - by_user.low > 4 * (by_row.high - by_row.low)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    rng = seeded(4)
    held = 0
    for _ in range(200):
        interval = bootstrap_interval(
            ratings(rng.exponential(size=80)), "mae", rng, num_resamples=200
        )
        held += interval.low <= 1.0 <= interval.high
    assert 0.86 <= held / 200 <= 0.99  # 95 percent in name; percentile intervals are a bit short


def test_the_same_seed_gives_the_same_interval():
    results = ratings(seeded(5).normal(size=50))
    first, again, other = (
        bootstrap_interval(results, "rmse", seeded(seed), num_resamples=50) for seed in (7, 7, 8)
    )
    assert first == again
    assert first != other


def test_blocks_of_resamples_draw_every_user_about_once(monkeypatch):
    monkeypatch.setattr(module, "WEIGHTS_PER_BLOCK", 7 * 30 + 1)
    blocks = list(module._draw_weights(30, 100, seeded()))
    assert [len(block) for block in blocks] == [7] * 14 + [2]
    weights = np.concatenate(blocks)
    assert (weights.sum(axis=1) == 30).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(30), abs=0.4)
    assert weights.var() == pytest.approx(1 - 1 / 30, rel=0.1)  # binomial(30, 1/30)


@pytest.mark.parametrize(("name", "size"), [("auc", 30), ("user_auc", 30), ("log_loss", 30)])
def test_intervals_of_clicks_hold_the_value(name, size):
    rng = seeded(6)
    user = np.repeat(np.arange(1, size + 1), 10).astype(np.int32)
    label = rng.integers(0, 2, len(user)).astype(np.float32)
    score = np.clip(0.3 * label + 0.6 * rng.random(len(user)), 0, 1).astype(np.float32)
    results = PairResults(user, user, label, score)
    interval = bootstrap_interval(results, name, rng, num_resamples=200)
    assert interval.low < interval.value < interval.high
    assert interval.value == results.metrics([name])[name]


def test_resamples_are_fewer_where_there_are_many_rows(monkeypatch):
    monkeypatch.setattr(module, "MAX_WORK", 60_000)
    label = np.tile([0, 1], 100).astype(np.float32)
    user = np.repeat(np.arange(100), 2).astype(np.int32)
    clicks = PairResults(user, user, label, label / 2)
    assert bootstrap_interval(clicks, "auc", seeded()).num_resamples == 60_000 // 200
    assert bootstrap_interval(clicks, "log_loss", seeded()).num_resamples == 60_000 // 100
    monkeypatch.setattr(module, "MAX_WORK", 1)
    assert bootstrap_interval(clicks, "log_loss", seeded()).num_resamples == 200


@pytest.mark.parametrize("count", [0, 1])
def test_results_of_one_user_or_none_say_so(count):
    interval = bootstrap_interval(one_rank_each(np.ones(count)), "hr@10", seeded())
    assert (interval.low, interval.high, interval.num_resamples) == (None, None, 0)
    assert (
        interval.note
        == f"{count} user(s) with held-out rows: an interval over users needs at least two"
    )
    assert interval.value == (1.0 if count else None)
    json.dumps(interval.to_json(), allow_nan=False)
    alike = compare_results(
        one_rank_each(np.ones(count)), one_rank_each(np.ones(count)), "hr@10", seeded()
    )
    assert (alike.p_value, alike.answer) == (None, "not distinguishable")


def test_a_metric_without_a_value_says_so():
    interval = bootstrap_interval(ratings(np.full(5, np.nan)), "rmse", seeded())
    assert (interval.value, interval.low, interval.note) == (None, None, "rmse has no finite value")
    json.dumps(interval.to_json(), allow_nan=False)


def test_a_metric_that_few_resamples_have_says_so():
    # The only label of 1 is that of one user of 2,000: he is missing in a third of the resamples.
    label = np.zeros(2_000, np.float32)
    label[0] = 1
    user = np.arange(2_000, dtype=np.int32)
    clicks = PairResults(user, user, label, label / 2)
    interval = bootstrap_interval(clicks, "auc", seeded(), num_resamples=250)
    assert interval.low is None
    assert "auc has a value in only 1" in interval.note
    assert "of 250 resamples" in interval.note


@pytest.mark.parametrize("level", [0, 1, 95])
def test_a_level_outside_its_range_is_refused(level):
    with pytest.raises(ValueError, match=rf"must lie in \(0, 1\). Received {level}"):
        bootstrap_interval(ratings(np.ones(3)), "rmse", seeded(), level=level)


def test_no_resamples_are_refused():
    with pytest.raises(ValueError, match=r"`num_resamples` must be at least 1. Received 0"):
        bootstrap_interval(ratings(np.ones(3)), "rmse", seeded(), num_resamples=0)


def test_an_interval_of_a_metric_of_another_kind_is_refused():
    with pytest.raises(UsageError, match="hr@10 ranks items"):
        bootstrap_interval(ratings(np.ones(3)), "hr@10", seeded())


def test_a_small_gain_of_every_user_is_told_though_the_intervals_overlap():
    error = seeded(9).uniform(1, 3, size=200)
    own, other = ratings(error - 0.05), ratings(error)
    alone = [bootstrap_interval(results, "rmse", seeded()) for results in (own, other)]
    assert alone[0].high > alone[1].low
    found = compare_results(own, other, "rmse", seeded())
    assert found.answer == "better"
    assert found.difference.high < 0
    assert found.p_value == pytest.approx(2 / 1001)
    assert compare_results(other, own, "rmse", seeded()).answer == "worse"


def test_answers_follow_the_direction_of_the_metric():
    good, bad = one_rank_each(np.ones(50)), one_rank_each(np.where(np.arange(50) % 2, 1, 11))
    found = compare_results(good, bad, "ndcg@10", seeded())
    assert (found.answer, found.difference.value) == ("better", 0.5)
    assert compare_results(bad, good, "ndcg@10", seeded()).answer == "worse"


def test_equal_scorers_are_not_distinguishable():
    results = one_rank_each(seeded(1).integers(1, 12, 100))
    found = compare_results(results, results, "ndcg@10", seeded())
    assert (found.difference.low, found.difference.high) == (0, 0)
    assert (found.p_value, found.answer) == (1.0, "not distinguishable")


def test_scorers_that_differ_by_noise_are_rarely_told_apart():
    rng = seeded(10)
    told = 0
    for _ in range(100):
        first, second = (ratings(rng.normal(size=100)) for _ in range(2))
        told += compare_results(first, second, "rmse", rng, num_resamples=200).answer != (
            "not distinguishable"
        )
    assert told <= 12  # 5 percent in name


def test_p_value_is_near_that_of_a_paired_test_of_means():
    rng = seeded(11)
    first = 2 + rng.exponential(size=300)
    second = first + rng.normal(0.03, 0.3, size=300)
    found = compare_results(ratings(first), ratings(second), "mae", seeded(), num_resamples=4000)
    expected = stats.ttest_rel(first, second).pvalue
    assert 0.01 < expected < 0.5
    assert found.p_value == pytest.approx(expected, abs=0.02)


def test_comparisons_are_told_in_json():
    found = compare_results(
        ratings(np.ones(9)), ratings(np.full(9, 2)), "mae", seeded(), num_resamples=20
    )
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert told["answer"] == "better"
    assert told["difference"]["value"] == -1.0
    assert told["p_value"] == pytest.approx(2 / 21)


def test_scorers_on_different_rows_are_not_compared():
    with pytest.raises(ValueError, match=r"Received 4 and 3 rows that differ .* Measure both with"):
        compare_results(ratings(np.ones(4)), ratings(np.ones(3)), "mae", seeded())
