"""Item neighbours for ratings: what the user gave similar items, beyond the biases.

score(u, i) = b_ui + sum_j s_ij (r_uj - b_uj) / sum_j s_ij, over the items j most similar to i
among those that u rated.

Dimension letters: U users and N items, each with index 0, the unknown one; B users or pairs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsearch.baselines.bias import Bias, fit_bias
from recsearch.baselines.matrices import (
    check_cooccurrences,
    interaction_matrix,
    item_blocks,
    keep_largest,
    masked,
    mean_matrix,
    row_blocks,
)
from recsearch.data.interactions import Encoded

NUM_NEIGHBOURS = 40
NUM_STORED = 500
"""Similar items kept for each item; the neighbours of a pair are chosen among them."""

SHRINK = 100.0
PAIR_BLOCK = 4096


@dataclass(frozen=True)
class ResidualKnn:
    """A bias model and, for each item, the items that are rated alike.

    Attributes:
        bias: The bias model that the neighbours correct.
        rated: [U, N] float32: 1 where the user rated the item.
        residual: [U, N] float32: label minus bias score, stored where `rated` is.
        similarity: [N, N] float32: row i holds the positive similarities of item i.
        num_neighbours: How many rated items a score rests on, at most.
    """

    bias: Bias
    rated: sparse.csr_array
    residual: sparse.csr_array
    similarity: sparse.csr_array
    num_neighbours: int = NUM_NEIGHBOURS

    def score_pairs(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns one score a pair, [B], in the unit of the label.

        A pair without a rated neighbour gets its bias score.
        """
        scores = self.bias.unclipped(user, item)
        for block in row_blocks(len(user), PAIR_BLOCK):
            scores[block] += self._correction(user[block], item[block])
        return self.bias.clip(scores)

    def score_catalogue(self, user: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns [B, N]: each user's score of every item, in the unit of the label."""
        num_items = self.similarity.shape[0]
        items = np.arange(num_items, dtype=np.int32)
        scores = np.empty((len(user), num_items), dtype=np.float32)
        for row, one_user in enumerate(user):
            scores[row] = self.score_pairs(np.full(num_items, one_user, dtype=np.int32), items)
        return scores

    def _correction(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float64]:
        """Returns [B] float64: the neighbours' mean residual, 0 where there is no neighbour."""
        weight = self.similarity[item].multiply(self.rated[user]).tocsr()
        weight = keep_largest(weight, self.num_neighbours)
        total = np.asarray(weight.multiply(self.residual[user]).sum(axis=1), dtype=np.float64)
        norm = np.asarray(weight.sum(axis=1), dtype=np.float64)
        return np.divide(total, norm, out=np.zeros_like(total), where=norm > 0)


def fit_residual_knn(train: Encoded, num_users: int, num_items: int) -> ResidualKnn:
    """Returns the bias model with its item neighbours.

    The similarity of two items is the correlation of their residuals over the users who rated
    both, times (n - 1) / (n - 1 + 100) for n such users; only positive ones count. A pair that
    was rated repeatedly counts once, with its mean.

    Raises:
        TooLargeError: If the similarities would take minutes.

    Source:
        Koren 2010, "Factor in the Neighbors", section 2.2; Surprise's `KNNBaseline` with
        `pearson_baseline`, item-based, 40 neighbours. Variant: the 40 are chosen among the 500
        most similar items.
    """
    rated = interaction_matrix(train, num_users, num_items)
    check_cooccurrences(rated, "item_knn")
    bias = fit_bias(train, num_users, num_items)
    values = train.label.astype(np.float64) - bias.unclipped(train.user, train.item)
    residual = mean_matrix(train, values, num_users, num_items)
    rows = [_similarity(rated, residual, block) for block in item_blocks(rated)]
    similarity = sparse.vstack(rows, format="csr")
    return ResidualKnn(bias, rated, residual, similarity)


def _similarity(
    rated: sparse.csr_array, residual: sparse.csr_array, block: slice
) -> sparse.csr_array:
    """Returns the rows `block` of the similarity matrix, [rows, N] float32."""
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
    common.data = (common.data - 1.0) / (common.data - 1.0 + SHRINK)
    similarity = product.multiply(scale).multiply(common).tocsr()
    return keep_largest(masked(similarity, similarity.data > 0), NUM_STORED)
