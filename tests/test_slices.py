"""Slices by what training knows of users and items."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsearch.metrics import (
    PairResults,
    RankingResults,
    Slice,
    popularity_thirds,
    slice_results,
)

USER_COUNTS = np.array([0, 1, 5, 6, 20, 21, 100, 101])
ITEM_COUNTS = np.array([0, 10, 5, 5, 4, 3, 3])  # thirds of 30: item 1, items 2 and 3, the rest


def integers(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int32)


def by_label(slices: tuple[Slice, ...], name: str) -> dict[str, Slice]:
    return {s.label: s for s in slices if s.name == name}


def ratings(user: np.ndarray, item: np.ndarray, error: np.ndarray) -> PairResults:
    label = np.full(len(user), 3, np.float32)
    return PairResults(user, item, label, label + error.astype(np.float32))


def test_users_are_sliced_by_their_training_interactions():
    user = integers(1, 2, 3, 4, 5, 6, 7)
    errors = np.arange(1, 8)
    slices = slice_results(
        ratings(user, np.ones_like(user), errors), ["mae"], USER_COUNTS, ITEM_COUNTS
    )
    found = by_label(slices, "user_activity")
    assert {label: s.metrics["mae"] for label, s in found.items()} == {
        "1-5": (1 + 2) / 2,
        "6-20": (3 + 4) / 2,
        "21-100": (5 + 6) / 2,
        "more than 100": 7,
    }
    assert {label: s.num_rows for label, s in found.items()} == {
        "1-5": 2, "6-20": 2, "21-100": 2, "more than 100": 1,
    }  # fmt: skip


def test_users_unknown_in_training_have_no_interactions_whatever_their_index():
    user = integers(0, 8, 9, 9, 1)
    slices = slice_results(
        ratings(user, integers(1, 1, 1, 1, 1), np.array([1, 2, 3, 6, 4])),
        ["mae"],
        USER_COUNTS,
        ITEM_COUNTS,
    )
    unknown = by_label(slices, "known_user")["unknown"]
    assert (unknown.num_rows, unknown.num_users) == (4, 3)
    assert unknown.metrics["mae"] == pytest.approx((1 + 2 + 3 + 6) / 4)
    assert by_label(slices, "known_user")["known"].metrics["mae"] == 4
    assert by_label(slices, "user_activity")["0"].metrics == unknown.metrics


def test_items_are_sliced_by_popularity_and_unknown_ones_stand_apart():
    item = integers(1, 2, 3, 4, 6, 0, 7)
    slices = slice_results(
        ratings(np.ones_like(item), item, np.arange(1, 8)), ["mae"], USER_COUNTS, ITEM_COUNTS
    )
    thirds = by_label(slices, "item_popularity")
    assert {label: s.metrics["mae"] for label, s in thirds.items()} == {
        "head": 1,
        "middle": (2 + 3) / 2,
        "tail": (4 + 5) / 2,
    }
    assert by_label(slices, "known_item")["unknown"].metrics["mae"] == (6 + 7) / 2
    assert by_label(slices, "known_item")["known"].num_rows == 5


def test_item_slices_of_rankings_keep_ranks_and_count_their_own_items():
    results = RankingResults(
        user=integers(1, 3),
        owner=integers(0, 0, 1),
        item=integers(1, 4, 4),
        rank=integers(1, 4, 2),
        max_rank=3,
    )
    names = ["recall@3", "mrr@3"]
    thirds = by_label(slice_results(results, names, USER_COUNTS, ITEM_COUNTS), "item_popularity")
    assert thirds["head"].metrics == {"recall@3": 1, "mrr@3": 1}
    assert thirds["tail"].metrics == {"recall@3": (0 + 1) / 2, "mrr@3": (0 + 1 / 2) / 2}
    assert (thirds["tail"].num_rows, thirds["tail"].num_users) == (2, 2)
    assert "middle" not in thirds


def test_slices_stand_in_a_fixed_order_without_empty_ones():
    results = ratings(integers(7, 1, 0), integers(4, 0, 1), np.ones(3))
    slices = slice_results(results, ["mae"], USER_COUNTS, ITEM_COUNTS)
    assert [(s.name, s.label) for s in slices] == [
        ("user_activity", "0"),
        ("user_activity", "1-5"),
        ("user_activity", "more than 100"),
        ("item_popularity", "head"),
        ("item_popularity", "tail"),
        ("known_user", "known"),
        ("known_user", "unknown"),
        ("known_item", "known"),
        ("known_item", "unknown"),
    ]


def test_no_rows_have_no_slices():
    results = ratings(integers(), integers(), np.ones(0))
    assert slice_results(results, ["mae"], USER_COUNTS, ITEM_COUNTS) == ()


def test_a_value_that_is_not_finite_is_null_in_json():
    one = PairResults(integers(1), integers(1), np.ones(1, np.float32), np.ones(1, np.float32))
    slices = slice_results(one, ["auc", "log_loss"], USER_COUNTS, ITEM_COUNTS)
    assert math.isnan(slices[0].metrics["auc"])
    told = json.loads(json.dumps(slices[0].to_json(), allow_nan=False))
    assert told == {
        "name": "user_activity",
        "label": "1-5",
        "num_rows": 1,
        "num_users": 1,
        "metrics": {"auc": None, "log_loss": pytest.approx(0, abs=1e-6)},
    }


def test_popularity_thirds_by_hand():
    # Interactions before each item, of 30: 0 | 10, 15 | 20, 24, 27.
    assert popularity_thirds(ITEM_COUNTS).tolist()[1:] == [0, 1, 1, 2, 2, 2]
    # An item belongs where its first interaction falls: here all of the first third and more.
    assert popularity_thirds(np.array([7, 1, 9])).tolist()[1:] == [2, 0]


def test_popularity_thirds_of_a_training_part_without_rows_do_not_fail():
    assert popularity_thirds(np.zeros(3, np.int64)).tolist() == [0, 0, 0]


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30))
def test_popularity_thirds_hold_about_a_third_each(counts):
    item_counts = np.array([0, *counts])
    third = popularity_thirds(item_counts)[1:]
    total, largest = sum(counts), max(counts)
    for place in range(3):
        assert abs(np.sum(np.array(counts)[third == place]) - total / 3) <= largest
    for better, worse in ((0, 1), (1, 2)):
        if (third == better).any() and (third == worse).any():
            assert min(np.array(counts)[third == better]) >= max(np.array(counts)[third == worse])


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_every_grouping_holds_every_row_once(seed):
    rng = np.random.default_rng(seed)
    user = rng.integers(0, 12, 40).astype(np.int32)
    item = rng.integers(0, 10, 40).astype(np.int32)
    slices = slice_results(ratings(user, item, rng.random(40)), ["mae"], USER_COUNTS, ITEM_COUNTS)
    rows = {name: sum(s.num_rows for s in slices if s.name == name) for name in
            ("user_activity", "known_user", "known_item", "item_popularity")}  # fmt: skip
    unknown_items = int(((item == 0) | (item >= len(ITEM_COUNTS))).sum())
    assert rows == {
        "user_activity": 40,
        "known_user": 40,
        "known_item": 40,
        "item_popularity": 40 - unknown_items,
    }
