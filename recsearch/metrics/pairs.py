"""Metrics of labelled pairs: errors of ratings, and the order and probabilities of clicks.

Each metric is a mean of values per pair or per user, except AUC, which has no such values and is
computed again for each weighting. Every function takes the pairs and returns the metric as a
function of the users' weights.

Dimension letters: n labelled pairs, D distinct users, W weightings of the users.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recsearch.metrics.metric import MetricFamily
from recsearch.metrics.weighting import Weighted, WeightedMean

PROBABILITY_MARGIN = 1e-7
"""Log loss clips probabilities to at least this distance from 0 and 1."""


@dataclass(frozen=True)
class LabelledScores:
    """Labelled pairs with finite scores, in double precision.

    Attributes:
        owner: [n] the place of each pair's user, from 0 to D - 1.
        num_users: D.
        label: [n].
        score: [n], in the unit of the label.
    """

    owner: NDArray[np.integer]
    num_users: int
    label: NDArray[np.float64]
    score: NDArray[np.float64]

    def mean_over_pairs(self, values: NDArray[np.float64]) -> WeightedMean:
        """Returns the mean of `values` [n], each with the weight of its pair's user."""
        return WeightedMean.of(values, self.owner, self.num_users)

    @cached_property
    def is_click(self) -> NDArray[np.bool_]:
        """Whether each label is 1, [n].

        Raises:
            ValueError: If a label is neither 0 nor 1.
        """
        other = self.label[(self.label != 0.0) & (self.label != 1.0)]
        if len(other):
            raise ValueError(f"Labels of clicks must be 0 or 1. Received {other[0]:g}.")
        click: NDArray[np.bool_] = self.label == 1.0
        return click


def _rmse(pairs: LabelledScores) -> Weighted:
    mean = pairs.mean_over_pairs(np.square(pairs.score - pairs.label))
    return lambda weights: np.sqrt(mean(weights))


def _mae(pairs: LabelledScores) -> Weighted:
    return pairs.mean_over_pairs(np.abs(pairs.score - pairs.label))


def _log_loss(pairs: LabelledScores) -> Weighted:
    probability = np.clip(pairs.score, PROBABILITY_MARGIN, 1.0 - PROBABILITY_MARGIN)
    likelihood = np.where(pairs.is_click, probability, 1.0 - probability)
    return pairs.mean_over_pairs(-np.log(likelihood))


def _auc(pairs: LabelledScores) -> Weighted:
    """Returns the area; the scores are sorted once for all weightings."""
    order = np.argsort(pairs.score, kind="stable")
    score, owner, click = pairs.score[order], pairs.owner[order], pairs.is_click[order]
    begins = np.flatnonzero(np.diff(score, prepend=-np.inf))  # of each run of equal scores

    def area(weight: NDArray[np.float64]) -> float:
        weight_of_pair = weight[owner]
        positive = np.add.reduceat(np.where(click, weight_of_pair, 0.0), begins)
        negative = np.add.reduceat(np.where(click, 0.0, weight_of_pair), begins)
        num_pairs = positive.sum() * negative.sum()
        if num_pairs == 0.0:
            return float("nan")
        below = np.cumsum(negative) - negative
        return float(np.sum(positive * (below + negative / 2.0)) / num_pairs)

    return lambda weights: np.array([area(weight) for weight in weights], dtype=np.float64)


def _user_auc(pairs: LabelledScores) -> Weighted:
    """Returns the mean of the users' areas, each from a rank sum with mean ranks for ties."""
    order = np.lexsort((pairs.score, pairs.owner))
    owner, score = pairs.owner[order], pairs.score[order]
    click = pairs.is_click[order].astype(np.float64)
    is_new = (np.diff(owner, prepend=-1) != 0) | (np.diff(score, prepend=np.inf) != 0)
    begins = np.flatnonzero(is_new)
    ends = np.append(begins[1:], len(order))
    middle = np.repeat((begins + ends - 1) / 2.0, ends - begins)
    size = np.bincount(owner, minlength=pairs.num_users)
    rank = middle - np.repeat(np.cumsum(size) - size, size)  # from 0, within the user
    clicks = np.bincount(owner, weights=click, minlength=pairs.num_users)
    rank_sum = np.bincount(owner, weights=rank * click, minlength=pairs.num_users)
    has_both = np.flatnonzero((clicks > 0) & (clicks < size))
    won = rank_sum - clicks * (clicks - 1.0) / 2.0
    area = won[has_both] / (clicks * (size - clicks))[has_both]
    return WeightedMean.of(area, has_both, pairs.num_users)


PairFunction = Callable[[LabelledScores], Weighted]

PAIR_FAMILIES: dict[str, MetricFamily[PairFunction]] = {
    family.name: family
    for family in (
        MetricFamily(
            "rmse",
            "pairs",
            "min",
            "sqrt(mean((score - label)^2))",
            "scikit-learn root_mean_squared_error",
            "over pairs, not over users",
            _rmse,
        ),
        MetricFamily(
            "mae",
            "pairs",
            "min",
            "mean(|score - label|)",
            "scikit-learn mean_absolute_error",
            "over pairs, not over users",
            _mae,
        ),
        MetricFamily(
            "auc",
            "pairs",
            "max",
            "P(score of a 1 > score of a 0) + P(equal) / 2",
            "Fawcett 2006; scikit-learn roc_auc_score",
            "over all pairs of all users together; ties count half; nan with one label only",
            _auc,
        ),
        MetricFamily(
            "user_auc",
            "pairs",
            "max",
            "mean over users of the AUC of the user's own pairs",
            "Rendle et al. 2009 (BPR), on labelled pairs in place of a catalogue",
            "users that have both labels, each with the same weight (Zhou et al. 2018, DIN, weigh"
            " them by their pairs); ties count half; nan without such a user",
            _user_auc,
        ),
        MetricFamily(
            "log_loss",
            "pairs",
            "min",
            "-mean(label ln(score) + (1 - label) ln(1 - score))",
            "scikit-learn log_loss",
            "over pairs, natural logarithm, scores clipped to [1e-7, 1 - 1e-7]",
            _log_loss,
        ),
    )
}
