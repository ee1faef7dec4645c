"""Item and user neighbours for implicit feedback.

Of items: score(u, i) = sum of s_ij over the items j that u met and that are neighbours of i.
Of users: score(u, i) = sum of s_uv over the users v who met i and who are neighbours of u.

Dimension letters: U users and N items, each with index 0, the unknown one; B users or pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsearch.baselines.matrices import (
    by_recency,
    check_cooccurrences,
    check_stored,
    interaction_matrix,
    paired_sums,
)
from recsearch.baselines.neighbours import CosineNeighbours
from recsearch.baselines.parameters import FitFunction, Parameters
from recsearch.data.preparation import PreparedData


@dataclass(frozen=True)
class ItemKnn:
    """The users' items, and the neighbours of each item.

    Attributes:
        interactions: [U, N] float32: 1, or a weight, where the user met the item.
        similarity: [N, N] float32: row i holds the neighbours of item i, never i itself.
    """

    interactions: sparse.csr_array
    similarity: sparse.csr_array

    def score_pairs(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns one similarity sum a pair, [B]; 0 where user or item is unknown."""
        return paired_sums(self.similarity, self.interactions, item, user)

    def score_catalogue(self, user: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns [B, N]: each user's similarity sum with every item."""
        scores: NDArray[np.float32] = (self.interactions[user] @ self.similarity.T).toarray()
        return scores


@dataclass(frozen=True)
class UserKnn:
    """The items' users, and the neighbours of each user.

    Attributes:
        met_by: [N, U] float32: 1 where the item was met by the user.
        similarity: [U, U] float32: row u holds the neighbours of user u, never u itself.
    """

    met_by: sparse.csr_array
    similarity: sparse.csr_array

    def score_pairs(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns one similarity sum a pair, [B]; 0 where user or item is unknown."""
        return paired_sums(self.similarity, self.met_by, user, item)

    def score_catalogue(self, user: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns [B, N]: each user's similarity sum with the users of every item."""
        scores: NDArray[np.float32] = (self.similarity[user] @ self.met_by.T).toarray()
        return scores


def prepare_item_knn(data: PreparedData, configurations: Sequence[Parameters]) -> FitFunction:
    """Returns what fits item neighbours at `num_neighbours`, `shrink` and `weighting`.

    With a `half_life` the user's items count by their recency in the sums, not for similarities.

    Args:
        data: Its training part is read; a repeated pair counts once, labels do not count.
        configurations: All that will be fitted, half-lives aside.

    Raises:
        TooLargeError: If the similarities would take minutes, or gigabytes.

    Source:
        Deshpande and Karypis 2004, "Item-based top-N recommendation algorithms". Variant of
        Ferrari Dacrema et al. 2021 (TOIS): neighbours are kept for the item that is scored, not
        for those the user met; similarities are not normalised again; shrink as there.
    """
    interactions = interaction_matrix(data.train, data.spec.num_users, data.spec.num_items)
    check_cooccurrences(interactions, "item_knn", "items of one user")
    check_stored(data.spec.num_items, _most(configurations), "item_knn", "items")
    neighbours = CosineNeighbours(interactions.T.tocsr(), configurations)
    return lambda parameters: ItemKnn(
        by_recency(interactions, data.seen, parameters), neighbours.at(parameters)
    )


def prepare_user_knn(data: PreparedData, configurations: Sequence[Parameters]) -> FitFunction:
    """Returns what fits user neighbours at `num_neighbours`, `shrink` and `weighting`.

    Args and errors are those of `prepare_item_knn`.

    Source:
        Sarwar et al. 2000, "Analysis of recommendation algorithms for e-commerce", with the
        cosine, shrink and weighting of Ferrari Dacrema et al. 2021 (TOIS).
    """
    interactions = interaction_matrix(data.train, data.spec.num_users, data.spec.num_items)
    met_by = interactions.T.tocsr()
    check_cooccurrences(met_by, "user_knn", "users of one item")
    check_stored(data.spec.num_users, _most(configurations), "user_knn", "users")
    neighbours = CosineNeighbours(interactions, configurations)
    return lambda parameters: UserKnn(met_by, neighbours.at(parameters))


def _most(configurations: Sequence[Parameters]) -> int:
    return max(int(one["num_neighbours"]) for one in configurations)
