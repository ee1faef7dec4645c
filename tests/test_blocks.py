from dataclasses import replace

import keras
import keras_tuner
import numpy as np
import pytest

from recsearch.data.interactions import ColumnKind, Task
from recsearch.data.vocabulary import ColumnSpec, DataSpec
from recsearch.nn import (
    BPR,
    Negatives,
    Pairs,
    SparseAdam,
    SparseSGD,
    column_vectors,
    compile_recommender,
    id_inputs,
    mlp,
    read_training,
    task_output,
)
from recsearch.nn.blocks import LARGE_DATA, TrainingChoices

SPEC = DataSpec(Task.RATING, 5, 6, 1_000, label_mean=3.5, label_min=1.0, label_max=5.0)
CHOICES = TrainingChoices("adam", 0.01, 128)


def hp_with(**values) -> keras_tuner.HyperParameters:
    hp = keras_tuner.HyperParameters()
    hp.values = values
    return hp


def score_model(task: Task) -> keras.Model:
    score = keras.Input((1,), name="item_id")
    return keras.Model(score, task_output(replace(SPEC, task=task), score))


def test_id_inputs_are_indices_of_shape_b() -> None:
    user, item = id_inputs()
    assert (user.name, item.name) == ("user_id", "item_id")
    assert (user.shape, user.dtype, item.shape) == ((None,), "int32", (None,))


@pytest.mark.parametrize(
    ("values", "widths"),
    [
        ({}, [64, 32]),
        ({"num_layers": 1, "units_1": 16}, [16]),
        ({"num_layers": 3, "units_2": 128, "units_3": 32}, [64, 128, 32]),
    ],
)
def test_mlp_has_as_many_layers_as_chosen(values: dict, widths: list[int]) -> None:
    x = keras.Input((8,))
    hp = hp_with(**values)
    model = keras.Model(x, mlp(hp, x))
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert [layer.units for layer in dense] == widths
    active = {name for name in hp.values if name.startswith("units_")}
    assert active == {f"units_{n}" for n in range(1, len(widths) + 1)}


def test_column_vectors_follow_the_kind_of_the_column() -> None:
    columns = (
        ColumnSpec("user_age", ColumnKind.CATEGORICAL, size=4),
        ColumnSpec("item_year", ColumnKind.NUMERIC),
        ColumnSpec("item_genres", ColumnKind.MULTI, size=7, length=3),
    )
    inputs, vectors = column_vectors(columns, 8)
    assert [(name, t.shape, t.dtype) for name, t in inputs.items()] == [
        ("user_age", (None,), "int32"),
        ("item_year", (None,), "float32"),
        ("item_genres", (None, 3), "int32"),
    ]
    assert [vector.shape for vector in vectors] == [(None, 8), (None, 1), (None, 8)]


def test_column_vectors_of_no_columns_are_none() -> None:
    assert column_vectors((), 8) == ({}, [])


@pytest.mark.parametrize(
    ("task", "expected"),
    [(Task.RATING, 3.5 + 2.0), (Task.CLICK, 1 / (1 + np.exp(-2.0))), (Task.IMPLICIT, 2.0)],
)
def test_task_output_by_hand(task: Task, expected: float) -> None:
    assert float(score_model(task)(np.array([[2.0]]))[0, 0]) == pytest.approx(expected)


def test_read_training_takes_the_learning_rate_of_the_optimizer() -> None:
    adam = read_training(hp_with(learning_rate=0.001, batch_size=512), SPEC)
    assert adam == TrainingChoices("adam", 0.001, 512)
    sgd = read_training(hp_with(optimizer="sgd", sgd_learning_rate=0.5, learning_rate=0.001), SPEC)
    assert (sgd.optimizer, sgd.learning_rate) == ("sgd", 0.5)


def test_read_training_of_implicit_data_adds_negatives_and_loss() -> None:
    hp = hp_with(num_negatives=2, loss="bpr")
    training = read_training(hp, replace(SPEC, task=Task.IMPLICIT))
    assert (training.num_negatives, training.loss) == (2, "bpr")


@pytest.mark.parametrize(("count", "smallest"), [(LARGE_DATA - 1, 256), (LARGE_DATA, 1024)])
def test_read_training_takes_larger_batches_of_large_data(count: int, smallest: int) -> None:
    hp = hp_with()
    read_training(hp, replace(SPEC, num_interactions=count))
    batch_size = next(x for x in hp.space if x.name == "batch_size")
    assert list(batch_size.values) == [smallest, 2 * smallest, 4 * smallest, 8 * smallest]


@pytest.mark.parametrize(
    ("task", "training", "loss", "examples"),
    [
        (Task.RATING, CHOICES, "mse", Pairs()),
        (Task.CLICK, CHOICES, {"from_logits": False}, Pairs()),
        (
            Task.IMPLICIT,
            replace(CHOICES, num_negatives=3, loss="bce"),
            {"from_logits": True},
            Negatives(3),
        ),
        (
            Task.IMPLICIT,
            replace(CHOICES, num_negatives=3, loss="bpr"),
            {"num_negatives": 3},
            Negatives(3),
        ),
    ],
)
def test_compile_recommender_chooses_loss_and_examples(task, training, loss, examples) -> None:
    model = score_model(task)
    recommender = compile_recommender(model, training, replace(SPEC, task=task))
    assert (recommender.model, recommender.examples) == (model, examples)
    assert recommender.batch_size == 128
    assert isinstance(model.optimizer, SparseAdam)
    if isinstance(loss, str):
        assert model.loss == loss
    else:
        assert loss.items() <= model.loss.get_config().items()
        assert isinstance(model.loss, BPR) == ("num_negatives" in loss)


def test_compile_recommender_uses_optimizer_and_rate() -> None:
    model = score_model(Task.RATING)
    compile_recommender(model, TrainingChoices("sgd", 0.25, 64), SPEC)
    assert isinstance(model.optimizer, SparseSGD)
    assert float(model.optimizer.learning_rate) == 0.25
