"""Sparse user-item matrices, and limits on memory and time for work on them.

Dimension letters: U users and N items, each with index 0, the unknown one; n interactions.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsearch.baselines.parameters import Parameters
from recsearch.data.interactions import Encoded
from recsearch.data.preparation import SeenItems
from recsearch.errors import RecsearchError

MAX_COOCCURRENCES = 3_000_000_000
"""Limit of pairs of items of one user (or users of one item) for computing similarities."""

BLOCK_ENTRIES = 4_000_000
"""Entries of a similarity matrix that are computed at once; limits memory to some 100 MB."""

MAX_BYTES = 4_000_000_000
"""Limit of bytes for the dense arrays of a baseline."""

PAIR_BLOCK = 4096
"""Pairs that are scored at once."""


class TooLargeError(RecsearchError):
    """A baseline would need too much memory or time; the message says which."""


def known_pairs(train: Encoded) -> NDArray[np.bool_]:
    """Returns a mask [n] of the interactions whose user and item are both known."""
    return (train.user > 0) & (train.item > 0)


def interaction_matrix(train: Encoded, num_users: int, num_items: int) -> sparse.csr_array:
    """Returns [U, N] float32: 1 where the user has interacted with the item, once or more often.

    Row 0 and column 0 are empty. Indices are sorted.
    """
    matrix = summed_matrix(train, np.ones(len(train)), num_users, num_items)
    matrix.data[:] = 1.0
    return matrix


def by_recency(
    interactions: sparse.csr_array, seen: SeenItems, parameters: Parameters
) -> sparse.csr_array:
    """Returns [U, N] float32: the interactions, weighted by recency if there is a `half_life`.

    Each interaction has weight 2^(-age / half_life), where the age is the number of the user's
    later items: 1 for the latest item, 1/2 at age `half_life` (Ding and Li 2005, "Time weight
    collaborative filtering", with the age in items instead of time).

    Args:
        interactions: [U, N], from `interaction_matrix`.
        seen: The same interactions, with ages.
        parameters: Parameters of a baseline.

    Raises:
        ValueError: If the half-life is not above 0, or the items have no ages.
    """
    if "half_life" not in parameters:
        return interactions
    half_life = float(parameters["half_life"])
    if not half_life > 0 or seen.age is None:
        raise ValueError(
            f"`half_life` must be above 0, and the data must have an order in time. "
            f"Received {half_life}."
        )
    weight = np.exp2(-seen.age / half_life).astype(np.float32)
    weights = sparse.csr_array((weight, seen.items, seen.offsets), shape=interactions.shape)
    weighted: sparse.csr_array = interactions.multiply(weights).tocsr()
    return weighted


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


def check_cooccurrences(interactions: sparse.csr_array, baseline: str, pairs_of: str) -> None:
    """Refuses data for which the similarities of the columns would take minutes.

    Args:
        interactions: [U, N] to compare items, or transposed to compare users.
        baseline: Name of the baseline, for the message.
        pairs_of: What is compared, for the message.

    Raises:
        TooLargeError: If the squared lengths of the rows sum to over `MAX_COOCCURRENCES`.
    """
    length = np.diff(interactions.indptr).astype(np.int64)
    pairs = int(np.sum(length * length))
    if pairs > MAX_COOCCURRENCES:
        raise TooLargeError(
            f"{baseline} compares at most {MAX_COOCCURRENCES:,} pairs of {pairs_of}. These data"
            f" have {pairs:,}. Sample the interactions, or leave out this baseline."
        )


def check_memory(num_bytes: float, baseline: str, what: str) -> None:
    """Refuses arrays of more than `MAX_BYTES` before they are allocated.

    Args:
        num_bytes: Estimated size.
        baseline: Name of the baseline, for the message.
        what: Description of the arrays with their sizes, for the message.

    Raises:
        TooLargeError: If the estimate is above the limit.
    """
    if num_bytes > MAX_BYTES:
        raise TooLargeError(
            f"{baseline} may take at most {MAX_BYTES / 1e9:.0f} GB. {what} would take about"
            f" {num_bytes / 1e9:.1f} GB. Sample the interactions, or leave out this baseline."
        )


def check_stored(num_rows: int, num_kept: int, baseline: str, what: str) -> None:
    """Refuses a matrix of neighbours that would not fit into memory.

    Args:
        num_rows: Rows, and columns, of the matrix.
        num_kept: Entries kept per row.
        baseline: Name of the baseline, for the message.
        what: The rows: "items" or "users".

    Raises:
        TooLargeError: If it would take more than `MAX_BYTES`.
    """
    num_bytes = 16.0 * num_rows * min(num_rows, num_kept)  # 8 per entry, and joining copies them
    check_memory(num_bytes, baseline, f"The {num_kept} neighbours of each of {num_rows:,} {what}")


def column_blocks(interactions: sparse.csr_array) -> Iterator[slice]:
    """Yields runs of columns whose similarities have about `BLOCK_ENTRIES` entries.

    Args:
        interactions: [U, N], from `interaction_matrix`, for runs of items; transposed for runs of
            users.
    """
    num_columns = interactions.shape[1]
    length = np.diff(interactions.indptr).astype(np.float64)
    # An item can only be similar to the items of its users.
    entries = np.minimum(interactions.T @ length, num_columns)
    group = np.cumsum(entries) // BLOCK_ENTRIES
    starts = np.concatenate([[0], np.flatnonzero(np.diff(group)) + 1, [num_columns]])
    for start, stop in pairwise(starts):
        yield slice(int(start), int(stop))


def row_blocks(num_rows: int, size: int) -> Iterator[slice]:
    """Yields consecutive slices of at most `size` that cover `num_rows` rows."""
    for start in range(0, num_rows, size):
        yield slice(start, min(start + size, num_rows))


def keep_largest(matrix: sparse.csr_array, num_kept: int) -> sparse.csr_array:
    """Returns the matrix with the `num_kept` largest entries of each row.

    Of equal entries, the one in the lower column is kept.

    Args:
        matrix: Of any shape. Its indices are sorted in place, which changes no entry.
        num_kept: The largest number of entries kept per row.

    Returns:
        A matrix of the same shape, with sorted indices.
    """
    matrix.sort_indices()
    length = np.diff(matrix.indptr)
    long_rows = np.flatnonzero(length > num_kept)
    if len(long_rows) == 0:
        return matrix
    smallest_kept = np.full(matrix.shape[0], -np.inf, dtype=matrix.dtype)
    for row in long_rows:
        values = matrix.data[matrix.indptr[row] : matrix.indptr[row + 1]]
        place = len(values) - num_kept
        smallest_kept[row] = np.partition(values, place)[place]
    limit = np.repeat(smallest_kept, length)
    above, tied = matrix.data > limit, matrix.data == limit
    above_before = np.concatenate([[0], np.cumsum(above)])[matrix.indptr]
    tied_before = np.concatenate([[0], np.cumsum(tied)])[matrix.indptr]
    room = np.repeat(num_kept - np.diff(above_before) + tied_before[:-1], length)
    return masked(matrix, above | (tied & (np.cumsum(tied) <= room)))


def paired_sums(
    left: sparse.csr_array,
    right: sparse.csr_array,
    left_row: NDArray[np.int32],
    right_row: NDArray[np.int32],
) -> NDArray[np.float32]:
    """Returns [B] float32: one inner product per pair of a row of `left` and a row of `right`.

    Args:
        left: [A, K].
        right: [C, K].
        left_row: [B] rows of `left`.
        right_row: [B] rows of `right`.
    """
    sums = np.empty(len(left_row), dtype=np.float32)
    for block in row_blocks(len(left_row), PAIR_BLOCK):
        common = left[left_row[block]].multiply(right[right_row[block]])
        sums[block] = common.sum(axis=1)
    return sums


def masked(matrix: sparse.csr_array, keep: NDArray[np.bool_]) -> sparse.csr_array:
    """Returns the matrix with only the stored entries where `keep` [nnz] is True."""
    kept_before = np.concatenate([[0], np.cumsum(keep)])
    parts = (matrix.data[keep], matrix.indices[keep], kept_before[matrix.indptr])
    return sparse.csr_array(parts, shape=matrix.shape)
