"""Cosine neighbours among rows of a sparse matrix: items by their users, users by their items.

Dimension letters: R rows that are compared, C columns that they are compared by.
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from recsearch.baselines.matrices import column_blocks, keep_largest, masked
from recsearch.baselines.parameters import Parameters

WEIGHTINGS = ("none", "idf")

GRID: tuple[Parameters, ...] = tuple(
    {"num_neighbours": num_neighbours, "shrink": shrink, "weighting": weighting}
    for weighting, shrink, nums in (
        ("none", 0.0, (100, 50, 200, 400)),
        ("idf", 0.0, (50, 100, 25, 200)),
        ("none", 50.0, (50, 100)),
        ("idf", 50.0, (50, 100)),
    )
    for num_neighbours in nums
)
"""The configurations for implicit feedback, the default first, grouped by equal similarities."""


class CosineNeighbours:
    """The neighbours of each row, at any configuration of `GRID`.

    The similarity of two binary rows is sum_c w_c^2 x_rc x_sc / (|w x_r| |w x_s| + shrink). With
    the weighting "none" w_c = 1. With "idf" w_c = 1 + log((1 + R) / (1 + n_c)), where n_c rows
    have column c, so columns of many rows count less. BM25 would add a factor per row, which the
    cosine of binary rows cancels.

    Similarities with one weighting and shrink are computed once, for the largest number of
    neighbours, and cut for smaller numbers.

    Source:
        Cosine with shrink and weighted columns: Ferrari Dacrema et al. 2021 (TOIS). Variant of
        idf: scikit-learn's `TfidfTransformer` (smoothed), positive whatever n_c.
    """

    def __init__(self, rows: sparse.csr_array, configurations: Sequence[Parameters]) -> None:
        """Stores the rows; nothing is computed yet.

        Args:
            rows: [R, C] float32 of zeros and ones.
            configurations: All configurations that will be used.
        """
        self._rows = rows
        self._num_kept: dict[tuple[str, float], int] = {}
        for one in configurations:
            key, num_neighbours = _key(one), int(one["num_neighbours"])
            self._num_kept[key] = max(self._num_kept.get(key, 0), num_neighbours)
        self._made: dict[tuple[str, float], sparse.csr_array] = {}

    def at(self, parameters: Parameters) -> sparse.csr_array:
        """Returns [R, R] float32: row r has the neighbours of r, without r itself."""
        key = _key(parameters)
        if key not in self._made:
            weighting, shrink = key
            weighted = weighted_columns(self._rows, weighting)
            similarity = cosine_neighbours(weighted, self._num_kept[key], shrink)
            self._made = {key: similarity}  # only the last: each can take gigabytes
        return keep_largest(self._made[key], int(parameters["num_neighbours"]))


def _key(parameters: Parameters) -> tuple[str, float]:
    return str(parameters["weighting"]), float(parameters["shrink"])


def weighted_columns(rows: sparse.csr_array, weighting: str) -> sparse.csr_array:
    """Returns [R, C] float32: the rows with each column times its weight.

    Raises:
        ValueError: If the weighting is unknown.
    """
    if weighting not in WEIGHTINGS:
        raise ValueError(
            f"`weighting` of neighbours must be one of {', '.join(WEIGHTINGS)}."
            f" Received {weighting!r}."
        )
    if weighting == "none":
        return rows
    count = np.bincount(rows.indices, minlength=rows.shape[1])
    weight = 1.0 + np.log((1.0 + rows.shape[0]) / (1.0 + count))
    parts = (rows.data * weight[rows.indices].astype(np.float32), rows.indices, rows.indptr)
    return sparse.csr_array(parts, shape=rows.shape)


def cosine_neighbours(
    rows: sparse.csr_array, num_neighbours: int, shrink: float
) -> sparse.csr_array:
    """Returns the `num_neighbours` most similar rows of each row, [R, R] float32.

    Of equally similar rows, the one with the lower index is the neighbour.

    Args:
        rows: [R, C] float32, without negative entries.
        num_neighbours: Neighbours kept of each row.
        shrink: Added to the denominator; larger values reduce the similarities of short rows.
    """
    columns = rows.T.tocsr()
    norm = np.sqrt(rows.power(2).sum(axis=1)).astype(np.float32)
    parts = []
    for block in column_blocks(_ones(columns)):
        common = rows[block] @ columns
        row = np.repeat(np.arange(block.start, block.stop), np.diff(common.indptr))
        common.data /= norm[row] * norm[common.indices] + np.float32(shrink)
        parts.append(keep_largest(masked(common, common.indices != row), num_neighbours))
    stacked: sparse.csr_array = sparse.vstack(parts, format="csr")
    return stacked


def _ones(matrix: sparse.csr_array) -> sparse.csr_array:
    parts = (np.ones_like(matrix.data), matrix.indices, matrix.indptr)
    return sparse.csr_array(parts, shape=matrix.shape)
