"""Pairs of a user and an item that occur more than once."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsearch.data.interactions import Interactions


def last_of_each_pair(interactions: Interactions) -> NDArray[np.int64]:
    """Returns the ascending positions of the rows to keep: of each (user, item) pair the last.

    The last is the one with the latest timestamp, and among equal ones, or without timestamps,
    the last in file order.
    """
    users, _ = _codes(interactions.user_id)
    items, num_items = _codes(interactions.item_id)
    pair = users * num_items + items
    in_order = np.sort(pair)  # of numbers alone: ten times as fast as a hash table of them
    repeated_pairs = in_order[1:][in_order[1:] == in_order[:-1]]
    if not len(repeated_pairs):
        return np.arange(len(interactions))
    repeated = np.isin(pair, repeated_pairs)
    rows = np.flatnonzero(repeated)  # only these need to be sorted together with their times
    keys = [rows, pair[rows]]
    if interactions.timestamp is not None:
        keys.insert(1, interactions.timestamp[rows])
    rows = rows[np.lexsort(keys)]
    ends = np.append(np.diff(pair[rows]) != 0, True)
    return np.sort(np.concatenate([np.flatnonzero(~repeated), rows[ends]]))


def _codes(ids: pa.Array) -> tuple[NDArray[np.int64], int]:
    """Returns codes [n] from 0 on, the same for equal ids, and how many codes there are."""
    encoded = ids if pa.types.is_dictionary(ids.type) else pc.dictionary_encode(ids)
    return encoded.indices.to_numpy().astype(np.int64), len(encoded.dictionary)
