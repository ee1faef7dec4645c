"""The embedded data set: ratings from a known generative model, used if no data are given.

Dimension letters: U users, I items, D latent dimensions, G genres, n ratings.

Each user u and item i has a latent vector of D standard normal components. Features explain a share
of its variance: age group and country for users, genres for items. A few dimensions matter most, as
in real data: w_d is proportional to 0.75^d, and its squares sum to 1. With time t from 0 to 1 over
three years:

    taste(u, t)  = p_u + (t - 1/2) * shift_u
    affinity     = sum over d of w_d taste_d(u, t) q_id        (variance near 1)
    score        = 2.9 + b_u + b_i + (t - 1/2) * trend_i + 0.9 * affinity
    rating       = score + N(0, 0.75^2), rounded to whole stars, clipped to 1..5

The n rated pairs are drawn without replacement, with a weight that is the product of

    log-normal activity of u,  Zipf-Mandelbrot popularity of i: 1 / (rank + 12),
    exp(1.2 * affinity),       a bump around the time when i is in fashion,

drawn as the n largest of log weight + Gumbel noise (Gumbel top-k: Kool, van Hoof and Welling,
"Stochastic Beams and Where to Find Them", ICML 2019; there for sequences, here for pairs).
Each user first gets `MIN_RATINGS_PER_USER` items. As a result, preferences show both in the labels
and in the choice of items, popularity and taste drift, and a user's items follow the fashions.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import ndtr

from recsearch.data.interactions import ColumnKind, FeatureColumn, Features, Interactions
from recsearch.errors import UsageError

LATENT_DIM = 8
MIN_RATINGS_PER_USER = 5
FIRST_SECOND = 1_577_836_800  # 2020-01-01 00:00 UTC
SPAN_SECONDS = 3 * 365 * 86_400
GENRES = (
    "Action", "Adventure", "Animation", "Comedy", "Crime", "Documentary",
    "Drama", "Fantasy", "Horror", "Romance", "Thriller", "Western",
)  # fmt: skip
AGE_GROUPS = ("under 18", "18-24", "25-34", "35-44", "45-54", "55 and over")
COUNTRIES = ("BR", "DE", "FR", "GB", "IN", "JP", "NG", "US")
MISSING_FRACTION = 0.02  # of countries and years, as in real tables

_EXPLAINED_BY_USER_FEATURES = 0.25  # shares of the variance of the latent vectors
_EXPLAINED_BY_GENRES = 0.5
_MEAN_SCORE = 2.9
_USER_BIAS = 0.35  # these are standard deviations, in stars
_ITEM_BIAS = 0.3
_ITEM_TREND = 0.3
_AFFINITY = 0.9
_NOISE = 0.75
_WEIGHT_RATIO = 0.75  # of a latent dimension to the one before
_TASTE_SHIFT = 0.4  # standard deviation of the change of each component of taste over the span
_ACTIVITY = 0.9  # standard deviation of the log activity
_ZIPF_EXPONENT = 1.0
_ZIPF_OFFSET = 12  # flattens the head
_CHOICE_BY_AFFINITY = 1.2
_FASHION = 1.0  # the log of the weight of an item at its best, against its worst
_FASHION_WIDTH = 0.2  # of the time span
_DISORDER = 0.6  # of the time span, in which a user's items follow their fashions


@dataclass(frozen=True)
class SyntheticData:
    """A generated data set, with the predictions of the best possible model.

    Attributes:
        interactions: n ratings in random order, no pair twice: int64 ids (users 1..U, items 1..I),
            labels of 1 to 5 whole stars, timestamps.
        users: U rows: `age_group`, `country` (categorical).
        items: I rows: `genres` (multi), `year` (numeric), `title` (text). Items without a rating
            are listed as well.
        true_score: [n] float64, in stars: the expected label of each row under the generative
            model, rounding and clipping included; the Bayes-optimal prediction.
        noise_floor: The expected RMSE of `true_score` against the labels, in stars: the best that
            can be expected of a model that does not know the labels.
    """

    interactions: Interactions
    users: Features
    items: Features
    true_score: NDArray[np.float64]
    noise_floor: float


@dataclass(frozen=True)
class _Users:
    age_group: NDArray[np.int64]  # [U] position in AGE_GROUPS
    country: NDArray[np.int64]  # [U] position in COUNTRIES
    taste: NDArray[np.float64]  # [U, D] in the middle of the time span
    shift: NDArray[np.float64]  # [U, D] change over the whole span
    bias: NDArray[np.float64]  # [U]
    log_activity: NDArray[np.float64]  # [U]
    start: NDArray[np.float64]  # [U] first moment of activity, as a fraction of the span
    end: NDArray[np.float64]  # [U] the last one


@dataclass(frozen=True)
class _Items:
    has_genre: NDArray[np.bool_]  # [I, G]
    year: NDArray[np.int64]  # [I]
    vector: NDArray[np.float64]  # [I, D]
    bias: NDArray[np.float64]  # [I]
    trend: NDArray[np.float64]  # [I]
    log_popularity: NDArray[np.float64]  # [I]
    peak: NDArray[np.float64]  # [I] moment of greatest fashion, as a fraction of the span


def generate(
    num_users: int = 1_200, num_items: int = 1_500, num_ratings: int = 100_000, seed: int = 0
) -> SyntheticData:
    """Returns ratings drawn from the generative model of this module, with features.

    Time and memory grow with U * I (a few float64 arrays of this size): each pair has a weight.

    Args:
        num_users: U.
        num_items: I.
        num_ratings: n, at least `MIN_RATINGS_PER_USER` per user.
        seed: Equal arguments give equal data.

    Raises:
        UsageError: If a count is too small, or there are not enough pairs for the ratings.

    Example:
        >>> data = generate(num_users=20, num_items=30, num_ratings=200)
        >>> len(data.interactions), data.interactions.user_id.type
        (200, DataType(int64))
    """
    _check_counts(num_users, num_items, num_ratings)
    rng = np.random.default_rng(seed)
    users, items = _draw_users(rng, num_users), _draw_items(rng, num_items)
    user, item = _choose_pairs(rng, users, items, num_ratings)
    moment = _draw_moments(rng, users, items, user, item)
    score = _score(users, items, user, item, moment)
    label = np.clip(np.rint(score + rng.normal(0.0, _NOISE, num_ratings)), 1, 5)
    expected, variance = _label_moments(score)
    interactions = Interactions(
        user_id=pa.array(user + 1),
        item_id=pa.array(item + 1),
        label=label.astype(np.float32),
        timestamp=FIRST_SECOND + (moment * SPAN_SECONDS).astype(np.int64),
    )
    return SyntheticData(
        interactions=interactions,
        users=_user_table(rng, users),
        items=_item_table(rng, items),
        true_score=expected,
        noise_floor=float(np.sqrt(variance.mean())),
    )


def _check_counts(num_users: int, num_items: int, num_ratings: int) -> None:
    if num_users < 2 or num_items < MIN_RATINGS_PER_USER:
        raise UsageError(
            f"num_users must be at least 2, num_items at least {MIN_RATINGS_PER_USER}. "
            f"Received {num_users} and {num_items}. Raise them."
        )
    least, most = MIN_RATINGS_PER_USER * num_users, num_users * num_items
    if not least <= num_ratings <= most:
        raise UsageError(
            f"num_ratings must lie in [{least}, {most}]: at least {MIN_RATINGS_PER_USER} per user, "
            f"at most one per pair. Received {num_ratings} for {num_users} users and {num_items} "
            "items. Change one of the three."
        )


def _draw_users(rng: np.random.Generator, num_users: int) -> _Users:
    size = (num_users, LATENT_DIM)
    age_group = rng.choice(len(AGE_GROUPS), num_users, p=[0.06, 0.24, 0.3, 0.2, 0.12, 0.08])
    country = rng.choice(len(COUNTRIES), num_users, p=[0.1, 0.1, 0.1, 0.1, 0.15, 0.05, 0.1, 0.3])
    of_age = rng.normal(size=(len(AGE_GROUPS), LATENT_DIM))
    of_country = rng.normal(size=(len(COUNTRIES), LATENT_DIM))
    explained = (of_age[age_group] + of_country[country]) / np.sqrt(2)
    length = 10 ** rng.uniform(-3, 0, num_users)  # from a day to the whole span
    start = rng.uniform(size=num_users) * (1 - length)
    return _Users(
        age_group=age_group,
        country=country,
        taste=_blend(rng, explained, _EXPLAINED_BY_USER_FEATURES),
        shift=rng.normal(0.0, _TASTE_SHIFT, size),
        bias=rng.normal(0.0, _USER_BIAS, num_users),
        log_activity=rng.normal(0.0, _ACTIVITY, num_users),
        start=start,
        end=start + length,
    )


def _draw_items(rng: np.random.Generator, num_items: int) -> _Items:
    num_genres = rng.choice([1, 2, 3], num_items, p=[0.4, 0.4, 0.2])
    order = rng.uniform(size=(num_items, len(GENRES))).argsort(axis=1).argsort(axis=1)
    has_genre = order < num_genres[:, None]
    of_genre = rng.normal(size=(len(GENRES), LATENT_DIM))
    explained = has_genre @ of_genre / np.sqrt(num_genres)[:, None]
    age = rng.exponential(12.0, num_items).clip(0, 70)
    quality = (age - 12.0) / 12.0  # the old items that are still around are the better ones
    rank = 1 + rng.permutation(num_items)
    return _Items(
        has_genre=has_genre,
        year=2022 - age.astype(np.int64),
        vector=_blend(rng, explained, _EXPLAINED_BY_GENRES),
        bias=_ITEM_BIAS * (0.4 * quality + rng.normal(0.0, np.sqrt(1 - 0.4**2), num_items)),
        trend=rng.normal(0.0, _ITEM_TREND, num_items),
        log_popularity=-_ZIPF_EXPONENT * np.log(rank + _ZIPF_OFFSET),
        peak=rng.uniform(size=num_items),
    )


def _blend(
    rng: np.random.Generator, explained: NDArray[np.float64], share: float
) -> NDArray[np.float64]:
    """Returns `explained` with own noise of unit variance; `share` of the variance is explained."""
    own = rng.normal(size=explained.shape)
    blended: NDArray[np.float64] = np.sqrt(share) * explained + np.sqrt(1 - share) * own
    return blended


def _latent_weights() -> NDArray[np.float64]:
    """Returns how much each latent dimension matters, [D]: geometric, squares sum to 1."""
    weights = _WEIGHT_RATIO ** np.arange(LATENT_DIM)
    return np.asarray(weights / np.linalg.norm(weights))


def _choose_pairs(
    rng: np.random.Generator, users: _Users, items: _Items, num_ratings: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns positions (user [n], item [n]) of different pairs, in random order."""
    middle = (users.start + users.end) / 2
    taste = users.taste + (middle - 0.5)[:, None] * users.shift
    key = _CHOICE_BY_AFFINITY * (taste * _latent_weights()) @ items.vector.T
    key += _FASHION * np.exp(-0.5 * ((middle[:, None] - items.peak) / _FASHION_WIDTH) ** 2)
    key += users.log_activity[:, None] + items.log_popularity
    key += rng.gumbel(size=key.shape)
    least = MIN_RATINGS_PER_USER
    granted = np.argpartition(key, -least, axis=1)[:, -least:]
    np.put_along_axis(key, granted, np.inf, axis=1)
    chosen = np.argpartition(key, key.size - num_ratings, axis=None)[key.size - num_ratings :]
    chosen = rng.permutation(np.sort(chosen))
    return np.divmod(chosen, len(items.year))


