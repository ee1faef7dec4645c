"""Examples `Pairs`: the rows of the training part.

Dimension letters: B batch, C examples of a chunk.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from recsearch.contract.inputs import scores_pairs
from recsearch.contract.kinds import Arrays, Batch, Rows
from recsearch.contract.recommender import ExampleKind, Recommender
from recsearch.data.task import Task
from recsearch.data.vocabulary import DataSpec


@dataclass(frozen=True)
class Pairs:
    """Labelled pairs: inputs [B], target [B]."""

    @classmethod
    def implied(
        cls, model: keras.Model, spec: DataSpec, values: Mapping[str, Any]
    ) -> "Pairs | None":
        """Returns labelled pairs for a model of pairs, if the data have labels."""
        return cls() if scores_pairs(model) and spec.task is not Task.IMPLICIT else None

    def misfit(self, recommender: Recommender, spec: DataSpec) -> str | None:
        """Returns a reason if the model has no item input."""
        return misfit_of_pairs(self, recommender)

    def bind(self, arrays: Arrays) -> "LabelledPairs":
        """Returns the rows of the training part."""
        return LabelledPairs(arrays.user, arrays.item, arrays.label)


def misfit_of_pairs(examples: ExampleKind, recommender: Recommender) -> str | None:
    """Returns why a model cannot be trained on pairs, or None if it can."""
    model = recommender.to_train
    if not scores_pairs(model):
        return (
            "A model without an item input is trained on each user's bag of items: "
            f"examples=Bags(). Received: {examples}."
        )
    sizes = [math.prod(size or 1 for size in tensor.shape[1:]) for tensor in model.outputs]
    if sizes != [1]:
        return (
            f"{examples} train a model with one score per pair: an output of shape [batch] or "
            f"[batch, 1] was expected. Received: {[list(t.shape) for t in model.outputs]}."
        )
    return None


class LabelledPairs:
    """A unit is a row of the training part: user [B], item [B], label [B]."""

    def __init__(self, user: tf.Tensor, item: tf.Tensor, label: tf.Tensor) -> None:
        self.arrays = (user, item, label)
        self.units = int(user.shape[0])

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Returns a permutation of the rows."""
        return rng.permutation(self.units)

    def gather(self, units: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns the rows."""
        return tuple(tf.gather(array, units) for array in self.arrays)

    def batch(self, *examples: tf.Tensor) -> Batch:
        """Returns the rows as they are."""
        user, item, label = examples
        return Batch(Rows(user, item), label)
