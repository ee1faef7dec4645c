"""Candidate lists for the validation part, if the test part is ranked in given lists.

The best hyperparameters for ranking the whole catalogue are not the best for ranking lists of one
positive and K negatives. Therefore trials are compared on lists of the same form as the test
lists.

Dimension letters: m lists, K negatives of a list.
"""

import numpy as np
from numpy.typing import NDArray

from recsearch.data.interactions import Encoded
from recsearch.data.preparation import EncodedCandidates, PreparedData, SeenItems
from recsearch.data.vocabulary import is_unknown


def draw_lists(data: PreparedData, num_negatives: int, seed: int) -> EncodedCandidates:
    """Returns one list per held-out interaction: its item, and negatives of its user.

    Negatives are drawn uniformly, each at most once per list, from the training items that the user
    has neither in `data.train` nor in `data.holdout`. The test part is not used, so a test positive
    may be drawn. A user with fewer such items gets all of them; -1 fills the list.

    Args:
        data: The data of the search.
        num_negatives: K.
        seed: The same seed gives the same lists.
    """
    user, num_items = np.asarray(data.holdout.user), data.spec.num_items
    known = _known_items(data)
    offered = num_items - 1 - known.counts()[user]
    rank = draw_distinct(offered, num_negatives, np.random.default_rng(seed))
    negative = np.where(rank < 0, -1, _new_item(known, num_items, user, np.maximum(rank, 0)))
    item = np.column_stack([data.holdout.item, negative]).astype(np.int32)
    drawn = (
        f"with seed {seed} from the training items that the user has neither in training nor in "
        "validation"
    )
    return EncodedCandidates(user, item, drawn)


def draw_distinct(
    size: NDArray[np.int64], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Returns [m, count] numbers; those of row j are distinct and uniform in 0 to size[j] - 1.

    If size[j] < count, row j contains all its numbers, then -1. All sets of numbers are equally
    likely, but not all orders within a row.

    Args:
        size: [m], not negative.
        count: Numbers per row.
        rng: Draws `count` times m numbers.

    Source:
        Bentley and Floyd 1987, "Programming Pearls: A Sample of Brilliance", algorithm F2, for all
        rows at once.
    """
    chosen = np.full((len(size), count), -1, np.int64)
    for step in range(count):
        highest = size - count + step
        drawn = rng.integers(0, np.maximum(highest, 0) + 1)
        is_taken = (chosen[:, :step] == drawn[:, np.newaxis]).any(axis=1)
        chosen[:, step] = np.where(is_taken, highest, drawn)
        chosen[highest < 0, step] = -1
    return chosen


def _known_items(data: PreparedData) -> SeenItems:
    """Returns the items of each user in train and holdout; unknown users are distinguished."""
    holdout = data.holdout
    is_item = ~is_unknown(holdout.item, data.spec.num_items)
    user = np.concatenate([data.train.user, holdout.user[is_item]])
    item = np.concatenate([data.train.item, holdout.item[is_item]])
    num_users = max(data.spec.num_users, 1 + int(holdout.user.max(initial=0)))
    both = Encoded(user, item, np.ones(len(user), np.float32))
    return SeenItems.of(both, num_users, data.spec.num_items)


def _new_item(
    known: SeenItems, num_items: int, user: NDArray[np.int32], rank: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Returns the item at each rank [m, K] (from 0) among the items that are new to the user [m].

    The j-th known item s_j of a user has s_j - 1 - j new items before it, which never decreases
    with j. So the number of known items before the new item of rank r is the number of these values
    that are <= r.
    """
    owner = np.repeat(np.arange(len(known.offsets) - 1), known.counts())
    position = np.arange(len(known.items)) - known.offsets[owner]
    keys = owner * num_items + (known.items - 1 - position)
    wanted = user.astype(np.int64)[:, np.newaxis] * num_items + rank
    before = np.searchsorted(keys, wanted.ravel(), "right").reshape(rank.shape)
    return 1 + rank + before - known.offsets[user][:, np.newaxis]
