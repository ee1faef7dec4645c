"""Results of a scorer per held-out row, from which all metrics are computed.

One measurement gives the metrics of all rows (`metrics`), of slices (`where`), and their
uncertainty (`estimator`, with the weights of a bootstrap).

Dimension letters: n labelled pairs, p ranked positives, U units (users or lists), D distinct
users, W weightings of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recsearch.metrics.names import metrics_of_kind
from recsearch.metrics.pairs import PAIR_FAMILIES, LabelledScores
from recsearch.metrics.rankings import RANKING_FAMILIES, Ranked
from recsearch.metrics.weighting import Weighted, WeightedMean


class Results(Protocol):
    """The common interface of labelled pairs and ranked positives."""

    @property
    def row_user(self) -> NDArray[np.int32]:
        """The user index of each row."""

    @property
    def row_item(self) -> NDArray[np.int32]:
        """The item index of each row."""

    @property
    def users(self) -> NDArray[np.int32]:
        """The distinct users [D], ascending; weights are in this order."""

    def __len__(self) -> int: ...

    def where(self, mask: NDArray[np.bool_]) -> "Results":
        """Returns the rows where `mask` is True."""

    def estimator(self, name: str) -> Weighted:
        """Returns the named metric as a function of weights [W, D]."""

    def metrics(
        self, names: Sequence[str], weight: NDArray[np.floating] | None = None
    ) -> dict[str, float]:
        """Returns the named metrics, with one weight for each of `users`."""


@dataclass(frozen=True)
class PairResults:
    """Held-out labelled pairs and their scores.

    Rows with user index 0 (unknown users that cannot be distinguished) count as one user.

    Attributes:
        user: [n] int32 user indices.
        item: [n] int32 item indices.
        label: [n] float32; 0 or 1 for clicks.
        score: [n] float32, in the unit of the label.

    Raises:
        ValueError: If the arrays differ in shape.
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    label: NDArray[np.float32]
    score: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.label.shape != self.score.shape:
            raise ValueError(
                "Labels and scores must have the same shape. Received "
                f"{self.label.shape} and {self.score.shape}."
            )
        _check_same_length(user=self.user, item=self.item, label=self.label)

    def __len__(self) -> int:
        return len(self.label)

    @property
    def row_user(self) -> NDArray[np.int32]:
        """The user index of each pair, [n]."""
        return self.user

    @property
    def row_item(self) -> NDArray[np.int32]:
        """The item index of each pair, [n]."""
        return self.item

    @cached_property
    def users(self) -> NDArray[np.int32]:
        """The distinct users, [D], ascending."""
        return np.unique(self.user)

    def where(self, mask: NDArray[np.bool_]) -> "PairResults":
        """Returns the pairs where `mask` [n] is True."""
        return PairResults(self.user[mask], self.item[mask], self.label[mask], self.score[mask])

    def estimator(self, name: str) -> Weighted:
        """Returns a metric as a function of the users' weights: [W, D] -> [W].

        A pair has the weight of its user. Without pairs, or with a score that is not finite, every
        value is nan.

        Raises:
            UsageError: If the name is not a metric of pairs.
            ValueError: If a label of a metric of clicks is not 0 or 1.
        """
        (metric,) = metrics_of_kind([name], "pairs")
        if not len(self) or not np.isfinite(self.score).all():
            return _always_nan
        return PAIR_FAMILIES[metric.family].function(self._pairs)

    @cached_property
    def _pairs(self) -> LabelledScores:
        owner = np.searchsorted(self.users, self.user)
        exact_label, exact_score = self.label.astype(np.float64), self.score.astype(np.float64)
        return LabelledScores(owner, len(self.users), exact_label, exact_score)

    def metrics(
        self, names: Sequence[str], weight: NDArray[np.floating] | None = None
    ) -> dict[str, float]:
        """Returns the named metrics of pairs.

        Args:
            names: Such as "rmse".
            weight: [D] one number for each of `users`, not negative; None gives all equal weight.

        Raises:
            UsageError: If a name is not a metric of pairs.
            ValueError: If a label of a metric of clicks is not 0 or 1, or a weight is wrong.
        """
        return _metrics(self, names, weight)


