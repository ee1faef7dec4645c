"""Metrics by groups of users and items, which show where a model fails.

Held-out rows are grouped by the number of training interactions of their user and item. The metric
of a slice is computed only from the rows in it. For rankings, an item slice contains the held-out
items of the group: their ranks are still ranks among all candidates, and users without such an item
are left out.

Dimension letters: n rows, U users and N items of training (each with index 0, the unknown one).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsearch.data.vocabulary import is_unknown
from recsearch.metrics.results import Results

ACTIVITY_BOUNDS = ((0, 0), (1, 5), (6, 20), (21, 100), (101, None))
"""Fewest and most training interactions of a user in each slice."""

POPULARITY_LABELS = ("head", "middle", "tail")


@dataclass(frozen=True)
class Slice:
    """The metrics of some held-out rows.

    Attributes:
        name: What the rows are grouped by: "user_activity", "item_popularity", "known_user" or
            "known_item".
        label: The group: "6-20", "tail", "unknown".
        num_rows: Number of held-out rows in it.
        num_users: Number of distinct users of these rows.
        metrics: Metric name -> value; nan if it is undefined, such as AUC with one label.
    """

    name: str
    label: str
    num_rows: int
    num_users: int
    metrics: dict[str, float]

    def to_json(self) -> dict[str, object]:
        """Returns the slice ready for JSON; a value that is not finite becomes None."""
        metrics = {k: v if math.isfinite(v) else None for k, v in self.metrics.items()}
        return {
            "name": self.name,
            "label": self.label,
            "num_rows": self.num_rows,
            "num_users": self.num_users,
            "metrics": metrics,
        }


def slice_results(
    results: Results,
    names: Sequence[str],
    user_counts: NDArray[np.integer],
    item_counts: NDArray[np.integer],
) -> tuple[Slice, ...]:
    """Returns the metrics of each slice with at least one row, in a fixed order.

    Args:
        results: Held-out rows; unknown users and items have index 0, or an index from U (N) on.
        names: Metrics of the kind of the results.
        user_counts: [U] training interactions of each user.
        item_counts: [N] training interactions of each item.
    """
    found = []
    for name, label, mask in _masks(results, user_counts, item_counts):
        if mask.any():
            rows = results.where(mask)
            metrics = rows.metrics(names)
            found.append(Slice(name, label, len(rows), len(rows.users), metrics))
    return tuple(found)


def _masks(
    results: Results, user_counts: NDArray[np.integer], item_counts: NDArray[np.integer]
) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Yields (name, label, rows [n]) of each slice."""
    user, item = results.row_user, results.row_item
    unknown_user = is_unknown(user, len(user_counts))
    unknown_item = is_unknown(item, len(item_counts))
    activity = np.where(unknown_user, 0, user_counts[np.where(unknown_user, 0, user)])
    for least, most in ACTIVITY_BOUNDS:
        mask = (activity >= least) & (True if most is None else activity <= most)
        yield "user_activity", _range_label(least, most), mask
    third = popularity_thirds(item_counts)[np.where(unknown_item, 0, item)]
    for place, label in enumerate(POPULARITY_LABELS):
        yield "item_popularity", label, (third == place) & ~unknown_item
    yield "known_user", "known", ~unknown_user
    yield "known_user", "unknown", unknown_user
    yield "known_item", "known", ~unknown_item
    yield "known_item", "unknown", unknown_item


def _range_label(least: int, most: int | None) -> str:
    if most is None:
        return f"more than {least - 1}"
    return str(least) if least == most else f"{least}-{most}"


def popularity_thirds(item_counts: NDArray[np.integer]) -> NDArray[np.int64]:
    """Returns 0 (head), 1 (middle) or 2 (tail) for each item, [N].

    Items are sorted from the most popular down. The head has the first third of all training
    interactions, the middle the second, the tail the rest. An item belongs to the third that its
    first interaction is in; of equally popular items, the lower index comes first. So few items are
    head and most are tail. The names are from Celma 2008 ("Music recommendation and discovery in
    the long tail", chapter 4), where the borders are fitted to the popularity curve. Thirds of the
    interactions need no fit, and give the slices similar numbers of rows.

    Args:
        item_counts: [N] training interactions of each item; the value of the unknown item 0 is
            ignored.

    Example:
        >>> popularity_thirds(np.array([0, 1, 4, 1, 3])).tolist()
        [2, 2, 0, 2, 1]
    """
    counts = item_counts.astype(np.int64)
    counts[0] = 0
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]
    third = np.empty(len(counts), dtype=np.int64)
    third[order] = np.minimum(3 * before // max(int(counts.sum()), 1), 2)
    return third