def _draw_moments(
    rng: np.random.Generator,
    users: _Users,
    items: _Items,
    user: NDArray[np.int64],
    item: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Returns the moment of each rating, [n], as a fraction of the span.

    A user's moments are uniform over the activity of the user; the items take them in the order
    of their peaks, with much disorder.
    """
    moment = rng.uniform(users.start[user], users.end[user])
    preferred = items.peak[item] + rng.normal(0.0, _DISORDER, len(item))
    in_time = np.empty_like(moment)
    in_time[np.lexsort((preferred, user))] = moment[np.lexsort((moment, user))]
    return in_time


def _score(
    users: _Users,
    items: _Items,
    user: NDArray[np.int64],
    item: NDArray[np.int64],
    moment: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Returns the score of each rating before noise, [n], in stars."""
    since_middle = moment - 0.5
    taste = users.taste[user] + since_middle[:, None] * users.shift[user]
    affinity = np.einsum("d,nd,nd->n", _latent_weights(), taste, items.vector[item])
    bias = users.bias[user] + items.bias[item] + since_middle * items.trend[item]
    score: NDArray[np.float64] = _MEAN_SCORE + bias + _AFFINITY * affinity
    return score


def _label_moments(
    score: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns (expectation [n], variance [n]) of the label that a score gives.

    With a label L in 1..5 and P(L > k) = Phi((score - k - 1/2) / noise), k = 1..4, summation by
    parts gives E[L] = 1 + sum P(L > k) and E[L^2] = 1 + sum (2k + 1) P(L > k).
    """
    k = np.arange(1, 5)
    above = ndtr((score[:, None] - k - 0.5) / _NOISE)  # [n, 4]
    expected = 1 + above.sum(axis=1)
    return expected, 1 + above @ (2 * k + 1) - expected**2


def _user_table(rng: np.random.Generator, users: _Users) -> Features:
    num_users = len(users.bias)
    missing = rng.uniform(size=num_users) < MISSING_FRACTION
    age_group = pa.array(np.array(AGE_GROUPS)[users.age_group])
    country = pa.array(np.array(COUNTRIES)[users.country], mask=missing)
    columns = {
        "age_group": FeatureColumn(ColumnKind.CATEGORICAL, age_group),
        "country": FeatureColumn(ColumnKind.CATEGORICAL, country),
    }
    return Features(pa.array(np.arange(1, num_users + 1)), columns)


def _item_table(rng: np.random.Generator, items: _Items) -> Features:
    num_items = len(items.year)
    ids = np.arange(1, num_items + 1)
    missing = rng.uniform(size=num_items) < MISSING_FRACTION
    offsets = np.concatenate([[0], np.cumsum(items.has_genre.sum(axis=1))])
    names = np.array(GENRES)[np.nonzero(items.has_genre)[1]]
    genres = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(names))
    title = [f"{name} no. {number}" for name, number in zip(names[offsets[:-1]], ids, strict=True)]
    columns = {
        "genres": FeatureColumn(ColumnKind.MULTI, genres),
        "year": FeatureColumn(
            ColumnKind.NUMERIC, pa.array(items.year.astype(np.float64), mask=missing)
        ),
        "title": FeatureColumn(ColumnKind.TEXT, pa.array(title)),
    }
    return Features(pa.array(ids), columns)
