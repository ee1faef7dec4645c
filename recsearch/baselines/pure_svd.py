"""PureSVD: the matrix of interactions, zeros included, at a low rank.

X is approximated by U_d S_d V_d', its d largest singular triples. Since X V_d = U_d S_d, the scores
are a linear function of a user's items: X V_d V_d'.

Dimension letters: U users and N items, each with index 0, the unknown one; D factors.
"""

from collections.abc import Sequence

import numpy as np

from recsearch.baselines.factors import Factors
from recsearch.baselines.matrices import by_recency, check_memory, interaction_matrix
from recsearch.baselines.parameters import FitFunction, Parameters
from recsearch.data.preparation import PreparedData

GRID: tuple[Parameters, ...] = tuple(
    {"factors": factors} for factors in (50, 30, 75, 20, 100, 150, 10, 200, 5)
)
"""The configurations that are tried, the default first."""

OVERSAMPLING = 30
NUM_POWER_ITERATIONS = 15  # with fewer, the last triples are clearly inexact
SEED = 0


def prepare_pure_svd(data: PreparedData, configurations: Sequence[Parameters]) -> FitFunction:
    """Returns the function that fits PureSVD at a number of `factors`.

    One decomposition of the largest rank is computed here; smaller ones are its first factors. The
    number of factors is limited by the number of users and items. With a `half_life`, the user's
    items are weighted by recency in the scores, but not in the decomposition.

    Args:
        data: The training part is used; a repeated pair counts once, labels do not count.
        configurations: All configurations that will be fitted, except for half-lives.

    Raises:
        TooLargeError: If the decomposition would take too much memory.

    Source:
        Cremonesi, Koren and Turrin 2010, "Performance of Recommender Algorithms on Top-N
        Recommendation Tasks", section 3.3. The decomposition is scikit-learn's `randomized_svd`
        (Halko, Martinsson and Tropp 2009), with fifteen power iterations.
    """
    spec = data.spec
    rank = min(max(int(one["factors"]) for one in configurations), spec.num_users, spec.num_items)
    # The sketch, its orthogonal basis and their work copies, in single precision.
    num_bytes = 16.0 * (spec.num_users + spec.num_items) * (rank + OVERSAMPLING)
    sizes = f"{rank} factors of {spec.num_users:,} users and {spec.num_items:,} items"
    check_memory(num_bytes, "pure_svd", sizes)
    interactions = interaction_matrix(data.train, spec.num_users, spec.num_items)

    from sklearn.utils.extmath import randomized_svd  # half a second to import

    _, _, right = randomized_svd(
        interactions,
        rank,
        n_oversamples=OVERSAMPLING,
        n_iter=NUM_POWER_ITERATIONS,
        random_state=SEED,
    )
    item = np.ascontiguousarray(right.T, dtype=np.float32)

    def fit(parameters: Parameters) -> Factors:
        kept = item[:, : int(parameters["factors"])]
        history = by_recency(interactions, data.seen, parameters)
        return Factors(np.asarray(history @ kept, dtype=np.float32), kept)

    return fit
