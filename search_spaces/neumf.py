"""NeuMF: score(u, i) = h . [p_u * q_i, MLP([p'_u, q'_i])].

He et al. 2017, "Neural Collaborative Filtering", arXiv 1708.05031, equation 12: generalised matrix
factorisation (GMF) and an MLP, each with its own embeddings, joined by one dense layer.
Pre-training (section 3.4.1) first trains both parts separately, then joins them as h <- [a h_GMF,
(1 - a) h_MLP] with a = 0.5. Here pre-training is a hyperparameter, with `pretrain_epochs` epochs
for each part.
"""

from typing import Any

from keras import Model, layers, ops
from keras_tuner import HyperParameters

from recsearch.data.vocabulary import DataSpec
from recsearch.nn import (
    Embedding,
    Pretraining,
    Recommender,
    compile_model,
    compile_recommender,
    id_inputs,
    mlp,
    read_training,
    task_output,
)

GMF_SHARE = 0.5  # a in the paper


def build(hp: HyperParameters, data: DataSpec) -> Recommender:
    """Returns the recommender: GMF and MLP side by side, with or without pre-training."""
    user, item = id_inputs()
    gmf_dim = hp.Int("embedding_dim", 4, 256, step=2, sampling="log", default=32)
    mlp_dim = hp.Int("mlp_embedding_dim", 4, 256, step=2, sampling="log", default=32)
    l2 = hp.Float("l2", 1e-6, 1e-1, sampling="log", default=1e-4)

    def vectors(part: str, dim: int) -> tuple[Any, Any]:
        return (
            Embedding(data.num_users, dim, l2=l2, name=f"{part}_user")(user),
            Embedding(data.num_items, dim, l2=l2, name=f"{part}_item")(item),
        )

    gmf = layers.Multiply()(vectors("gmf", gmf_dim))
    tower = mlp(hp, layers.Concatenate()(vectors("mlp", mlp_dim)))
    join = layers.Dense(1, name="join")
    score = join(layers.Concatenate()([gmf, tower]))
    model = Model([user, item], task_output(data, score), name="neumf")

    training = read_training(hp, data)
    pretrain = hp.Boolean("pretrain")
    with hp.conditional_scope("pretrain", [True]):
        epochs = hp.Int("pretrain_epochs", 1, 3, default=1)
    pretraining = None
    if pretrain:
        heads = [layers.Dense(1, name=f"{part}_head") for part in ("gmf", "mlp")]
        parts = [
            Model([user, item], task_output(data, head(x)), name=head.name)
            for head, x in zip(heads, (gmf, tower), strict=True)
        ]
        for part in parts:
            compile_model(part, training, data)
        pretraining = Pretraining(tuple(parts), epochs, lambda: _join(join, *heads))
    return compile_recommender(model, training, data, pretraining)


def _join(join: layers.Dense, gmf_head: layers.Dense, mlp_head: layers.Dense) -> None:
    """Sets the weights of the joining layer from the weights of the two heads."""
    shares = (GMF_SHARE, 1 - GMF_SHARE)
    heads = (gmf_head, mlp_head)
    join.kernel.assign(ops.concatenate([a * h.kernel for a, h in zip(shares, heads, strict=True)]))
    join.bias.assign(sum(a * h.bias for a, h in zip(shares, heads, strict=True)))
