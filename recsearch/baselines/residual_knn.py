"""Neighbours for ratings: the deviation from the biases, predicted from similar items or users.

Items: score(u, i) = b_ui + sum_j s_ij (r_uj - b_uj) / sum_j s_ij, over the rated items j of u that
are most similar to i. Users: score(u, i) = b_ui + sum_v s_uv (r_vi - b_vi) / sum_v s_uv, over the
users v with a rating of i that are most similar to u.

Dimension letters: U users and N items, each with index 0, the unknown one; B users or pairs;
E of them are compared (the items or the users), by the A others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsearch.baselines.bias import Bias, fit_bias
from recsearch.baselines.matrices import (
    PAIR_BLOCK,
    check_cooccurrences,
    check_stored,
    column_blocks,
    interaction_matrix,
    keep_largest,
    masked,
    mean_matrix,
    row_blocks,
)
from recsearch.baselines.parameters import FitFunction, Parameters
from recsearch.data.preparation import PreparedData

NUM_STORED = 500
"""Similarities kept per item or user; the neighbours of a pair are chosen among them."""

GRID: tuple[Parameters, ...] = tuple(
    {"num_neighbours": num_neighbours, "shrink": shrink}
    for shrink in (100.0, 30.0, 300.0, 10.0)
    for num_neighbours in (40, 80, 20)
)
"""The configurations that are tried, the default first, grouped by equal similarities."""

Side = Literal["items", "users"]


@dataclass(frozen=True)
class ResidualKnn:
    """A bias model and, for each item (or user), the items (or users) with similar ratings.

    Attributes:
        bias: The bias model that the neighbours correct.
        side: Which are compared.
        rated: [A, E] float32: 1 where there is a rating.
        residual: [A, E] float32: label minus bias score, stored where `rated` is.
        similarity: [E, E] float32: row e has the positive similarities of e.
        num_neighbours: The largest number of neighbours used for a score.
    """

    bias: Bias
    side: Side
    rated: sparse.csr_array
    residual: sparse.csr_array
    similarity: sparse.csr_array
    num_neighbours: int

    def score_pairs(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns one score per pair, [B], in the unit of the label.

        A pair without a rated neighbour gets its bias score.
        """
        compared, by = (item, user) if self.side == "items" else (user, item)
        scores = self.bias.unclipped(user, item)
        for block in row_blocks(len(user), PAIR_BLOCK):
            scores[block] += self._correction(compared[block], by[block])
        return self.bias.clip(scores)

    def score_catalogue(self, user: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns [B, N]: each user's score of every item, in the unit of the label."""
        num_items = len(self.bias.item_bias)
        items = np.arange(num_items, dtype=np.int32)
        scores = np.empty((len(user), num_items), dtype=np.float32)
        for row, one_user in enumerate(user):
            scores[row] = self.score_pairs(np.full(num_items, one_user, dtype=np.int32), items)
        return scores

    def _correction(
        self, compared: NDArray[np.int32], by: NDArray[np.int32]
    ) -> NDArray[np.float64]:
        """Returns [B] float64: the mean residual of the neighbours; 0 without neighbours."""
        weight = self.similarity[compared].multiply(self.rated[by]).tocsr()
        weight = keep_largest(weight, self.num_neighbours)
        total = np.asarray(weight.multiply(self.residual[by]).sum(axis=1), dtype=np.float64)
        norm = np.asarray(weight.sum(axis=1), dtype=np.float64)
        return np.divide(total, norm, out=np.zeros_like(total), where=norm > 0)


def prepare_residual_item_knn(
    data: PreparedData, configurations: Sequence[Parameters]
) -> FitFunction:
    """Returns the function that fits item neighbours; see `prepare_residual_knn`."""
    return prepare_residual_knn(data, "items")


def prepare_residual_user_knn(
    data: PreparedData, configurations: Sequence[Parameters]
) -> FitFunction:
    """Returns the function that fits user neighbours; see `prepare_residual_knn`."""
    return prepare_residual_knn(data, "users")


def prepare_residual_knn(data: PreparedData, side: Side) -> FitFunction:
    """Returns the function that fits neighbours on residuals, at `num_neighbours` and `shrink`.

    The similarity of two items is the correlation of their residuals over the n users with ratings
    of both, times (n - 1) / (n - 1 + shrink); only positive similarities count. For two users it is
    the same over the items that both have rated. A pair with several ratings counts once, with
    their mean. The similarities for one shrink are used for every number of neighbours.

    Args:
        data: The training part is used.
        side: Whether items or users are compared.

    Raises:
        TooLargeError: If the similarities would take minutes or gigabytes.

    Source:
        Koren 2010, "Factor in the Neighbors", section 2.2; Surprise's `KNNBaseline` with
        `pearson_baseline`, by default 40 neighbours and shrink 100. Variant: the neighbours of a
        pair are chosen among the 500 most similar ones; the bias model has its default
        regularisation.
    """
    train, spec = data.train, data.spec
    rated = interaction_matrix(train, spec.num_users, spec.num_items)
    bias = fit_bias(train, spec.num_users, spec.num_items)
    values = train.label.astype(np.float64) - bias.unclipped(train.user, train.item)
    residual = mean_matrix(train, values, spec.num_users, spec.num_items)
    if side == "users":
        rated, residual = rated.T.tocsr(), residual.T.tocsr()
    _check_size(rated, side)

    @lru_cache(maxsize=1)
    def similarity(shrink: float) -> sparse.csr_array:
        rows = [_similarity(rated, residual, block, shrink) for block in column_blocks(rated)]
        stacked: sparse.csr_array = sparse.vstack(rows, format="csr")
        return stacked

    def fit(parameters: Parameters) -> ResidualKnn:
        shrink, num_neighbours = float(parameters["shrink"]), int(parameters["num_neighbours"])
        return ResidualKnn(bias, side, rated, residual, similarity(shrink), num_neighbours)

    return fit


def _check_size(rated: sparse.csr_array, side: Side) -> None:
    baseline = "item_knn" if side == "items" else "user_knn"
    pairs_of = "items of one user" if side == "items" else "users of one item"
    check_cooccurrences(rated, baseline, pairs_of)
    check_stored(rated.shape[1], NUM_STORED, baseline, side)


def _similarity(
    rated: sparse.csr_array, residual: sparse.csr_array, block: slice, shrink: float
) -> sparse.csr_array:
    """Returns the rows `block` of the similarity matrix, [rows, E] float32."""
    own, own_rated = residual[:, block].T.tocsr(), rated[:, block].T.tocsr()
    product = own @ residual
    row = np.repeat(np.arange(block.start, block.stop), np.diff(product.indptr))
    product = masked(product, (product.data > 0) & (product.indices != row))
    common = own_rated @ rated
    own_energy = own.power(2) @ rated
    other_energy = own_rated @ residual.power(2)
    scale = own_energy.multiply(other_energy).tocsr()
    scale = masked(scale, scale.data > 0)
    scale.data = 1.0 / np.sqrt(scale.data)
    common.data = (common.data - 1.0) / (common.data - 1.0 + shrink)
    similarity = product.multiply(scale).multiply(common).tocsr()
    return keep_largest(masked(similarity, similarity.data > 0), NUM_STORED)
