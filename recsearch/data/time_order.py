"""The order in which users interacted with items."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TimeOrder:
    """The training interactions of each user, from the earliest to the latest.

    Of equal timestamps the later row of the training part is the later interaction.

    Attributes:
        offsets: [num_users + 1] int64; user u's interactions are at offsets[u]:offsets[u + 1].
        row: [n] int32 (int64 from 2^31 rows): rows of the training part, in time order per user.
    """

    offsets: NDArray[np.int64]
    row: NDArray[np.int32] | NDArray[np.int64]

    @classmethod
    def of(
        cls,
        user: NDArray[np.int32] | NDArray[np.int64],
        timestamp: NDArray[np.int64],
        num_users: int = 0,
    ) -> "TimeOrder":
        """Returns the order of n interactions.

        Args:
            user: [n] indices or codes of the users, from 0.
            timestamp: [n].
            num_users: Rows of the user table; 0 for as many as `user` needs.
        """
        row = _sorted_rows(user, timestamp)
        counts = np.bincount(user, minlength=num_users)
        offsets = np.append(np.int64(0), np.cumsum(counts))
        small = len(row) < 2**31
        return cls(offsets, row.astype(np.int32) if small else row)

    def num_later(self) -> NDArray[np.int64]:
        """Returns how many interactions of the same user are later than each row, [n]."""
        count = np.empty(len(self.row), np.int64)
        ends = np.repeat(self.offsets[1:], np.diff(self.offsets))
        count[self.row] = ends - 1 - np.arange(len(self.row))
        return count


def _sorted_rows(
    user: NDArray[np.int32] | NDArray[np.int64], timestamp: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Returns the rows by user and time; ties stay in the order of the rows."""
    if len(user) == 0:
        return np.zeros(0, np.int64)
    first, last = int(timestamp.min()), int(timestamp.max())
    span = last - first + 1
    if (int(user.max()) + 1) * span >= 2**63:
        return np.lexsort((timestamp, user))
    key = user.astype(np.int64) * span + (timestamp - first)
    return np.argsort(key, kind="stable")  # one sort takes half as long as two
