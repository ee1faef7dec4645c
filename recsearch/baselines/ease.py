"""EASE: the best linear map from a user's items to all items, in closed form.

B = I - P diag(1 / diag P) with P = (X'X + l2 I)^-1: it minimises |X - X B|^2 + l2 |B|^2 among the
matrices whose diagonal is 0. Scores are X B.

Dimension letters: U users and N items, each with index 0, the unknown one; M = N - 1 known items;
B users or pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import lapack

from recsearch.baselines.matrices import (
    PAIR_BLOCK,
    TooLargeError,
    by_recency,
    check_cooccurrences,
    column_blocks,
    interaction_matrix,
    row_blocks,
)
from recsearch.baselines.parameters import FitFunction, Parameters
from recsearch.data.interactions import Encoded
from recsearch.data.preparation import PreparedData

MAX_EASE_ITEMS = 8000
"""Limit of known items, at which the matrices take 2.3 GB and 16 s on one core (measured)."""

DEFAULT_L2 = 500.0
GRID: tuple[Parameters, ...] = tuple(
    {"l2": l2}
    for l2 in (DEFAULT_L2, 1000.0, 250.0, 2000.0, 100.0, 50.0, 4000.0, 20.0, 8000.0, 5.0, 1.0)
)
"""The configurations that are tried: the default first, then the likely before the unlikely."""


@dataclass(frozen=True)
class Ease:
    """The users' items, and the weight of each item for each other.

    Attributes:
        interactions: [U, M] float32: 1, or a weight, where the user has the item; column i is item
            i + 1.
        weight: [M, M] float32: entry (j, i) is added to the score of item i if the user has j.
    """

    interactions: sparse.csr_array
    weight: NDArray[np.float32]

    def score_pairs(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns one score per pair, [B]; 0 if user or item is unknown."""
        scores = np.zeros(len(user), dtype=np.float32)
        for block in row_blocks(len(user), PAIR_BLOCK):
            met = self.interactions[user[block]].tocoo()
            added = met.data * self.weight[met.col, item[block][met.row] - 1]
            scores[block] = np.bincount(met.row, weights=added, minlength=met.shape[0])
        scores[item == 0] = 0.0
        return scores

    def score_catalogue(self, user: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns [B, N]: each user's score of every item; column 0 is 0."""
        scores = np.zeros((len(user), len(self.weight) + 1), dtype=np.float32)
        scores[:, 1:] = self.interactions[user] @ self.weight
        return scores


@dataclass(frozen=True)
class Gram:
    """The matrices from the training data that EASE needs for every l2.

    Attributes:
        interactions: [U, N] float32, from `interaction_matrix`.
        product: [M, M] float64: the number of users of both items.
    """

    interactions: sparse.csr_array
    product: NDArray[np.float64]


def gram_matrix(train: Encoded, num_users: int, num_items: int) -> Gram:
    """Returns the co-occurrence counts of the known items.

    Args:
        train: Interactions; a repeated pair counts once, labels do not count.
        num_users: U, the unknown user included.
        num_items: N, the unknown item included.

    Raises:
        TooLargeError: If there are more than `MAX_EASE_ITEMS` known items; no memory is allocated.
    """
    num_known = num_items - 1
    if num_known > MAX_EASE_ITEMS:
        raise TooLargeError(
            f"ease inverts a dense item-item matrix of at most {MAX_EASE_ITEMS:,} items. These data"
            f" have {num_known:,} items, so each of three matrices would take"
            f" {8 * num_known**2 / 1e9:.1f} GB. Drop the rarest items, or leave out this baseline."
        )
    whole = interaction_matrix(train, num_users, num_items)
    interactions = whole[:, 1:]
    check_cooccurrences(interactions, "ease", "items of one user")
    columns = interactions.T.tocsr()
    product = np.empty((num_known, num_known))
    for block in column_blocks(interactions):
        product[block] = (columns[block] @ interactions).toarray()
    return Gram(whole, product)


def ease_from_gram(gram: Gram, l2: float) -> Ease:
    """Returns EASE at one l2.

    Args:
        gram: Result of `gram_matrix`; it is not changed.
        l2: Weight of the squared weights against the squared errors; positive.

    Raises:
        ValueError: If `l2` is not a positive number.

    Source:
        Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse Data" (arXiv 1905.03375),
        equation 8.
    """
    if not 0 < l2 < np.inf:
        raise ValueError(
            f"`l2` of ease must be a positive number. Received {l2}. Usual values lie between 1 and"
            " 10,000."
        )
    inverse = _inverse(gram.product, l2)
    weight = (inverse / -np.diag(inverse)).astype(np.float32)
    np.fill_diagonal(weight, 0.0)
    return Ease(gram.interactions[:, 1:], weight)


def prepare_ease(data: PreparedData, configurations: Sequence[Parameters]) -> FitFunction:
    """Returns the function that fits EASE at an `l2`; co-occurrences are counted once, here.

    With a `half_life`, the user's items are weighted by recency in the scores, but not in the fit.

    Raises:
        TooLargeError: See `gram_matrix`.
    """
    gram = gram_matrix(data.train, data.spec.num_users, data.spec.num_items)
    made: dict[float, Ease] = {}  # only the last, for its half-lives: each takes up to 256 MB

    def fit(parameters: Parameters) -> Ease:
        l2 = float(parameters["l2"])
        if l2 not in made:
            made.clear()
            made[l2] = ease_from_gram(gram, l2)
        history = by_recency(gram.interactions, data.seen, parameters)
        return replace(made[l2], interactions=history[:, 1:])

    return fit


def _inverse(product: NDArray[np.float64], l2: float) -> NDArray[np.float64]:
    """Returns (product + l2 I)^-1 for a symmetric positive semidefinite `product` [M, M]."""
    inverse = np.array(product, order="F")
    np.fill_diagonal(inverse, inverse.diagonal() + l2)
    # Cholesky and its inverse take half the time of a general inverse, and work in place.
    inverse, failed = lapack.dpotrf(inverse, lower=1, overwrite_a=1)
    if failed == 0:
        inverse, failed = lapack.dpotri(inverse, lower=1, overwrite_c=1)
    if failed != 0:
        raise ValueError(f"The matrix of ease at l2 {l2} is singular. Choose a larger l2.")
    symmetric: NDArray[np.float64] = np.tril(inverse) + np.tril(inverse, -1).T
    return symmetric
