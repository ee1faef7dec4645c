"""Metrics of recommended lists: which items are recommended, relevant or not.

They are computed from the best k items per user in the whole catalogue. A user with fewer than k
candidates has a shorter list, padded with -1, and padding never counts. If k is larger than the
catalogue, every list is padded. An item that occurs several times in a list counts each time.

Dimension letters: U users, k places of a list, N items (with index 0, the unknown item, which is
never recommended), F numbers of an item vector.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recsearch.metrics.metric import MetricFamily

CELLS_PER_BLOCK = 2**22  # numbers in the sums of item vectors of one block: 32 MiB of float64


@dataclass(frozen=True)
class Recommended:
    """Recommended lists, and training statistics of their items.

    Attributes:
        items: [U, k] item indices from 1 to N - 1, the best first; -1 is padding.
        counts: [N] number of training users of each item; counts[0] is ignored.
        num_users: Number of training users.
        vectors: [N, F] one vector per item, for diversity; None if there are none.

    Raises:
        ValueError: If an item of a list is not in the catalogue, or sizes do not agree.
    """

    items: NDArray[np.integer]
    counts: NDArray[np.integer]
    num_users: int
    vectors: NDArray[np.floating] | None = None

    def __post_init__(self) -> None:
        num_items = len(self.counts)
        valid = (self.items == -1) | ((self.items >= 1) & (self.items < num_items))
        if not valid.all():
            raise ValueError(
                f"Recommended items must lie from 1 to {num_items - 1}, or be -1 to pad a list. "
                f"Received {self.items[~valid][0]}."
            )
        if self.num_users < self.counts[1:].max(initial=0):
            raise ValueError(
                f"An item has more training users ({self.counts[1:].max()}) than there are users "
                f"({self.num_users}). Count each user once per item."
            )
        if self.vectors is not None and len(self.vectors) != num_items:
            raise ValueError(
                f"Expected one vector per item, {num_items}. Received {len(self.vectors)}."
            )

    @cached_property
    def is_item(self) -> NDArray[np.bool_]:
        """True for items, False for padding, [U, k]."""
        return np.asarray(self.items >= 0)

    def first(self, cutoff: int) -> "Recommended":
        """Returns the first `cutoff` places of each list."""
        return Recommended(self.items[:, :cutoff], self.counts, self.num_users, self.vectors)

    def mean_over_users(self, value: NDArray[np.float64]) -> float:
        """Returns the mean over users of the mean of `value` [U, k] in their lists.

        Padding is left out, and so are users without any item; nan if no user remains.
        """
        size = self.is_item.sum(axis=1)
        total = np.where(self.is_item, value, 0.0).sum(axis=1)
        return _mean(total[size > 0] / size[size > 0])


def _mean(values: NDArray[np.float64]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _coverage(lists: Recommended) -> float:
    num_items = len(lists.counts) - 1
    distinct = np.unique(lists.items[lists.is_item])
    return len(distinct) / num_items if num_items and len(lists.items) else float("nan")


def _gini(lists: Recommended) -> float:
    num_items = len(lists.counts) - 1
    times = np.sort(np.bincount(lists.items[lists.is_item], minlength=num_items + 1)[1:])
    total = times.sum()
    if total == 0:
        return float("nan")
    place = np.arange(1, num_items + 1)
    return float(np.sum((2 * place - num_items - 1) * times) / (num_items * total))


def _share(lists: Recommended) -> NDArray[np.float64]:
    """Returns the share of training users that have each item of the lists, [U, k]; padding: 0."""
    counts = np.where(lists.is_item, lists.counts[lists.items], 0)
    share: NDArray[np.float64] = counts / max(lists.num_users, 1)
    return share


def _novelty(lists: Recommended) -> float:
    rarest = 1.0 / max(lists.num_users, 1)
    return lists.mean_over_users(-np.log2(np.maximum(_share(lists), rarest)))


def _popularity(lists: Recommended) -> float:
    return lists.mean_over_users(_share(lists))


def _diversity(lists: Recommended) -> float:
    """Returns 1 - mean cosine; the cosines of a list sum to |sum of units|^2 - sum of |unit|^2."""
    if lists.vectors is None:
        raise ValueError(
            "diversity compares item vectors, and none were given. Pass an array with one row per "
            "item, such as the item's categories as 0 and 1."
        )
    vectors = np.asarray(lists.vectors, dtype=np.float64)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    size = lists.is_item.sum(axis=1)
    users = np.flatnonzero(size >= 2)
    cosines = np.empty(len(users))
    block = max(1, CELLS_PER_BLOCK // max(vectors.shape[1], 1))
    for begin in range(0, len(users), block):
        part = users[begin : begin + block]
        total, own = np.zeros((len(part), vectors.shape[1])), np.zeros(len(part))
        for place in range(lists.items.shape[1]):
            here = lists.is_item[part, place]
            item_vectors = unit[lists.items[part[here], place]]
            total[here] += item_vectors
            own[here] += np.square(item_vectors).sum(axis=1)
        cosines[begin : begin + block] = np.square(total).sum(axis=1) - own
    return _mean(1.0 - cosines / (size[users] * (size[users] - 1.0)))


ListFunction = Callable[[Recommended], float]

LIST_FAMILIES: dict[str, MetricFamily[ListFunction]] = {
    family.name: family
    for family in (
        MetricFamily(
            "coverage",
            "lists",
            "max",
            "distinct items in the lists of all users / items of the catalogue",
            "Ge et al. 2010 (catalogue coverage)",
            "the catalogue is the training items; an item in one list counts as covered",
            _coverage,
        ),
        MetricFamily(
            "gini",
            "lists",
            "min",
            "sum over items of (2 i - N - 1) n_i / (N sum of n_i), n_i ascending",
            "Shani and Gunawardana 2011; RecBole giniindex",
            "n_i is how often item i is recommended; items that are never recommended are"
            " included; 0 if all are recommended equally often, 1 - 1/N if only one is",
            _gini,
        ),
        MetricFamily(
            "novelty",
            "lists",
            "max",
            "mean of -log2(training users of the item / training users)",
            "Zhou et al. 2010 (mean self-information); RecTools MeanInvUserFreq",
            "bits; mean within each list, then over users; an item without a training user counts"
            " as if it had one",
            _novelty,
        ),
        MetricFamily(
            "popularity",
            "lists",
            "min",
            "mean of (training users of the item / training users)",
            "Abdollahpouri et al. 2019 (average recommendation popularity)",
            "a share in [0, 1] instead of a count; mean within each list, then over users",
            _popularity,
        ),
        MetricFamily(
            "diversity",
            "lists",
            "max",
            "1 - mean cosine of the vectors of two different places of a list",
            "Ziegler et al. 2005 (intra-list similarity, here a mean and turned round)",
            "lists of two items and more, each with the same weight; an item without a vector"
            " (all 0) is like no other; nan without such a list",
            _diversity,
        ),
    )
}
