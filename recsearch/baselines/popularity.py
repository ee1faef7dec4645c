"""The same score for all users: the popularity or the click rate of an item.

Dimension letters: N items with index 0, the unknown one; n interactions, B users or pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsearch.baselines.parameters import FitFunction, Parameters
from recsearch.data.interactions import Encoded
from recsearch.data.preparation import PreparedData
from recsearch.data.task import Task

GRID: tuple[Parameters, ...] = ({},)
"""There are no parameters."""

CLICK_SMOOTHING = 10.0
"""The number of additional views, at the overall click rate, of each item."""


@dataclass(frozen=True)
class Popularity:
    """One score per item.

    Attributes:
        item_score: [N] float32: a count, or a click rate in [0, 1].
    """

    item_score: NDArray[np.float32]

    def score_pairs(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns the score of each pair's item, [B]; the user does not count."""
        return self.item_score[item]

    def score_catalogue(self, user: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns [B, N]: the same scores in every row."""
        return np.tile(self.item_score, (len(user), 1))


def prepare_popularity(data: PreparedData, configurations: Sequence[Parameters]) -> FitFunction:
    """Returns the function that fits popularity, which has no parameters."""
    return lambda _: fit_popularity(data.train, data.spec.num_items, data.spec.task)


def fit_popularity(train: Encoded, num_items: int, task: Task) -> Popularity:
    """Returns the popularity of each item in training.

    For clicks it is the smoothed click rate, (clicks + 10 p) / (views + 10), where p is the click
    rate over all interactions; an unknown item gets p. For other tasks it is the number of the
    item's interactions, and 0 for an unknown item.

    Args:
        train: For clicks at least one interaction, labelled 0 or 1.
        num_items: N, the unknown item included.
        task: The meaning of the labels.

    Source:
        Counts: "TopPop" of Cremonesi, Koren and Turrin 2010. Click rate: the mean of the beta
        distribution that 10 views at the overall rate as prior lead to.
    """
    views = np.bincount(train.item, minlength=num_items)
    if task is not Task.CLICK:
        views[0] = 0
        return Popularity(views.astype(np.float32))
    clicks = np.bincount(train.item, weights=train.label, minlength=num_items)
    overall = float(np.mean(train.label, dtype=np.float64))
    views[0], clicks[0] = 0, 0.0
    rate = (clicks + CLICK_SMOOTHING * overall) / (views + CLICK_SMOOTHING)
    return Popularity(rate.astype(np.float32))
