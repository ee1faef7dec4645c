"""What a search space is built from: layers, losses, optimizers, and the `Recommender` they make.

A space imports from here: `from recsearch.nn import Embedding, Recommender, bpr, ...`.
"""

from recsearch.nn.blocks import (
    column_vectors,
    compile_model,
    compile_recommender,
    id_inputs,
    mlp,
    read_training,
    task_output,
)
from recsearch.nn.embedding import Embedding, HashedCross, MeanEmbedding
from recsearch.nn.losses import BPR, Listwise
from recsearch.nn.optimizers import (
    SparseAdagrad,
    SparseAdam,
    SparseRMSprop,
    SparseSGD,
    make_optimizer,
)
from recsearch.nn.recommender import Negatives, Pairs, Pretraining, Recommender

__all__ = [
    "BPR",
    "Embedding",
    "HashedCross",
    "Listwise",
    "MeanEmbedding",
    "Negatives",
    "Pairs",
    "Pretraining",
    "Recommender",
    "SparseAdagrad",
    "SparseAdam",
    "SparseRMSprop",
    "SparseSGD",
    "column_vectors",
    "compile_model",
    "compile_recommender",
    "id_inputs",
    "make_optimizer",
    "mlp",
    "read_training",
    "task_output",
]
