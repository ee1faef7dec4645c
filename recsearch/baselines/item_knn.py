"""Item neighbours for implicit feedback: how similar an item is to those the user met.

score(u, i) = sum of s_ij over the items j that u met and that are neighbours of i.

Dimension letters: U users and N items, each with index 0, the unknown one; B users or pairs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsearch.baselines.matrices import (
    check_cooccurrences,
    interaction_matrix,
    item_blocks,
    keep_largest,
    masked,
    row_blocks,
)
from recsearch.data.interactions import Encoded

NUM_NEIGHBOURS = 100
PAIR_BLOCK = 4096


@dataclass(frozen=True)
class ItemKnn:
    """The users' items, and the neighbours of each item.

    Attributes:
        interactions: [U, N] float32: 1 where the user met the item.
        similarity: [N, N] float32: row i holds the neighbours of item i, never i itself.
    """

    interactions: sparse.csr_array
    similarity: sparse.csr_array

    def score_pairs(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns one similarity sum a pair, [B]; 0 where user or item is unknown."""
        scores = np.empty(len(user), dtype=np.float32)
        for block in row_blocks(len(user), PAIR_BLOCK):
            met = self.similarity[item[block]].multiply(self.interactions[user[block]])
            scores[block] = met.sum(axis=1)
        return scores

    def score_catalogue(self, user: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns [B, N]: each user's similarity sum with every item."""
        scores: NDArray[np.float32] = (self.interactions[user] @ self.similarity.T).toarray()
        return scores


def fit_item_knn(
    train: Encoded,
    num_users: int,
    num_items: int,
    num_neighbours: int = NUM_NEIGHBOURS,
    shrink: float = 0.0,
) -> ItemKnn:
    """Returns the `num_neighbours` most similar items of each item.

    The similarity is the cosine n_ij / (sqrt(n_i n_j) + shrink), with n_ij users who met both.
    Of equally similar items the one of the lower index is the neighbour.

    Args:
        train: Interactions; a repeated pair counts once, labels do not count.
        num_users: U, the unknown user included.
        num_items: N, the unknown item included.
        num_neighbours: Neighbours kept of each item that is to be scored.
        shrink: Added to the denominator; larger values distrust rare items.

    Raises:
        TooLargeError: If the similarities would take minutes.

    Source:
        Deshpande and Karypis 2004, "Item-based top-N recommendation algorithms". Variant of
        Ferrari Dacrema et al. 2021 (TOIS): neighbours are kept for the item that is scored, not
        for those the user met; similarities are not normalised again; shrink as there.
    """
    interactions = interaction_matrix(train, num_users, num_items)
    check_cooccurrences(interactions, "item_knn")
    norm = np.sqrt(interactions.sum(axis=0)).astype(np.float32)
    columns = interactions.T.tocsr()
    rows = []
    for block in item_blocks(interactions):
        common = columns[block] @ interactions
        row = np.repeat(np.arange(block.start, block.stop), np.diff(common.indptr))
        common.data /= norm[row] * norm[common.indices] + np.float32(shrink)
        rows.append(keep_largest(masked(common, common.indices != row), num_neighbours))
    return ItemKnn(interactions, sparse.vstack(rows, format="csr"))
