"""Wide & Deep: score(u, i) = w . [x, crosses(x)] + h . MLP(embeddings(x)).

Cheng et al. 2016, "Wide & Deep Learning for Recommender Systems", arXiv 1606.07792. x contains the
user, the item and their columns, if tables are given. The wide part has a weight per user, per item
and per hashed cross-product of a category of the user and a category of the item; without
categories it crosses user and item. One optimizer trains both parts (the paper uses FTRL for the
wide part).
"""

from itertools import product
from typing import Any

from keras import Model, layers
from keras_tuner import HyperParameters

from recsearch.data.interactions import ColumnKind
from recsearch.data.vocabulary import DataSpec
from recsearch.nn import (
    Embedding,
    HashedCross,
    MeanEmbedding,
    Recommender,
    column_vectors,
    compile_recommender,
    id_inputs,
    mlp,
    read_training,
    task_output,
)

MAX_CROSSES = 12  # the first crosses, if the tables have many columns


def build(hp: HyperParameters, data: DataSpec) -> Recommender:
    """Returns the recommender: a linear part over crosses and an MLP over embeddings."""
    user, item = id_inputs()
    dim = hp.Int("embedding_dim", 4, 256, step=2, sampling="log", default=32)
    column_dim = hp.Int("column_embedding_dim", 4, 16, step=2, sampling="log", default=8)
    l2 = hp.Float("l2", 1e-6, 1e-1, sampling="log", default=1e-4)
    wide_l2 = hp.Float("wide_l2", 1e-6, 1e-1, sampling="log", default=1e-3)
    num_buckets = hp.Int("num_buckets", 1024, 65536, step=4, sampling="log", default=4096)

    columns, vectors = column_vectors(data.columns, column_dim, l2)
    wide = [
        Embedding(data.num_users, 1, "zeros", l2=wide_l2, name="user_weight")(user),
        Embedding(data.num_items, 1, "zeros", l2=wide_l2, name="item_weight")(item),
        *_crosses(data, {"user_id": user, "item_id": item, **columns}, num_buckets, wide_l2),
    ]
    deep = layers.Concatenate()(
        [
            Embedding(data.num_users, dim, l2=l2, name="user_vector")(user),
            Embedding(data.num_items, dim, l2=l2, name="item_vector")(item),
            *vectors,
        ]
    )
    score = layers.Add()([*wide, layers.Dense(1)(mlp(hp, deep))])
    inputs = [user, item, *columns.values()]
    model = Model(inputs, task_output(data, score), name="wide_deep")
    return compile_recommender(model, read_training(hp, data), data)


def _crosses(data: DataSpec, inputs: dict[str, Any], num_buckets: int, l2: float) -> list[Any]:
    """Returns one weight [B, 1] per cross of a user id or category with an item id or category."""
    users = ["user_id", *(c.name for c in data.user_columns if c.kind is ColumnKind.CATEGORICAL)]
    items = ["item_id", *(c.name for c in data.item_columns if c.kind is not ColumnKind.NUMERIC)]
    pairs = [pair for pair in product(users, items) if pair != ("user_id", "item_id")]
    weights = []
    for left, right in (pairs or [("user_id", "item_id")])[:MAX_CROSSES]:
        bucket = HashedCross(num_buckets)([inputs[left], inputs[right]])
        layer = Embedding if len(bucket.shape) == 1 else MeanEmbedding
        weights.append(layer(num_buckets, 1, "zeros", l2=l2)(bucket))
    return weights
