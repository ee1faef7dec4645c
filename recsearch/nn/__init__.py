"""Layers, losses and optimizers for search spaces; no checks, and no feeding of models.

A space imports from here: `from recsearch.nn import BPR, Embedding, Recommender, ...`.
"""

from recsearch.contract.examples import Bags, Negatives, NextItem, Pairs
from recsearch.contract.inputs.bag_input import BAG, BAG_AGE, BAG_LABELS
from recsearch.contract.recommender import Pretraining, Recommender
from recsearch.nn.blocks import bag_inputs, biases, column_vectors, id_inputs, mlp, task_output
from recsearch.nn.byte_dropout import ByteDropout
from recsearch.nn.compiling import (
    compile_model,
    compile_recommender,
    read_bag_training,
    read_half_life,
    read_training,
)
from recsearch.nn.cosine import CosineScores
from recsearch.nn.embedding import Embedding, HashedCross, MeanEmbedding
from recsearch.nn.gaussian_code import GaussianCode
from recsearch.nn.losses import (
    BPR,
    Listwise,
    Multinomial,
    ObservedSquaredError,
    PairwiseHinge,
    SampledSoftmax,
)
from recsearch.nn.optimizers import (
    SparseAdagrad,
    SparseAdam,
    SparseRMSprop,
    SparseSGD,
    make_optimizer,
)
from recsearch.nn.recency import RecentBag, mean_target

__all__ = [
    "BAG",
    "BAG_AGE",
    "BAG_LABELS",
    "BPR",
    "Bags",
    "ByteDropout",
    "CosineScores",
    "Embedding",
    "GaussianCode",
    "HashedCross",
    "Listwise",
    "MeanEmbedding",
    "Multinomial",
    "Negatives",
    "NextItem",
    "ObservedSquaredError",
    "Pairs",
    "PairwiseHinge",
    "Pretraining",
    "RecentBag",
    "Recommender",
    "SampledSoftmax",
    "SparseAdagrad",
    "SparseAdam",
    "SparseRMSprop",
    "SparseSGD",
    "bag_inputs",
    "biases",
    "column_vectors",
    "compile_model",
    "compile_recommender",
    "id_inputs",
    "make_optimizer",
    "mean_target",
    "mlp",
    "read_bag_training",
    "read_half_life",
    "read_training",
    "task_output",
]
