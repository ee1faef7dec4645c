from dataclasses import replace

import keras
import keras_tuner
import numpy as np
import pytest

from recsearch.data.interactions import ColumnKind
from recsearch.data.task import Task
from recsearch.data.vocabulary import ColumnSpec, DataSpec
from recsearch.nn import column_vectors, id_inputs, mlp, task_output

SPEC = DataSpec(Task.RATING, 5, 6, 1_000, label_mean=3.5, label_min=1.0, label_max=5.0)


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
