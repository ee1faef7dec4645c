"""From user and item indices to the inputs of a model, by their names.

Dimension letters: B batch, N items (with the unknown 0).
"""

from functools import cached_property
from typing import Any

import keras
import tensorflow as tf

from recsearch.data.preparation import PreparedData
from recsearch.nn.inputs import BAG, BAG_AGE, BAG_LABELS, side_of
from recsearch.pipeline.bags import BagTable
from recsearch.pipeline.mapped import as_tensor


class Feed:
    """Assembles a model's inputs, by their names, from user and item indices.

    An index that training does not know is the id 0, with the columns of its own.

    Args:
        data: Its features and its training part.
    """

    def __init__(self, data: PreparedData) -> None:
        self.data = data
        self.has_unknown = data.has_unknown
        features = data.features.items()
        self.tables = {name: as_tensor(array) for name, array in features}

    @cached_property
    def bags(self) -> BagTable:
        """Each user's training items; made when the first model needs them."""
        with tf.init_scope():  # not inside the graph that may be being made
            return BagTable(self.data)

    def inputs(
        self,
        model: keras.Model,
        user: tf.Tensor,
        item: tf.Tensor,
        cut: tf.Tensor | None = None,
    ) -> Any:
        """Returns the inputs of a functional model, in the structure that it was built with.

        Args:
            model: Its inputs are named as `recsearch.nn.inputs` tells.
            user: [B] int32 indices.
            item: [B] int32 indices.
            cut: [B] int32 as in `BagTable`, if bags hold only what is before it.
        """
        return keras.tree.map_structure(
            lambda tensor: self.input(
                tensor, user if side_of(tensor.name) == "user" else item, cut
            ),
            model.input,
        )

    def input(self, tensor: Any, index: tf.Tensor, cut: tf.Tensor | None = None) -> tf.Tensor:
        """Returns what one input takes for the users or items at `index` [B]."""
        value = tf.cast(self._values(tensor.name, index, cut), tensor.dtype)
        if len(tensor.shape) > len(value.shape):  # declared as [B, 1] rather than [B]
            value = value[:, tf.newaxis]
        return value

    def _values(self, name: str, index: tf.Tensor, cut: tf.Tensor | None) -> tf.Tensor:
        if name in ("user_id", "item_id"):
            return self._known(name, index)
        if name == BAG:
            return self.bags.multi_hot(index, cut)
        if name == BAG_LABELS:
            return self.bags.labels_or(0.0, index)
        if name == BAG_AGE:
            return self.bags.ages(index, cut)
        return tf.gather(self.tables[name], index)

    def _known(self, name: str, index: tf.Tensor) -> tf.Tensor:
        """Returns ids as training knows them: 0 for an index that only columns belong to."""
        if not self.has_unknown:
            return index
        size = self.data.spec.num_users if name == "user_id" else self.data.spec.num_items
        return tf.where(index < size, index, 0)
