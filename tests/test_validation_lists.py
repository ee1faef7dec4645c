"""Drawn lists: what may stand in them, how evenly it is drawn, and that the seed decides."""

from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsearch.data.interactions import Interactions
from recsearch.data.preparation import PreparedData, prepare
from recsearch.data.task import Task
from recsearch.data.validation_lists import draw_distinct, draw_lists


def interactions(pairs: list[tuple[int, int]]) -> Interactions:
    user, item = zip(*pairs, strict=True)
    return Interactions(pa.array(user), pa.array(item), np.ones(len(pairs), np.float32))


def implicit(train: list[tuple[int, int]], holdout: list[tuple[int, int]]) -> PreparedData:
    return prepare(interactions(train), interactions(holdout), Task.IMPLICIT)[0]


PAIRS = st.sets(st.tuples(st.integers(1, 6), st.integers(1, 9)), min_size=1)


@given(train=PAIRS, holdout=PAIRS, count=st.integers(1, 12), seed=st.integers(0, 99))
def test_lists_hold_each_positive_and_items_that_its_user_has_not_met(
    train: set[tuple[int, int]], holdout: set[tuple[int, int]], count: int, seed: int
) -> None:
    data = implicit(sorted(train), sorted(holdout - train) or [(7, 10)])
    lists = draw_lists(data, count, seed)
    assert lists.item.shape == (len(data.holdout), 1 + count)
    assert lists.item.dtype == np.int32
    np.testing.assert_array_equal(lists.user, data.holdout.user)
    np.testing.assert_array_equal(lists.item[:, 0], data.holdout.item)
    met: dict[int, set[int]] = {}
    for part in (data.train, data.holdout):
        for user, item in zip(part.user.tolist(), part.item.tolist(), strict=True):
            met.setdefault(user, set()).add(item)
    for user, row in zip(lists.user.tolist(), lists.item[:, 1:].tolist(), strict=True):
        free = set(range(1, data.spec.num_items)) - met[user]
        drawn = [item for item in row if item != -1]
        assert len(set(drawn)) == len(drawn) == min(count, len(free))
        assert set(drawn) <= free


def test_lists_follow_the_seed_and_say_so() -> None:
    data = implicit([(u, i) for u in range(1, 9) for i in range(u, u + 4)], [(1, 9), (2, 10)])
    first, again, other = (draw_lists(data, 3, seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.item, again.item)
    assert not np.array_equal(first.item, other.item)
    assert first.description == (
        "lists of one positive among 3 negatives, drawn with seed 5 from the training items that "
        "the user has neither in training nor in validation"
    )


def test_draw_distinct_gives_every_set_equally_often() -> None:
    size = np.full(60_000, 5)
    rows = np.sort(draw_distinct(size, 3, np.random.default_rng(0)), axis=1)
    sets, times = np.unique(rows, axis=0, return_counts=True)
    assert [tuple(row) for row in sets.tolist()] == list(combinations(range(5), 3))
    # 10 sets, 6,000 times each; the standard deviation is sqrt(60,000 * .1 * .9) = 73.
    assert np.abs(times - 6_000).max() < 4 * 73


@pytest.mark.parametrize("size", [0, 1, 3])
def test_draw_distinct_pads_where_there_are_too_few(size: int) -> None:
    row = draw_distinct(np.array([size]), 4, np.random.default_rng(0))[0].tolist()
    assert sorted(row) == [-1] * (4 - size) + list(range(size))
