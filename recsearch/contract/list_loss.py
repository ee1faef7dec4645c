"""The base of losses that compare a positive with its sampled negatives."""

from typing import Any

import keras
import tensorflow as tf


class ListLoss(keras.losses.Loss):
    """The base of losses over one positive and its k negatives.

    A recommender whose examples do not fit the loss is refused.

    Args:
        num_negatives: k, at least 1; the same as in the recommender's `Negatives`.
        **kwargs: As for every Keras loss.

    Attributes:
        needs_expected: Whether the loss reads the second column of the target, which
            `Negatives(with_expected=True)` adds. A class attribute.
    """

    needs_expected = False

    def __init__(self, num_negatives: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_negatives = num_negatives

    def fold(self, pairs: Any) -> Any:
        """Returns flat pairs, B * (1 + k) list after list, as lists [B, 1 + k]."""
        return tf.reshape(pairs, (-1, 1 + self.num_negatives))

    def misfit(self, examples: Any) -> str | None:
        """Returns why the loss does not fit the examples, or None if it does.

        Args:
            examples: Of any kind; the kinds that draw negatives have `num_negatives`.
        """
        same_number = getattr(examples, "num_negatives", None) == self.num_negatives
        has_expected = getattr(examples, "with_expected", False)
        if same_number and (has_expected or not self.needs_expected):
            return None
        more = ", with_expected=True" if self.needs_expected else ""
        return (
            f"The loss {type(self).__name__} compares each positive with {self.num_negatives} "
            f"negatives: examples=Negatives({self.num_negatives}{more}) was expected. "
            f"Received: {examples}."
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that rebuild the loss."""
        return {**super().get_config(), "num_negatives": self.num_negatives}
