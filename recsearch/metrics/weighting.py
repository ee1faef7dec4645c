"""Metrics as functions of the users' weights: equal weights for a mean, random for a bootstrap.

Dimension letters: D distinct users, W weightings of them, v values.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Weighted = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""A metric of given results: weights of the users [W, D], not negative -> values [W].

A value is nan if nothing that counts has a positive weight."""


@dataclass(frozen=True)
class WeightedMean:
    """The mean of values of users, each with the weight of its user.

    Attributes:
        total: [D] the sum of each user's values.
        count: [D] the number of values of each user.
    """

    total: NDArray[np.float64]
    count: NDArray[np.float64]

    @classmethod
    def of(
        cls, values: NDArray[np.float64], owner: NDArray[np.integer], num_users: int
    ) -> "WeightedMean":
        """Returns the mean of `values` [v]; value i belongs to user `owner[i]`."""
        total = np.bincount(owner, weights=values, minlength=num_users)
        count = np.bincount(owner, minlength=num_users)
        return cls(total.astype(np.float64), count.astype(np.float64))

    def __call__(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the mean for each weighting, [W]; nan if no value has a positive weight."""
        # Not a BLAS product: its last bits depend on the number of threads.
        total = np.einsum("wd,d->w", weights, self.total)
        count = np.einsum("wd,d->w", weights, self.count)
        mean: NDArray[np.float64] = np.full(len(weights), np.nan)
        np.divide(total, count, out=mean, where=count > 0)
        return mean
