"""The one interface through which a Keras model or a baseline is evaluated."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Scorer(Protocol):
    """Anything that can score users and items.

    Indices from 0 to below `num_users` and `num_items` are the training vocabulary's, 0 the unknown
    id. Above stand ids of the held-out part that training does not know, but whose columns are
    known: a scorer that looks at columns sets `reads_columns`, and gets those too. For all others
    they are 0 (`KnownOnly`).

    Dimension letters: B users or pairs, N items (with index 0, the unknown item).
    """

    def score_pairs(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns one score a pair, [B]; for ratings and clicks in the unit of the label."""

    def score_catalogue(self, user: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns a new array [B, N]: each user's score of every item. Column 0 means nothing."""


class KnownOnly:
    """A scorer to which all ids that training does not know are one, the unknown id 0.

    Args:
        scorer: Gets indices of the training vocabulary alone.
        num_users: Size of that vocabulary, the unknown user 0 included.
        num_items: Likewise of items.
    """

    def __init__(self, scorer: Scorer, num_users: int, num_items: int) -> None:
        self.scorer = scorer
        self.num_users = num_users
        self.num_items = num_items

    def score_pairs(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns one score a pair, [B]."""
        return self.scorer.score_pairs(
            known_or_zero(user, self.num_users),
            known_or_zero(item, self.num_items),
        )

    def score_catalogue(self, user: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns [B, N]."""
        return self.scorer.score_catalogue(known_or_zero(user, self.num_users))


def known_or_zero(index: NDArray[np.int32], size: int) -> NDArray[np.int32]:
    """Returns the indices [n] with 0, the unknown id, in place of those from `size` on."""
    known: NDArray[np.int32] = np.where(index < size, index, np.int32(0))
    return known


def for_held_out(scorer: Scorer, num_users: int, num_items: int) -> Scorer:
    """Returns a scorer that takes every index of a held-out part: `scorer`, or one around it."""
    if getattr(scorer, "reads_columns", False):
        return scorer
    return KnownOnly(scorer, num_users, num_items)
