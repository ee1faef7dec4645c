"""Sparse user-item matrices, and what keeps work on them within memory and time.

Dimension letters: U users and N items, each with index 0, the unknown one; n interactions.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsearch.data.interactions import Encoded
from recsearch.errors import RecsearchError

MAX_COOCCURRENCES = 3_000_000_000
"""Pairs of items of one user, over all users, up to which similarities are computed."""

BLOCK_ENTRIES = 4_000_000
"""Entries of a similarity matrix that are computed at once; bounds memory to a few hundred MB."""


class TooLargeError(RecsearchError):
    """A baseline would need more memory or time than it is worth; the message says which."""


def known_pairs(train: Encoded) -> NDArray[np.bool_]:
    """Returns a mask [n] of the interactions whose user and item are both known."""
    return (train.user > 0) & (train.item > 0)


def interaction_matrix(train: Encoded, num_users: int, num_items: int) -> sparse.csr_array:
    """Returns [U, N] float32: 1 where the user met the item, however often.

    Row 0 and column 0 are empty. Indices are sorted.
    """
    matrix = summed_matrix(train, np.ones(len(train)), num_users, num_items)
    matrix.data[:] = 1.0
    return matrix


def mean_matrix(
    train: Encoded, values: NDArray[np.float64], num_users: int, num_items: int
) -> sparse.csr_array:
    """Returns [U, N] float32: the mean of `values` [n] over the interactions of each pair.

    Row 0 and column 0 are empty. A mean of exactly 0 is stored, so that the stored entries are
    those of `interaction_matrix`. Indices are sorted.
    """
    total = summed_matrix(train, values, num_users, num_items)
    count = summed_matrix(train, np.ones(len(train)), num_users, num_items)
    total.data /= count.data
    return total


def summed_matrix(
    train: Encoded, values: NDArray[np.float64], num_users: int, num_items: int
) -> sparse.csr_array:
    """Returns [U, N] float32: the sum of `values` [n] over the interactions of each pair."""
    known = known_pairs(train)
    entries = values[known].astype(np.float32)
    where = (train.user[known], train.item[known])
    matrix = sparse.csr_array((entries, where), shape=(num_users, num_items))
    matrix.sum_duplicates()
    return matrix


def check_cooccurrences(interactions: sparse.csr_array, baseline: str) -> None:
    """Refuses data on which item similarities would take minutes.

    Raises:
        TooLargeError: If the users' squared numbers of items sum to over `MAX_COOCCURRENCES`.
    """
    per_user = np.diff(interactions.indptr).astype(np.int64)
    pairs = int(np.sum(per_user * per_user))
    if pairs > MAX_COOCCURRENCES:
        raise TooLargeError(
            f"{baseline} compares at most {MAX_COOCCURRENCES:,} pairs of items that a user has"
            f" in common. These data have {pairs:,}. Sample the interactions of the most active"
            " users, or do without this baseline."
        )


def item_blocks(interactions: sparse.csr_array) -> Iterator[slice]:
    """Yields runs of items whose rows of an item-item matrix have about `BLOCK_ENTRIES` entries.

    Args:
        interactions: [U, N], as made by `interaction_matrix`.
    """
    num_items = interactions.shape[1]
    per_user = np.diff(interactions.indptr).astype(np.float64)
    # An item's row has at most one entry for each (its user, item of that user).
    entries = np.minimum(interactions.T @ per_user, num_items)
    group = np.cumsum(entries) // BLOCK_ENTRIES
    starts = np.concatenate([[0], np.flatnonzero(np.diff(group)) + 1, [num_items]])
    for start, stop in pairwise(starts):
        yield slice(int(start), int(stop))


def row_blocks(num_rows: int, size: int) -> Iterator[slice]:
    """Yields consecutive slices of at most `size` that cover `num_rows` rows."""
    for start in range(0, num_rows, size):
        yield slice(start, min(start + size, num_rows))


def keep_largest(matrix: sparse.csr_array, num_kept: int) -> sparse.csr_array:
    """Returns the matrix with the `num_kept` largest entries of each row.

    Of equal entries that of the lower column stays.

    Args:
        matrix: Of any shape. Its indices are sorted in place, which changes no entry.
        num_kept: How many entries a row keeps, at most.

    Returns:
        A matrix of the same shape, with sorted indices.
    """
    matrix.sort_indices()
    length = np.diff(matrix.indptr)
    long_rows = np.flatnonzero(length > num_kept)
    if len(long_rows) == 0:
        return matrix
    row = np.repeat(np.arange(matrix.shape[0]), length)
    in_long_row = np.flatnonzero(length[row] > num_kept)
    # Columns are sorted within a row and the sort is stable: equal values stay in that order.
    order = np.lexsort((-matrix.data[in_long_row], row[in_long_row]))
    place = np.arange(len(order)) - np.repeat(
        np.cumsum(length[long_rows]) - length[long_rows], length[long_rows]
    )
    keep = np.ones(matrix.nnz, dtype=bool)
    keep[in_long_row[order[place >= num_kept]]] = False
    return masked(matrix, keep)


def masked(matrix: sparse.csr_array, keep: NDArray[np.bool_]) -> sparse.csr_array:
    """Returns the matrix with only those stored entries where `keep` [nnz] holds."""
    kept_before = np.concatenate([[0], np.cumsum(keep)])
    parts = (matrix.data[keep], matrix.indices[keep], kept_before[matrix.indptr])
    return sparse.csr_array(parts, shape=matrix.shape)
