"""The baseline "content": scores items by TF-IDF similarity to the user's items.

score(u, i) = v_i . (mean of v_j over the items j of u), where v_i is the TF-IDF vector of the
values in i's columns, normalised to length 1.

Dimension letters: U users and N items, each with index 0, the unknown one; B users or pairs;
T terms.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsearch.baselines.matrices import by_recency, interaction_matrix, paired_sums
from recsearch.baselines.parameters import FitFunction, Parameters
from recsearch.data.interactions import ColumnKind
from recsearch.data.preparation import PreparedData
from recsearch.data.vocabulary import DataSpec
from recsearch.evaluation.scorer import known_or_zero

GRID: tuple[Parameters, ...] = ({"idf": True}, {"idf": False})
"""The configurations that are tried, the default first."""

MAX_VECTOR_CELLS = 2**26

TERM_KINDS = (ColumnKind.CATEGORICAL, ColumnKind.MULTI)


@dataclass(frozen=True)
class TfidfProfiles:
    """The users' items and the items' TF-IDF vectors.

    Attributes:
        share: [U, N] float32: the weight of each of the user's items; rows sum to 1.
        vector: [N + M, T] float32: rows of length 1, or 0 if nothing is known about the item; the
            last M are items that training does not know.
    """

    share: sparse.csr_array
    vector: sparse.csr_array

    reads_columns = True  # so it can score items without interactions

    def score_pairs(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns one mean cosine per pair, [B], in [0, 1]; 0 if user or item is unknown."""
        known = known_or_zero(user, self.share.shape[0])
        users, row = np.unique(known, return_inverse=True)
        profile = self.share[users] @ self._trained
        return paired_sums(profile, self.vector, row.astype(np.int32), item)

    def score_catalogue(self, user: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns [B, N]: the mean cosine of every item with each user's items."""
        profile = self.share[known_or_zero(user, self.share.shape[0])] @ self._trained
        scores: NDArray[np.float32] = (profile @ self._trained.T).toarray()
        return scores

    @property
    def _trained(self) -> sparse.csr_array:
        """The vectors of the training items, [N, T]."""
        return self.vector[: self.share.shape[1]]


def has_terms(spec: DataSpec) -> bool:
    """Returns whether the items have a categorical or multi-valued column."""
    return any(column.kind in TERM_KINDS for column in spec.item_columns)


def prepare_content(data: PreparedData, configurations: Sequence[Parameters]) -> FitFunction:
    """Returns the function that fits this baseline, with or without `idf`.

    With a `half_life`, the user's items are weighted by recency in the mean.

    Args:
        data: The training part and the categorical and multi-valued item columns are used. Each
            (column, value) is one term. Prepared data have no text columns, so titles do not count.
            Numeric columns do not count either: their values are not terms.
        configurations: All configurations that will be fitted, except for half-lives.

    Source:
        TF-IDF profiles: Pazzani and Billsus 2007, "Content-Based Recommendation Systems". TF-IDF
        is scikit-learn's `TfidfTransformer`, with smoothed idf and rows of length 1; idf is
        counted over the items of training.
    """
    interactions = interaction_matrix(data.train, data.spec.num_users, data.spec.num_items)
    terms = term_counts(data)

    def fit(parameters: Parameters) -> TfidfProfiles:
        from sklearn.feature_extraction.text import TfidfTransformer  # half a second to import
        from sklearn.preprocessing import normalize

        weighting = TfidfTransformer(use_idf=bool(parameters["idf"])).fit(
            terms[1 : data.spec.num_items]
        )
        share = normalize(by_recency(interactions, data.seen, parameters), norm="l1")
        return TfidfProfiles(share, sparse.csr_array(weighting.transform(terms)).astype(np.float32))

    return fit


def term_counts(data: PreparedData) -> sparse.csr_array:
    """Returns [N + M, T] float64: how often each item has each (column, value); row 0 is empty.

    The last M rows are items that training does not know.
    """
    spec = data.spec
    parts: list[sparse.csr_array] = []
    for column in spec.item_columns:
        if column.kind not in TERM_KINDS:
            continue
        values = np.asarray(data.features[column.name])
        values = values.reshape(len(values), -1)
        item, place = np.nonzero(values)  # 0 is padding, or a value that is unknown
        entries = (np.ones(len(item)), (item, values[item, place] - 1))
        parts.append(sparse.csr_array(entries, shape=(len(values), column.size - 1)))
    joined: sparse.csr_array = sparse.hstack(parts, format="csr")
    return joined


def item_vectors(data: PreparedData) -> NDArray[np.float32] | None:
    """Returns item vectors, [N, T] float32 counts of (column, value), or None.

    It is None if there is no such column, or the array would take more than 256 MiB.
    """
    if not has_terms(data.spec):
        return None
    terms = term_counts(data)[: data.spec.num_items]
    if terms.shape[0] * terms.shape[1] > MAX_VECTOR_CELLS:
        return None
    vectors: NDArray[np.float32] = terms.astype(np.float32).toarray()
    return vectors