@dataclass(frozen=True)
class RankingResults:
    """All held-out items and their ranks, including items that were not found.

    A unit is a user whose held-out items were ranked together in the catalogue, or one list of
    candidates. Metrics are means over units. Users are weighted and resampled, so all lists of a
    user have one weight.

    Attributes:
        user: [U] int32, the user index of each unit.
        owner: [p] the unit of each positive, from 0 to U - 1; each unit owns at least one.
        item: [p] int32 item indices.
        rank: [p] int32 from 1; `max_rank + 1` means beyond `max_rank` or not found.
        max_rank: The largest known rank; no cutoff may be larger.

    Raises:
        ValueError: If arrays of positives differ in length, or a unit has no positive.
    """

    user: NDArray[np.int32]
    owner: NDArray[np.integer]
    item: NDArray[np.int32]
    rank: NDArray[np.int32]
    max_rank: int

    def __post_init__(self) -> None:
        _check_same_length(owner=self.owner, item=self.item, rank=self.rank)
        if len(self.num_relevant) != len(self.user) or np.any(self.num_relevant < 1):
            raise ValueError(
                "Each user or list must have at least one ranked item, and each item one user "
                "or list. "
                f"Received {len(self.user)} users or lists with {self.num_relevant.tolist()[:9]} "
                "items. Leave out users and lists without one."
            )

    def __len__(self) -> int:
        return len(self.rank)

    @cached_property
    def num_relevant(self) -> NDArray[np.int64]:
        """The number of held-out items of each unit, [U]."""
        return np.bincount(self.owner, minlength=len(self.user))

    @property
    def row_user(self) -> NDArray[np.int32]:
        """The user index of each positive, [p]."""
        user: NDArray[np.int32] = self.user[self.owner]
        return user

    @property
    def row_item(self) -> NDArray[np.int32]:
        """The item index of each positive, [p]."""
        return self.item

    @cached_property
    def users(self) -> NDArray[np.int32]:
        """The distinct users, [D], ascending."""
        return np.unique(self.user)

    def where(self, mask: NDArray[np.bool_]) -> "RankingResults":
        """Returns the positives where `mask` [p] is True, and the units that still have one.

        Ranks are not changed: they are still ranks among all candidates.
        """
        units, owner = np.unique(self.owner[mask], return_inverse=True)
        return RankingResults(
            self.user[units], owner, self.item[mask], self.rank[mask], self.max_rank
        )

    def estimator(self, name: str) -> Weighted:
        """Returns a metric as a function of the users' weights: [W, D] -> [W]; nan without units.

        Raises:
            UsageError: If the name is not a ranking metric.
            ValueError: If its cutoff is larger than `max_rank`.
        """
        (metric,) = metrics_of_kind([name], "ranks")
        cutoff = metric.cutoff or 0
        if cutoff > self.max_rank:
            raise ValueError(
                f"{name} needs ranks to {cutoff}. Received ranks to {self.max_rank}. Measure with "
                f"a protocol that includes {name}."
            )
        values = RANKING_FAMILIES[metric.family].function(self._ranked, cutoff)
        return WeightedMean.of(values, self._user_of_unit, len(self.users))

    @cached_property
    def _ranked(self) -> Ranked:
        return Ranked(self.rank, self.owner, self.num_relevant)

    @cached_property
    def _user_of_unit(self) -> NDArray[np.int64]:
        """The position in `users` of the user of each unit, [U]."""
        return np.searchsorted(self.users, self.user)

    def metrics(
        self, names: Sequence[str], weight: NDArray[np.floating] | None = None
    ) -> dict[str, float]:
        """Returns the named ranking metrics, as means over units.

        Args:
            names: Such as "ndcg@10".
            weight: [D] one number for each of `users`, not negative; None gives all equal weight.

        Raises:
            UsageError: If a name is not a ranking metric.
            ValueError: If a cutoff is larger than `max_rank`, or a weight is invalid.
        """
        return _metrics(self, names, weight)


def _metrics(
    results: Results, names: Sequence[str], weight: NDArray[np.floating] | None
) -> dict[str, float]:
    num_users = len(results.users)
    exact = np.ones(num_users) if weight is None else np.asarray(weight, dtype=np.float64)
    if exact.shape != (num_users,) or np.any(exact < 0):
        raise ValueError(
            f"Expected one weight for each of the {num_users} users of the results, and no "
            "negative "
            f"weight. Received shape {exact.shape}, smallest weight {exact.min(initial=np.inf):g}."
        )
    return {name: float(results.estimator(name)(exact[None, :])[0]) for name in names}


def _always_nan(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.full(len(weights), np.nan)


def _check_same_length(**arrays: NDArray[np.generic]) -> None:
    lengths = {name: array.shape for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"Results must be arrays of one length. Received {lengths}.")
