"""Item and user neighbours for implicit feedback.

Items: score(u, i) = sum of s_ij over the items j of u that are neighbours of i.
Users: score(u, i) = sum of s_uv over the users v of i that are neighbours of u.

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
        interactions: [U, N] float32: 1, or a weight, where the user has the item.
        similarity: [N, N] float32: row i has the neighbours of item i, without i itself.
    """

    interactions: sparse.csr_array
    similarity: sparse.csr_array

    def score_pairs(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns one similarity sum per pair, [B]; 0 if user or item is unknown."""
        return paired_sums(self.similarity, self.interactions, item, user)

    def score_catalogue(self, user: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns [B, N]: each user's similarity sum with every item."""
        scores: NDArray[np.float32] = (self.interactions[user] @ self.similarity.T).toarray()
        return scores


@dataclass(frozen=True)
class UserKnn:
    """The items' users, and the neighbours of each user.

    Attributes:
        users_of: [N, U] float32: 1 where the item has the user.
        similarity: [U, U] float32: row u has the neighbours of user u, without u itself.
    """

    users_of: sparse.csr_array
    similarity: sparse.csr_array

    def score_pairs(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns one similarity sum per pair, [B]; 0 if user or item is unknown."""
        return paired_sums(self.similarity, self.users_of, user, item)

    def score_catalogue(self, user: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns [B, N]: each user's similarity sum with the users of every item."""
        scores: NDArray[np.float32] = (self.similarity[user] @ self.users_of.T).toarray()
        return scores


def prepare_item_knn(data: PreparedData, configurations: Sequence[Parameters]) -> FitFunction:
    """Returns the function that fits item neighbours.

    Its parameters are `num_neighbours`, `shrink` and `weighting`. With a `half_life`, the user's
    items are weighted by recency in the sums, but not in the similarities.

    Args:
        data: The training part is used; a repeated pair counts once, labels do not count.
        configurations: All configurations that will be fitted, except for half-lives.

    Raises:
        TooLargeError: If the similarities would take minutes or gigabytes.

    Source:
        Deshpande and Karypis 2004, "Item-based top-N recommendation algorithms". Variant of
        Ferrari Dacrema et al. 2021 (TOIS): neighbours are kept for the item that is scored, not
        for the user's items; similarities are not normalised again; same shrink.
    """
    interactions = interaction_matrix(data.train, data.spec.num_users, data.spec.num_items)
    check_cooccurrences(interactions, "item_knn", "items of one user")
    check_stored(data.spec.num_items, _most(configurations), "item_knn", "items")
    neighbours = CosineNeighbours(interactions.T.tocsr(), configurations)
    return lambda parameters: ItemKnn(
        by_recency(interactions, data.seen, parameters), neighbours.at(parameters)
    )


def prepare_user_knn(data: PreparedData, configurations: Sequence[Parameters]) -> FitFunction:
    """Returns the function that fits user neighbours.

    Parameters, arguments and errors are those of `prepare_item_knn`, without `half_life`.

    Source:
        Sarwar et al. 2000, "Analysis of recommendation algorithms for e-commerce", with the
        cosine, shrink and weighting of Ferrari Dacrema et al. 2021 (TOIS).
    """
    interactions = interaction_matrix(data.train, data.spec.num_users, data.spec.num_items)
    users_of = interactions.T.tocsr()
    check_cooccurrences(users_of, "user_knn", "users of one item")
    check_stored(data.spec.num_users, _most(configurations), "user_knn", "users")
    neighbours = CosineNeighbours(interactions, configurations)
    return lambda parameters: UserKnn(users_of, neighbours.at(parameters))


def _most(configurations: Sequence[Parameters]) -> int:
    return max(int(one["num_neighbours"]) for one in configurations)
