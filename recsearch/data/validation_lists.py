"""Lists that the validation part is ranked in, where the test part is ranked in given lists.

Hyperparameters that are best in the whole catalogue are others than those that are best in lists of
a positive and K negatives: so trials are compared in lists of the form that counts in the end.

Dimension letters: m lists, K negatives of a list.
"""

import numpy as np
from numpy.typing import NDArray

from recsearch.data.interactions import Encoded
from recsearch.data.preparation import EncodedCandidates, PreparedData, SeenItems
from recsearch.data.vocabulary import is_unknown


def draw_lists(data: PreparedData, num_negatives: int, seed: int) -> EncodedCandidates:
    """Returns a list for each held-out interaction: it, and negatives of its user.

    Negatives are drawn uniformly, none twice in a list, from the training items that the user has
    neither in `data.train` nor in `data.holdout`. The test part is not asked, so that a test
    positive may be drawn. A user with fewer such items gets them all; -1 fills the list.

    Args:
        data: What the search may see.
        num_negatives: K.
        seed: The same seed gives the same lists.
    """
    user, num_items = np.asarray(data.holdout.user), data.spec.num_items
    met = _met_items(data)
    offered = num_items - 1 - met.counts()[user]
    rank = draw_distinct(offered, num_negatives, np.random.default_rng(seed))
    negative = np.where(rank < 0, -1, _unmet_item(met, num_items, user, np.maximum(rank, 0)))
    item = np.column_stack([data.holdout.item, negative]).astype(np.int32)
    drawn = (
        f"with seed {seed} from the training items that the user has neither in training nor in "
        "validation"
    )
    return EncodedCandidates(user, item, drawn)


def draw_distinct(
    size: NDArray[np.int64], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Returns [m, count] numbers, those of row j distinct and uniform among 0 to size[j] - 1.

    A row with size[j] < count has all of its numbers, and -1 for the rest. Every set of numbers is
    as likely as any other; their order within a row is not.

    Args:
        size: [m], none negative.
        count: Numbers a row.
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


def _met_items(data: PreparedData) -> SeenItems:
    """Returns the items of train and holdout of every user, unknown ones told apart."""
    holdout = data.holdout
    is_item = ~is_unknown(holdout.item, data.spec.num_items)
    user = np.concatenate([data.train.user, holdout.user[is_item]])
    item = np.concatenate([data.train.item, holdout.item[is_item]])
    num_users = max(data.spec.num_users, 1 + int(holdout.user.max(initial=0)))
    both = Encoded(user, item, np.ones(len(user), np.float32))
    return SeenItems.of(both, num_users, data.spec.num_items)


def _unmet_item(
    met: SeenItems, num_items: int, user: NDArray[np.int32], rank: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Returns the item at each rank [m, K] (from 0) among those that the user [m] has not met.

    The j-th met item s_j has s_j - 1 - j unmet items before it, which never falls with j: the
    number of met items before the unmet item of rank r is the number of those values <= r.
    """
    owner = np.repeat(np.arange(len(met.offsets) - 1), met.counts())
    position = np.arange(len(met.items)) - met.offsets[owner]
    keys = owner * num_items + (met.items - 1 - position)
    wanted = user.astype(np.int64)[:, np.newaxis] * num_items + rank
    before = np.searchsorted(keys, wanted.ravel(), "right").reshape(rank.shape)
    return 1 + rank + before - met.offsets[user][:, np.newaxis]
