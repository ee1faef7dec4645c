"""Parts of the built-in spaces: inputs, the MLP, the output of a task.

Each function that takes `hp` adds its hyperparameters to the search space of its caller. A space of
your own may use them or not.

Dimension letters: B batch, D width of a vector, N items (with the unknown 0).
"""

from typing import Any

import keras
import keras_tuner

from recsearch.contract.inputs.bag_input import BAG, BAG_AGE
from recsearch.data.interactions import ColumnKind
from recsearch.data.task import Task
from recsearch.data.vocabulary import ColumnSpec, DataSpec
from recsearch.nn.byte_dropout import ByteDropout
from recsearch.nn.embedding import Embedding, MeanEmbedding
from recsearch.nn.recency import RecentBag

MAX_LAYERS = 4


def id_inputs() -> tuple[Any, Any]:
    """Returns the inputs `user_id` [B] and `item_id` [B], int32 indices."""
    return (
        keras.Input((), dtype="int32", name="user_id"),
        keras.Input((), dtype="int32", name="item_id"),
    )


def bag_inputs(data: DataSpec, half_life: float | None = None) -> tuple[list[Any], Any]:
    """Returns (inputs, bag [B, N]): a user's items, weighted by recency if there is a half-life.

    Args:
        data: The data; with ages, if there is a half-life.
        half_life: In items; None gives all items the same weight.
    """
    bag = keras.Input((data.num_items,), dtype="float32", name=BAG)
    if half_life is None:
        return [bag], bag
    age = keras.Input((data.num_items,), dtype="float32", name=BAG_AGE)
    return [bag, age], RecentBag(half_life)([bag, age])


def biases(data: DataSpec, user: Any, item: Any, l2: float) -> list[Any]:
    """Returns the biases of user and item, [B, 1] each, that start at 0."""
    return [
        Embedding(data.num_users, 1, "zeros", l2=l2, name="user_bias")(user),
        Embedding(data.num_items, 1, "zeros", l2=l2, name="item_bias")(item),
    ]


def mlp(hp: keras_tuner.HyperParameters, x: Any) -> Any:
    """Returns x [B, D] after 0 to 4 dense layers with ReLU and dropout.

    Hyperparameters: `num_layers`, `units_<layer>` (layers that exist only; by default a tower that
    halves), `dropout`. The ranges contain those of NCF (He et al. 2017, section 4.1: depth 0 to 4)
    and of its replication (Ferrari Dacrema et al. 2021: widths up to 256).
    """
    depth = hp.Int("num_layers", 0, MAX_LAYERS, default=2)
    with hp.conditional_scope("num_layers", list(range(1, MAX_LAYERS + 1))):
        dropout = hp.Float("dropout", 0.0, 0.75, step=0.125, default=0.125)
    for layer in range(1, MAX_LAYERS + 1):
        with hp.conditional_scope("num_layers", list(range(layer, MAX_LAYERS + 1))):
            width = hp.Int(
                f"units_{layer}", 16, 256, step=2, sampling="log", default=max(16, 128 // 2**layer)
            )
        if layer <= depth:
            x = keras.layers.Dense(width, activation="relu")(x)
            x = ByteDropout(dropout)(x)
    return x


def column_vectors(
    columns: tuple[ColumnSpec, ...], embedding_dim: int, l2: float = 0.0
) -> tuple[dict[str, Any], list[Any]]:
    """Returns (inputs by name, vectors [B, D]) of feature columns.

    A categorical column becomes an embedding, a multi-valued one the mean of its embeddings, a
    numeric one (already standardised) a vector of length 1.
    """
    inputs: dict[str, Any] = {}
    vectors = []
    for column in columns:
        numeric = column.kind is ColumnKind.NUMERIC
        shape = (column.length,) if column.kind is ColumnKind.MULTI else ()
        tensor = keras.Input(shape, dtype="float32" if numeric else "int32", name=column.name)
        inputs[column.name] = tensor
        if numeric:
            vectors.append(keras.layers.Reshape((1,))(tensor))
        else:
            layer = MeanEmbedding if column.kind is ColumnKind.MULTI else Embedding
            vectors.append(layer(column.size, embedding_dim, l2=l2)(tensor))
    return inputs, vectors


def task_output(data: DataSpec, score: Any) -> Any:
    """Returns a model's output [B, 1] from its score [B, 1].

    Ratings: the score is added to the mean label. Clicks: a probability. Implicit
    data: the score itself, a logit.
    """
    if data.task is Task.RATING:
        return keras.layers.Rescaling(1.0, offset=data.label_mean, name="rating")(score)
    if data.task is Task.CLICK:
        return keras.layers.Activation("sigmoid", name="probability")(score)
    return score
