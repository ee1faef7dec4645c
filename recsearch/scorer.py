"""The one interface through which a Keras model or a baseline is evaluated."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Scorer(Protocol):
    """Anything that can score users and items.

    Dimension letters: B users or pairs, N items (with index 0, the unknown item).
    """

    def score_pairs(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns one score a pair, [B]; for ratings and clicks in the unit of the label."""

    def score_catalogue(self, user: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns a new array [B, N]: each user's score of every item. Column 0 means nothing."""
