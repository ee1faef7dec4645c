"""Uncertainty of metrics: bootstrap intervals over users, and paired comparisons of two scorers.

Users are resampled, not rows: the rows of one user are dependent, and the model is meant for other
users. A resample is a multinomial weighting of the users. Every metric is a function of the users'
weights (`Results.estimator`), so nothing is measured again.

Percentile intervals: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", 13.3.

Dimension letters: D distinct users, W weightings of a block of resamples.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recsearch.metrics.names import find_metric
from recsearch.metrics.results import Results

NUM_RESAMPLES = 1000
MIN_RESAMPLES = 200
LEVEL = 0.95
WEIGHTS_PER_BLOCK = 2**22  # 32 MiB of float64
MAX_WORK = 10**8  # users times resamples (for AUC, rows times resamples): some seconds

Answer = Literal["better", "worse", "not distinguishable"]


@dataclass(frozen=True)
class ConfidenceInterval:
    """A metric and its uncertainty.

    Attributes:
        metric: Name of the metric.
        value: Value for all users; None if it is not finite.
        low: Lower end of the interval; None if there is no interval.
        high: Upper end.
        level: The share of resamples between the ends.
        num_users: Number of distinct users that were resampled.
        num_resamples: Number of resamples in which the metric has a value.
        note: Why there is no interval; "" if there is one.
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    level: float
    num_users: int
    num_resamples: int
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Returns the values ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class PairedComparison:
    """The comparison of two scorers on the same held-out rows.

    Attributes:
        metric: The name of the metric.
        difference: Own value minus the other scorer's, with its interval.
        p_value: Two-sided; None if there is no interval.
        answer: "better" or "worse", by the direction of the metric, if 0 is outside the interval.
    """

    metric: str
    difference: ConfidenceInterval
    p_value: float | None
    answer: Answer

    def to_json(self) -> dict[str, Any]:
        """Returns the values ready for JSON."""
        return asdict(self)


def bootstrap_interval(
    results: Results,
    name: str,
    rng: np.random.Generator,
    *,
    num_resamples: int | None = None,
    level: float = LEVEL,
) -> ConfidenceInterval:
    """Returns the percentile interval of a metric over resampled users.

    Args:
        results: Of one scorer.
        name: A metric of their kind.
        rng: Draws the resamples.
        num_resamples: None for 1,000, or for fewer (at least 200) with more than 100,000 users
            (AUC: rows).
        level: The share of resamples inside, in (0, 1).

    Raises:
        UsageError: If the metric is not of the results' kind.
        ValueError: If `level` is not in (0, 1), or `num_resamples` is not positive.
    """
    count = _check(results, name, num_resamples, level)
    value = results.metrics([name])[name]
    draws = _resample([results], name, rng, count)[0]
    return _interval(name, value, draws, level, len(results.users))


def compare_results(
    own: Results,
    other: Results,
    name: str,
    rng: np.random.Generator,
    *,
    num_resamples: int | None = None,
    level: float = LEVEL,
) -> PairedComparison:
    """Returns whether `own` is better than `other`, from paired resamples with equal weights.

    The p-value comes from the same bootstrap: twice the smaller share of resamples on one side of
    0, with one added to both counts (Davison and Hinkley 1997, "Bootstrap Methods and their
    Application", 4.2). It can be computed for every metric here. RMSE and AUC are not means over
    users, so a test of per-user differences, such as Wilcoxon's signed-rank test, would answer
    another question. It agrees with the interval up to one resample.

    Args:
        own: Results of the scorer that is judged.
        other: Results of the other scorer on the same rows, in the same order.
        name: A metric of their kind.
        rng: Draws the resamples.
        num_resamples: As for `bootstrap_interval`.
        level: The share of resamples inside the interval, in (0, 1).

    Raises:
        UsageError: If the metric is not of the results' kind.
        ValueError: If the two have different held-out rows, or a number is out of its range.
    """
    _check_same_rows(own, other)
    count = _check(own, name, num_resamples, level)
    value = own.metrics([name])[name] - other.metrics([name])[name]
    first, second = _resample([own, other], name, rng, count)
    draws = first - second
    difference = _interval(name, value, draws, level, len(own.users))
    if difference.low is None or difference.high is None:
        return PairedComparison(name, difference, None, "not distinguishable")
    return PairedComparison(name, difference, _p_value(draws), _answer(name, difference))


