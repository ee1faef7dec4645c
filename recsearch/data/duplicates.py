"""Pairs of a user and an item that occur more than once."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsearch.data.arrow import codes
from recsearch.data.interactions import Interactions


@dataclass(frozen=True)
class DistinctPairs:
    """The rows to keep so that no pair of user and item occurs twice.

    Attributes:
        rows: Their ascending positions.
        num_contradicting: Pairs whose rows have different labels.
    """

    rows: NDArray[np.int64]
    num_contradicting: int = 0


def last_of_each_pair(interactions: Interactions, clicks_win: bool = False) -> DistinctPairs:
    """Returns the rows to keep: of each (user, item) pair the last.

    The last is the one with the latest timestamp, and among equal ones, or without timestamps,
    the last in file order.

    Args:
        interactions: [n] rows.
        clicks_win: Whether the last row of the highest label is kept in place of the last of all:
            an item that was shown again after a click was clicked nevertheless.
    """
    (users,), (items,) = codes([interactions.user_id]), codes([interactions.item_id])
    pair = users * (1 + items.max(initial=0)) + items
    in_order = np.sort(pair)  # of numbers alone: ten times as fast as a hash table of them
    repeated_pairs = in_order[1:][in_order[1:] == in_order[:-1]]
    if not len(repeated_pairs):
        return DistinctPairs(np.arange(len(interactions)))
    repeated = np.isin(pair, repeated_pairs)
    rows = np.flatnonzero(repeated)  # only these need to be sorted together with their times
    keys: list[NDArray[Any]] = [rows, pair[rows]]
    if clicks_win:
        keys.insert(1, interactions.label[rows])
    if interactions.timestamp is not None:
        keys.insert(1, interactions.timestamp[rows])
    rows = rows[np.lexsort(keys)]
    ends = np.append(np.diff(pair[rows]) != 0, True)
    begins = np.flatnonzero(np.append(True, ends[:-1]))
    label = interactions.label[rows]
    contradicting = np.minimum.reduceat(label, begins) != np.maximum.reduceat(label, begins)
    kept = np.sort(np.concatenate([np.flatnonzero(~repeated), rows[ends]]))
    return DistinctPairs(kept, int(contradicting.sum()))
