"""What the built-in spaces share: inputs, the MLP, the output of a task, and how to train.

Each function that takes `hp` adds its hyperparameters to the search space of its caller. A space of
your own may use them or not.

Dimension letters: B batch, D width of a vector.
"""

from dataclasses import dataclass
from typing import Any

import keras
import keras_tuner

from recsearch.data.interactions import ColumnKind, Task
from recsearch.data.vocabulary import ColumnSpec, DataSpec
from recsearch.nn.embedding import Embedding, MeanEmbedding
from recsearch.nn.losses import BPR
from recsearch.nn.optimizers import make_optimizer
from recsearch.nn.recommender import Negatives, Pairs, Pretraining, Recommender

MAX_LAYERS = 3
LARGE_DATA = 300_000  # interactions from which a step should hold more of them


def id_inputs() -> tuple[Any, Any]:
    """Returns the inputs `user_id` [B] and `item_id` [B], int32 indices."""
    return (
        keras.Input((), dtype="int32", name="user_id"),
        keras.Input((), dtype="int32", name="item_id"),
    )


def mlp(hp: keras_tuner.HyperParameters, x: Any) -> Any:
    """Returns x [B, D] after 1 to 3 dense layers with ReLU and dropout.

    Hyperparameters: `num_layers`, `units_<layer>` (layers that exist only; by default a tower that
    halves, as in NCF), `dropout`.
    """
    depth = hp.Int("num_layers", 1, MAX_LAYERS, default=2)
    dropout = hp.Float("dropout", 0.0, 0.5, step=0.125, default=0.125)
    for layer in range(1, MAX_LAYERS + 1):
        with hp.conditional_scope("num_layers", list(range(layer, MAX_LAYERS + 1))):
            width = hp.Int(
                f"units_{layer}", 16, 128, step=2, sampling="log", default=128 // 2**layer
            )
        if layer <= depth:
            x = keras.layers.Dense(width, activation="relu")(x)
            x = keras.layers.Dropout(dropout)(x)
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

    Ratings: the score is what the model adds to the mean label. Clicks: a probability. Implicit
    data: the score itself, a logit.
    """
    if data.task is Task.RATING:
        return keras.layers.Rescaling(1.0, offset=data.label_mean, name="rating")(score)
    if data.task is Task.CLICK:
        return keras.layers.Activation("sigmoid", name="probability")(score)
    return score


@dataclass(frozen=True)
class TrainingChoices:
    """How a model is trained, as the hyperparameters of every built-in space say it.

    Attributes:
        optimizer: adam, rmsprop or sgd.
        learning_rate: Its step size.
        batch_size: Interactions (positives) a step.
        num_negatives: Negatives of each positive; None unless the task is implicit.
        loss: "bce" or "bpr"; None unless the task is implicit.
    """

    optimizer: str
    learning_rate: float
    batch_size: int
    num_negatives: int | None = None
    loss: str | None = None


def read_training(
    hp: keras_tuner.HyperParameters, data: DataSpec, learning_rate: float = 3e-3
) -> TrainingChoices:
    """Returns how to train, from `hp`; `learning_rate` is the default of adam and rmsprop.

    Hyperparameters: `optimizer`, `learning_rate` (adam, rmsprop) or `sgd_learning_rate` (sgd, whose
    steps are not rescaled, so that its range is another), `batch_size`; for implicit data
    `num_negatives` and `loss`.
    """
    optimizer = hp.Choice("optimizer", ["adam", "rmsprop", "sgd"])
    with hp.conditional_scope("optimizer", ["adam", "rmsprop"]):
        adaptive = hp.Float("learning_rate", 1e-4, 3e-2, sampling="log", default=learning_rate)
    with hp.conditional_scope("optimizer", ["sgd"]):
        plain = hp.Float("sgd_learning_rate", 1e-2, 1.0, sampling="log", default=0.3)
    smallest = 1024 if data.num_interactions >= LARGE_DATA else 256
    batch_size = hp.Choice("batch_size", [smallest, 2 * smallest, 4 * smallest, 8 * smallest])
    rate = plain if optimizer == "sgd" else adaptive
    if data.task is not Task.IMPLICIT:
        return TrainingChoices(optimizer, rate, batch_size)
    num_negatives = hp.Int("num_negatives", 1, 8, default=4)
    loss = hp.Choice("loss", ["bce", "bpr"])
    return TrainingChoices(optimizer, rate, batch_size, num_negatives, loss)


def compile_recommender(
    model: keras.Model,
    training: TrainingChoices,
    data: DataSpec,
    pretraining: Pretraining | None = None,
) -> Recommender:
    """Compiles a model for its task and returns the recommender.

    Losses: mean squared error for ratings, binary cross-entropy for clicks (on probabilities),
    binary cross-entropy (on logits) or BPR for implicit data.
    """
    compile_model(model, training, data)
    examples: Pairs | Negatives = Pairs()
    if training.num_negatives is not None:
        examples = Negatives(training.num_negatives)
    return Recommender(model, examples, training.batch_size, pretraining)


def compile_model(model: keras.Model, training: TrainingChoices, data: DataSpec) -> None:
    """Compiles a model with the optimizer and the loss that were chosen."""
    loss: Any = "mse"
    if data.task is Task.CLICK:
        loss = keras.losses.BinaryCrossentropy()
    elif training.loss == "bpr" and training.num_negatives is not None:
        loss = BPR(training.num_negatives)
    elif data.task is Task.IMPLICIT:
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(make_optimizer(training.optimizer, training.learning_rate), loss)
