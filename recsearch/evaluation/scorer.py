"""The one interface through which a Keras model or a baseline is evaluated."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Scorer(Protocol):
    """Anything that can score users and items.

    Indices below `num_users` and `num_items` belong to the training vocabulary, 0 is the unknown
    id. Higher indices are ids that occur only in the held-out part and have feature columns. They
    are given to a scorer that sets `reads_columns`; for all other scorers they become 0
    (`KnownOnly`).

    Dimension letters: B users or pairs, N items (with index 0, the unknown item).
    """

    def score_pairs(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns one score per pair, [B]; for ratings and clicks in the unit of the label."""

    def score_catalogue(self, user: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns a new array [B, N]: each user's score of every item. Column 0 has no meaning."""


class KnownOnly:
    """A scorer for which all ids that do not occur in training are the unknown id 0.

    Args:
        scorer: Gets only indices of the training vocabulary.
        num_users: Size of the vocabulary of users, including the unknown user 0.
        num_items: Size of the vocabulary of items, including the unknown item 0.
    """

    def __init__(self, scorer: Scorer, num_users: int, num_items: int) -> None:
        self.scorer = scorer
        self.num_users = num_users
        self.num_items = num_items

    def score_pairs(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns one score per pair, [B]."""
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
    """Returns a scorer that accepts every index of a held-out part: `scorer`, or a wrapper."""
    if getattr(scorer, "reads_columns", False):
        return scorer
    return KnownOnly(scorer, num_users, num_items)
