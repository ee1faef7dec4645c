"""Weights by which the latest items of a user's bag count more.

Dimension letters: B users, N items (with the unknown 0).
"""

from typing import Any

import keras
import numpy as np

from recsearch.contract.inputs.bag_input import recency_weight


def mean_target(bag_size: float, half_life: float) -> float:
    """Returns the total weight of the items after a random cut, on average over the cuts.

    Args:
        bag_size: Items of a user, on average.
        half_life: In items, above 0.
    """
    ratio = 2.0 ** (-1.0 / half_life)
    after = np.arange(1, max(2.0, bag_size))
    return float(np.mean((1.0 - ratio**after) / (1.0 - ratio)))


@keras.saving.register_keras_serializable(package="recsearch")
class RecentBag(keras.layers.Layer):
    """A user's bag with items weighted by recency.

    Args:
        half_life: In items of the user, above 0.
        **kwargs: As for every Keras layer.
    """

    def __init__(self, half_life: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not half_life > 0:
            raise ValueError(f"half_life must be above 0. Received: {half_life}.")
        self.half_life = half_life

    def call(self, bag_and_age: Any) -> Any:
        """Returns the weights, [B, N] float32, of the inputs `bag` and `bag_age`, [B, N] each."""
        bag, age = bag_and_age
        return bag * recency_weight(age, self.half_life)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that rebuild the layer."""
        return {**super().get_config(), "half_life": self.half_life}
