"""Ranks against a slow reference: the tie rule as a loop over candidates."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsearch.metrics import rank_in_lists, rank_positives, top_items

EXCLUDED = -np.inf


def integers(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


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


def test_rank_in_lists_counts_a_repeated_negative_as_often_as_it_is_given():
    scores = np.array([[0.5, 0.9, 0.9, 0.1]], dtype=np.float32)
    assert rank_in_lists(scores, max_rank=10).tolist() == [3]


def test_rank_positives_with_max_rank_beyond_the_catalogue():
    scores = np.array([[EXCLUDED, 0.1, 0.9]], dtype=np.float32)
    assert rank_positives(scores, integers(0), integers(1), max_rank=100).tolist() == [2]


def test_top_items_by_hand():
    scores = np.array(
        [[EXCLUDED, 0.1, 0.9, 0.5], [EXCLUDED, EXCLUDED, 0.2, EXCLUDED]], dtype=np.float32
    )
    assert top_items(scores, 2).tolist() == [[2, 3], [2, -1]]
    assert top_items(scores, 5).tolist() == [[2, 3, 1, -1, -1], [2, -1, -1, -1, -1]]


def test_top_items_of_equal_scores_stand_in_the_order_of_their_columns():
    scores = np.array([[EXCLUDED, 0.5, 0.7, 0.5, 0.7]], dtype=np.float32)
    assert top_items(scores, 4).tolist() == [[2, 4, 1, 3]]


def test_top_items_of_a_diverged_model_are_refused():
    with pytest.raises(
        ValueError, match=r"Received nan in row 0, column 1. The model has diverged"
    ):
        top_items(np.array([[EXCLUDED, math.nan]], dtype=np.float32), 1)


@given(ranking_cases())
@settings(max_examples=100, deadline=None)
def test_top_items_are_a_stable_sort_of_the_scores_without_ties(case):
    scores, _, _, length = case
    excluded = scores == EXCLUDED
    distinct = np.random.default_rng(0).permuted(
        np.tile(np.arange(scores.shape[1], dtype=np.float32), (len(scores), 1)), axis=1
    )
    distinct[excluded] = EXCLUDED
    for row, found in zip(distinct, top_items(distinct, length), strict=True):
        ranked = [item for item in np.argsort(-row) if row[item] > EXCLUDED][:length]
        assert found.tolist() == ranked + [-1] * (length - len(ranked))
