"""Scores that are inner products of a user vector and an item vector.

Dimension letters: U users and N items, each with index 0, the unknown one; B users or pairs;
D factors.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsearch.baselines.matrices import PAIR_BLOCK, row_blocks


@dataclass(frozen=True)
class Factors:
    """score(u, i) = p_u . q_i.

    Attributes:
        user: [U, D] float32; row 0 is 0.
        item: [N, D] float32; row 0 is 0.
    """

    user: NDArray[np.float32]
    item: NDArray[np.float32]

    def score_pairs(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns one score per pair, [B]; 0 if user or item is unknown."""
        scores = np.empty(len(user), dtype=np.float32)
        for block in row_blocks(len(user), PAIR_BLOCK):
            scores[block] = np.einsum("bd,bd->b", self.user[user[block]], self.item[item[block]])
        return scores

    def score_catalogue(self, user: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns [B, N]: each user's score of every item; column 0 is 0."""
        scores: NDArray[np.float32] = self.user[user] @ self.item.T
        return scores
