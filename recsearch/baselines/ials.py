"""iALS: matrix factorisation of implicit feedback by alternating least squares.

With S the observed pairs (u, i), it minimises

    sum over S of (p_u . q_i - 1)^2  +  w sum over all u, i of (p_u . q_i)^2
    + l2 (sum_u (n_u + w N) |p_u|^2  +  sum_i (n_i + w U) |q_i|^2),

with n_u the number of items of u, n_i the number of users of i, and w the weight of an unobserved
pair. For fixed item vectors, each user's vector solves the normal equations

    (w Q'Q + Q_u'Q_u + l2 (n_u + w N) I) p_u = sum of Q_u,

where Q_u has the vectors of the user's items. The same holds with the roles exchanged.

Dimension letters: U users and N items, each with index 0, the unknown one (not in the sums above);
R rows of one side, C of the other; D factors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import lapack
from threadpoolctl import threadpool_limits

from recsearch.baselines.factors import Factors
from recsearch.baselines.matrices import (
    TooLargeError,
    by_recency,
    check_memory,
    interaction_matrix,
)
from recsearch.baselines.parameters import FitFunction, Parameters
from recsearch.data.preparation import PreparedData

GRID: tuple[Parameters, ...] = tuple(
    {"factors": factors, "l2": l2, "unobserved_weight": weight, "sweeps": sweeps}
    for factors, l2, weight, sweeps in (
        (64, 0.005, 0.1, 12),
        (64, 0.005, 0.3, 12),
        (64, 0.02, 0.02, 12),
        (64, 0.02, 0.1, 12),
        (192, 0.007, 0.3, 12),  # Rendle et al. for MovieLens-1M
        (192, 0.02, 0.007, 16),  # and for Pinterest
        (64, 0.005, 0.02, 12),
        (64, 0.002, 0.3, 12),
        (192, 0.005, 0.1, 12),
    )
)
"""The configurations that are tried, the default first."""

INITIAL_DEVIATION = 0.1
"""Approximate length of an initial vector: the deviation of a component is this over sqrt D."""

MAX_OPERATIONS = 2e13
"""Limit of floating-point operations: about ten minutes on one core."""

SEED = 0


@dataclass(frozen=True)
class IalsSettings:
    """One configuration.

    Attributes:
        factors: D.
        l2: Weight of the squared vectors; multiplied per row, see the equation of the module.
        unobserved_weight: w; an observed pair has weight 1. Positive.
        sweeps: How often all users and then all items are solved.
    """

    factors: int
    l2: float
    unobserved_weight: float
    sweeps: int


def prepare_ials(data: PreparedData, configurations: Sequence[Parameters]) -> FitFunction:
    """Returns the function that fits iALS.

    Its parameters are `factors`, `l2`, `unobserved_weight` and `sweeps`. With a `half_life`, users
    are solved once more at the end, with their items weighted by recency.
    """
    interactions = interaction_matrix(data.train, data.spec.num_users, data.spec.num_items)
    users_of = interactions.T.tocsr()
    factors = lru_cache(maxsize=1)(lambda settings: fit_ials(interactions, users_of, settings))

    def fit(parameters: Parameters) -> Factors:
        settings = IalsSettings(
            factors=int(parameters["factors"]),
            l2=float(parameters["l2"]),
            unobserved_weight=float(parameters["unobserved_weight"]),
            sweeps=int(parameters["sweeps"]),
        )
        fitted = factors(settings)
        if "half_life" not in parameters:
            return fitted
        history = by_recency(interactions, data.seen, parameters)
        return Factors(solve_rows(history, fitted.item, settings), fitted.item)

    return fit


def fit_ials(
    interactions: sparse.csr_array, users_of: sparse.csr_array, settings: IalsSettings
) -> Factors:
    """Returns the vectors after `sweeps` sweeps from a seeded start.

    Args:
        interactions: [U, N], from `interaction_matrix`: labels do not count.
        users_of: The transposed matrix, [N, U] by rows.
        settings: The configuration.

    Raises:
        TooLargeError: If it would take more than `MAX_OPERATIONS`, or too much memory.

    Source:
        Hu, Koren and Volinsky 2008, "Collaborative Filtering for Implicit Feedback Datasets", with
        the regularisation of Rendle, Krichene, Zhang and Koren 2021, "Revisiting the Performance
        of iALS on Item Recommendation Benchmarks" (arXiv 2110.14037), exponent 1, and the start of
        its code. `implicit` 0.7 has one regularisation for all rows, so it could not be used.
    """
    _check_size(interactions, settings)
    rng = np.random.default_rng(SEED)
    deviation = INITIAL_DEVIATION / np.sqrt(settings.factors)
    shape = (interactions.shape[1], settings.factors)
    item = rng.normal(0.0, deviation, shape).astype(np.float32)
    item[0] = 0.0
    user = np.zeros((interactions.shape[0], settings.factors), dtype=np.float32)
    for _ in range(settings.sweeps):
        user = solve_rows(interactions, item, settings)
        item = solve_rows(users_of, user, settings)
    return Factors(user, item)


def solve_rows(
    matrix: sparse.csr_array, other: NDArray[np.float32], settings: IalsSettings
) -> NDArray[np.float32]:
    """Returns the best vectors of the rows for fixed vectors of the columns, [R, D] float32.

    Args:
        matrix: [R, C]: a stored entry is an observed pair; its value is the weight of its error,
            also as part of n_u. Row 0 and column 0 are the unknown ids.
        other: [C, D] vectors of the columns; row 0 is 0.
        settings: The configuration.

    Returns:
        [R, D]; 0 for a row without entries, which is the best vector for it.
    """
    weight, (num_columns, factors) = settings.unobserved_weight, other.shape
    gram = np.float32(weight) * (other.T @ other)
    ridge = settings.l2 * (matrix.sum(axis=1) + weight * (num_columns - 1))
    diagonal = np.arange(factors)
    solved = np.zeros((matrix.shape[0], factors), dtype=np.float32)
    # Row by row: a product of a matrix with its own transpose takes half the operations. Stacking
    # rows of different lengths took longer than the loop (measured with 64 and 192 factors).
    with threadpool_limits(1):  # the equations of one row are too small for several threads
        for row in np.flatnonzero(np.diff(matrix.indptr)):
            entries = slice(matrix.indptr[row], matrix.indptr[row + 1])
            met, counts = other[matrix.indices[entries]], matrix.data[entries]
            scaled = met * np.sqrt(counts)[:, np.newaxis]
            equations = scaled.T @ scaled
            equations += gram
            equations[diagonal, diagonal] += ridge[row]
            _, solution, failed = lapack.sposv(equations, counts @ met, lower=1, overwrite_a=1)
            if failed != 0:
                raise ValueError(
                    f"The equations of ials at l2 {settings.l2} are singular. Choose a larger l2."
                )
            solved[row] = solution
    return solved


def _check_size(interactions: sparse.csr_array, settings: IalsSettings) -> None:
    """Raises TooLargeError if it would take too long, or too much memory."""
    num_users, num_items = interactions.shape
    factors = settings.factors
    sizes = f"{factors} factors of {num_users:,} users and {num_items:,} items"
    check_memory(8.0 * factors * (num_users + num_items), "ials", sizes)
    each = 2.0 * interactions.nnz * factors**2 + (num_users + num_items) * factors**3 / 3
    if settings.sweeps * each > MAX_OPERATIONS:
        raise TooLargeError(
            f"ials may take at most {MAX_OPERATIONS:.0e} operations. {settings.sweeps} sweeps of"
            f" {sizes}, {interactions.nnz:,} pairs, would take {settings.sweeps * each:.0e}."
            " Sample the interactions, or leave out this baseline."
        )
