"""Matrix factorisation: score(u, i) = b_u + b_i + p_u . q_i (plus the mean label for ratings).

Koren, Bell, Volinsky 2009, "Matrix Factorization Techniques for Recommender Systems", equation 5.
The global bias is absorbed: by the mean label for ratings, and it changes no ranking.
"""

from keras import Model, layers
from keras_tuner import HyperParameters

from recsearch.data.interactions import Task
from recsearch.data.vocabulary import DataSpec
from recsearch.nn import (
    Embedding,
    Recommender,
    compile_recommender,
    id_inputs,
    read_training,
    task_output,
)

DEFAULT_L2 = {Task.RATING: 0.06}  # squared errors are larger than log losses


def build(hp: HyperParameters, data: DataSpec) -> Recommender:
    """Returns the recommender: two embeddings and their biases, joined by a dot product."""
    user, item = id_inputs()
    dim = hp.Int("embedding_dim", 8, 128, step=2, sampling="log", default=32)
    l2 = hp.Float("l2", 1e-5, 1.0, sampling="log", default=DEFAULT_L2.get(data.task, 1e-3))
    dropout = hp.Float("dropout", 0.0, 0.5, step=0.125, default=0.0)
    user_vector = Embedding(data.num_users, dim, l2=l2, name="user_vector")(user)
    item_vector = Embedding(data.num_items, dim, l2=l2, name="item_vector")(item)
    score = layers.Add()(
        [
            layers.Dot(axes=-1)([layers.Dropout(dropout)(user_vector), item_vector]),
            Embedding(data.num_users, 1, "zeros", l2=l2, name="user_bias")(user),
            Embedding(data.num_items, 1, "zeros", l2=l2, name="item_bias")(item),
        ]
    )
    model = Model([user, item], task_output(data, score), name="matrix_factorization")
    return compile_recommender(model, read_training(hp, data, learning_rate=6e-3), data)
