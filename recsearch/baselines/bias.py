"""The bias model: score(u, i) = mu + b_u + b_i.

Dimension letters: U users and N items, each with index 0, the unknown one; n interactions,
B users or pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsearch.baselines.parameters import FitFunction, Parameters
from recsearch.data.interactions import Encoded
from recsearch.data.preparation import PreparedData

REG_ITEM = 10.0
REG_USER = 15.0
NUM_SWEEPS = 10

GRID: tuple[Parameters, ...] = (
    {"reg_user": REG_USER, "reg_item": REG_ITEM},
    {"reg_user": 5.0, "reg_item": 10.0},
    {"reg_user": 15.0, "reg_item": 3.0},
    {"reg_user": 5.0, "reg_item": 3.0},
    {"reg_user": 2.0, "reg_item": 1.0},
    {"reg_user": 5.0, "reg_item": 30.0},
    {"reg_user": 15.0, "reg_item": 30.0},
    {"reg_user": 50.0, "reg_item": 10.0},
    {"reg_user": 50.0, "reg_item": 30.0},
)
"""The configurations that are tried, the default first."""


@dataclass(frozen=True)
class Bias:
    """The mean label, and the deviation of each user and item from it.

    Attributes:
        mean: Mean training label, in the unit of the label.
        user_bias: [U] float64; 0 for the unknown user.
        item_bias: [N] float64; 0 for the unknown item.
        low: The smallest training label; scores are clipped to it.
        high: The largest training label; scores are clipped to it.
    """

    mean: float
    user_bias: NDArray[np.float64]
    item_bias: NDArray[np.float64]
    low: float
    high: float

    def unclipped(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float64]:
        """Returns mu + b_u + b_i, [B] float64, possibly outside the range of the labels."""
        scores: NDArray[np.float64] = self.mean + self.user_bias[user] + self.item_bias[item]
        return scores

    def clip(self, scores: NDArray[np.float64]) -> NDArray[np.float32]:
        """Returns the scores clipped to the range of the training labels, as float32."""
        return np.clip(scores, self.low, self.high).astype(np.float32)

    def score_pairs(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns one score per pair, [B], in the unit of the label."""
        return self.clip(self.unclipped(user, item))

    def score_catalogue(self, user: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns [B, N]: each user's score of every item, in the unit of the label."""
        return self.clip(self.mean + self.user_bias[user][:, None] + self.item_bias[None, :])


def prepare_bias(data: PreparedData, configurations: Sequence[Parameters]) -> FitFunction:
    """Returns the function that fits the bias model at `reg_user` and `reg_item`."""
    spec = data.spec

    def fit(parameters: Parameters) -> Bias:
        reg_user, reg_item = float(parameters["reg_user"]), float(parameters["reg_item"])
        return fit_bias(data.train, spec.num_users, spec.num_items, reg_user, reg_item)

    return fit


def fit_bias(
    train: Encoded,
    num_users: int,
    num_items: int,
    reg_user: float = REG_USER,
    reg_item: float = REG_ITEM,
) -> Bias:
    """Returns the bias model after ten sweeps of alternating least squares.

    Each sweep sets b_i = sum(r - mu - b_u) / (reg_item + n_i), then
    b_u = sum(r - mu - b_i) / (reg_user + n_u). An id that training does not know has bias 0.

    Args:
        train: At least one interaction, with a numeric label.
        num_users: U, the unknown user included.
        num_items: N, the unknown item included.
        reg_user: The number of additional labels with deviation 0 per user; positive.
        reg_item: The same for items.

    Source:
        Koren 2010, "Factor in the Neighbors", section 2.1, with the default regularisation, the
        order and the number of sweeps of Surprise's `BaselineOnly` (method `als`).
    """
    mean = float(np.mean(train.label, dtype=np.float64))
    centred = train.label.astype(np.float64) - mean
    user_bias, item_bias = np.zeros(num_users), np.zeros(num_items)
    for _ in range(NUM_SWEEPS):
        item_bias = _damped_mean(train.item, centred - user_bias[train.user], reg_item, num_items)
        user_bias = _damped_mean(train.user, centred - item_bias[train.item], reg_user, num_users)
    return Bias(
        mean=mean,
        user_bias=user_bias,
        item_bias=item_bias,
        low=float(train.label.min()),
        high=float(train.label.max()),
    )


def _damped_mean(
    index: NDArray[np.int32], values: NDArray[np.float64], reg: float, size: int
) -> NDArray[np.float64]:
    """Returns [size]: the sum of `values` at each index over (`reg` + their number); 0 at 0."""
    total = np.bincount(index, weights=values, minlength=size)
    count = np.bincount(index, minlength=size)
    damped: NDArray[np.float64] = total / (reg + count)
    damped[0] = 0.0
    return damped
