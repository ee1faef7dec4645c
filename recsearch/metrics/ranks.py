"""Ranks of positives among candidates: in the catalogue, or in given lists.

Ranks start at 1, and a positive loses every tie: its rank is one more than the number of candidates
with at least its score. So a model that gives all items the same score gets no hits.

Dimension letters: B rows (users) of a block, N items, p positives, m lists of K negatives.
"""

import numpy as np
from numpy.typing import NDArray


def rank_positives(
    scores: NDArray[np.float32], row: NDArray[np.integer], item: NDArray[np.integer], max_rank: int
) -> NDArray[np.int32]:
    """Returns the rank of each positive among the candidates of its row, [p] int32.

    A positive's rank is 1 + the non-positive candidates of its row that score at least as much
    + the row's other positives ahead of it. Positives of a row are in order of their score; of
    equal ones the first given is ahead.

    Args:
        scores: [B, N], not changed. Items that must not be ranked have -inf: column 0, seen items.
        row: [p] the row of each positive.
        item: [p] the column of each positive. No (row, item) pair is repeated.
        max_rank: At least 1. Ranks beyond it become `max_rank + 1`. So does the rank of a positive
            with -inf: an unknown or excluded item is never found, even among few candidates.

    Raises:
        ValueError: If a score is nan or +inf, which means that the model has diverged.
    """
    _check_scores(scores)
    others = scores.copy()
    others[row, item] = -np.inf
    # Only the best max_rank others can push a positive up to rank max_rank + 1.
    num_dropped = max(others.shape[1] - max_rank, 0)
    top = np.partition(others, num_dropped, axis=1)[:, num_dropped:]
    own = scores[row, item]
    rank = _rank_within_rows(top, row, own)
    rank[own == -np.inf] = max_rank + 1
    return np.minimum(rank, max_rank + 1).astype(np.int32)


def _rank_within_rows(
    other: NDArray[np.float32], row: NDArray[np.integer], own: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Returns the 1-based rank of each score `own` [p] in its row with the scores `other` [B, D].

    Both are sorted together. A score ranks behind equal scores of `other`; equal scores of `own`
    keep their order.
    """
    num_rows, depth = other.shape
    all_rows = np.concatenate([np.repeat(np.arange(num_rows), depth), row])
    all_scores = np.concatenate([other.ravel(), own])
    is_positive = np.arange(len(all_rows)) >= other.size
    order = np.lexsort((is_positive, -all_scores, all_rows))
    size = np.bincount(all_rows, minlength=num_rows)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order)) - np.repeat(np.cumsum(size) - size, size)
    rank: NDArray[np.int64] = place[other.size :] + 1
    return rank


def rank_in_lists(scores: NDArray[np.float32], max_rank: int) -> NDArray[np.int32]:
    """Returns the rank of the positive of each list, [m] int32, by the rule of `rank_positives`.

    Args:
        scores: [m, 1 + K], the positive in column 0. Items that must not be ranked have -inf:
            padding, and a negative that equals the positive. A repeated negative counts each time.
        max_rank: Ranks beyond it, and the rank of a positive with -inf, become `max_rank + 1`.

    Raises:
        ValueError: If a score is nan or +inf.
    """
    _check_scores(scores)
    own = scores[:, :1]
    rank: NDArray[np.int64] = 1 + np.sum(scores[:, 1:] >= own, axis=1)
    rank[own[:, 0] == -np.inf] = max_rank + 1
    return np.minimum(rank, max_rank + 1).astype(np.int32)


def top_items(scores: NDArray[np.float32], max_rank: int) -> NDArray[np.int64]:
    """Returns the best columns of each row, [B, max_rank] int64, the best first; -1 is padding.

    Equal scores are in the order of their columns; which of them fill the last places is not
    defined. If `max_rank` is larger than the catalogue, every row is padded.

    Args:
        scores: [B, N], not changed. Items that must not be recommended have -inf.
        max_rank: At least 1.

    Raises:
        ValueError: If a score is nan or +inf.
    """
    _check_scores(scores)
    depth = min(max_rank, scores.shape[1])
    best = np.sort(np.argpartition(-scores, depth - 1, axis=1)[:, :depth], axis=1)
    score = np.take_along_axis(scores, best, axis=1)
    order = np.argsort(-score, axis=1, kind="stable")
    found = np.where(score > -np.inf, best, -1)
    top = np.full((len(scores), max_rank), -1, dtype=np.int64)
    top[:, :depth] = np.take_along_axis(found, order, axis=1)
    return top


def _check_scores(scores: NDArray[np.float32]) -> None:
    """Raises ValueError at nan or +inf; nan is not smaller than anything."""
    if scores.size and not scores.max() < np.inf:
        row, column = np.argwhere(~(scores < np.inf))[0]
        raise ValueError(
            f"Scores must be finite, or -inf to exclude an item. Received {scores[row, column]} in"
            f" row {row}, column {column}. The model has diverged; try a smaller learning rate."
        )