def _answer(name: str, difference: ConfidenceInterval) -> Answer:
    low, high = difference.low, difference.high
    if low is None or high is None or low <= 0.0 <= high:
        return "not distinguishable"
    return "better" if (low > 0.0) == (find_metric(name).direction == "max") else "worse"


def _p_value(draws: NDArray[np.float64]) -> float:
    known = draws[np.isfinite(draws)]
    smaller = min(int(np.sum(known <= 0.0)), int(np.sum(known >= 0.0)))
    return min(1.0, 2.0 * (smaller + 1) / (len(known) + 1))


def _interval(
    name: str, value: float, draws: NDArray[np.float64], level: float, num_users: int
) -> ConfidenceInterval:
    known = draws[np.isfinite(draws)]
    note = ""
    if num_users < 2:
        note = f"{num_users} user(s) with held-out rows: an interval over users needs at least two"
    elif not math.isfinite(value):
        note = f"{name} has no finite value"
    elif len(known) < MIN_RESAMPLES and len(known) < len(draws):
        note = f"{name} has a value in only {len(known)} of {len(draws)} resamples"
    finite = value if math.isfinite(value) else None
    if note:
        return ConfidenceInterval(name, finite, None, None, level, num_users, 0, note)
    tail = (1.0 - level) / 2.0
    low, high = (float(end) for end in np.quantile(known, [tail, 1.0 - tail]))
    return ConfidenceInterval(name, finite, low, high, level, num_users, len(known))


def _resample(
    results: Sequence[Results], name: str, rng: np.random.Generator, count: int
) -> NDArray[np.float64]:
    """Returns the metric of each of the results in each resample, [len(results), count]."""
    num_users = len(results[0].users)
    estimators = [each.estimator(name) for each in results]
    if num_users < 2:
        return np.full((len(results), count), np.nan)
    blocks = [
        np.stack([estimator(weights) for estimator in estimators])
        for weights in _draw_weights(num_users, count, rng)
    ]
    return np.concatenate(blocks, axis=1)


def _draw_weights(
    num_users: int, count: int, rng: np.random.Generator
) -> Iterator[NDArray[np.float64]]:
    """Yields blocks [W, D]: how often each user is drawn, with D draws per resample."""
    size = max(1, WEIGHTS_PER_BLOCK // num_users)
    for begin in range(0, count, size):
        rows = min(size, count - begin)
        drawn = rng.integers(num_users, size=(rows, num_users))
        drawn += np.arange(rows)[:, None] * num_users
        times = np.bincount(drawn.ravel(), minlength=rows * num_users)
        yield times.reshape(rows, num_users).astype(np.float64)


def _check(results: Results, name: str, num_resamples: int | None, level: float) -> int:
    """Returns the number of resamples.

    Raises:
        ValueError: If a number is out of its range.
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"`level` must lie in (0, 1). Received {level}. For 95 percent write .95.")
    if num_resamples is None:
        size = len(results) if name == "auc" else len(results.users)
        return max(MIN_RESAMPLES, min(NUM_RESAMPLES, MAX_WORK // max(size, 1)))
    if num_resamples < 1:
        raise ValueError(f"`num_resamples` must be at least 1. Received {num_resamples}.")
    return num_resamples


def _check_same_rows(own: Results, other: Results) -> None:
    same = np.array_equal(own.row_user, other.row_user)
    if not (same and np.array_equal(own.row_item, other.row_item)):
        raise ValueError(
            "Two scorers can only be compared on the same held-out rows in the same order. "
            "Received "
            f"{len(own)} and {len(other)} rows that differ in users or items. Measure both with "
            "one protocol."
        )
