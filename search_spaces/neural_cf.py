"""Neural collaborative filtering: score(u, i) = h . MLP([p_u, q_i]) + b_u + b_i.

He et al. 2017, "Neural Collaborative Filtering", arXiv 1708.05031, section 3.3 (their MLP part):
two embeddings are concatenated and passed through dense layers with ReLU. The biases are an
addition: the MLP does not have to learn which users give, and which items get, high ratings.
"""

from keras import Model, layers
from keras_tuner import HyperParameters

from recsearch.data.vocabulary import DataSpec
from recsearch.nn import (
    Embedding,
    Recommender,
    biases,
    compile_recommender,
    id_inputs,
    mlp,
    read_training,
    task_output,
)


def build(hp: HyperParameters, data: DataSpec) -> Recommender:
    """Returns the recommender: two embeddings, concatenation, MLP, biases."""
    user, item = id_inputs()
    dim = hp.Int("embedding_dim", 4, 256, step=2, sampling="log", default=32)
    l2 = hp.Float("l2", 1e-6, 1e-1, sampling="log", default=1e-4)
    user_vector = Embedding(data.num_users, dim, l2=l2, name="user_vector")(user)
    item_vector = Embedding(data.num_items, dim, l2=l2, name="item_vector")(item)
    x = mlp(hp, layers.Concatenate()([user_vector, item_vector]))
    score = layers.Add()([layers.Dense(1)(x), *biases(data, user, item, l2)])
    model = Model([user, item], task_output(data, score), name="neural_cf")
    return compile_recommender(model, read_training(hp, data), data)
