"""Repeated (user, item) pairs: which row of each pair is kept."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsearch.data.arrow import codes
from recsearch.data.interactions import Interactions


@dataclass(frozen=True)
class DistinctPairs:
    """The rows to keep, so that no (user, item) pair occurs twice.

    Attributes:
        rows: Positions of these rows, ascending.
        num_contradicting: Pairs whose rows have different labels.
    """

    rows: NDArray[np.int64]
    num_contradicting: int = 0


def last_of_each_pair(interactions: Interactions, clicks_win: bool = False) -> DistinctPairs:
    """Returns the rows to keep: the last row of each (user, item) pair.

    The last row is the row with the latest timestamp. With equal timestamps, or without any, it is
    the last in file order.

    Args:
        interactions: [n] rows.
        clicks_win: Whether to keep the last row with the highest label instead: an item that was
            clicked and then shown again without a click still counts as clicked.
    """
    (users,), (items,) = codes([interactions.user_id]), codes([interactions.item_id])
    pair = users * (1 + items.max(initial=0)) + items
    in_order = np.sort(pair)  # ten times as fast as a hash table of the numbers
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
