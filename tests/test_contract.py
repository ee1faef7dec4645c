"""Models whose output is no score, and tables that are too short for the data."""

from typing import Any

import keras
import pytest
import tensorflow as tf
from prepared import pipeline, prepared

from recsearch.contract.checks.builder_result import as_recommender
from recsearch.contract.recommender import Recommender
from recsearch.data.task import Task
from recsearch.errors import SpaceError
from recsearch.nn import Pairs
from recsearch.nn.embedding import Embedding
from recsearch.training.fit import Fitter

SPEC = prepared(Task.RATING).spec
dense = keras.layers.Dense


def model(output: Any, users: int = SPEC.num_users, table: Any = keras.layers.Embedding) -> Any:
    user = keras.Input((), dtype="int32", name="user_id")
    item = keras.Input((), dtype="int32", name="item_id")
    vectors = [table(users, 4, name="of_users")(user), table(SPEC.num_items, 4)(item)]
    made = keras.Model([user, item], output(keras.layers.Concatenate()(vectors)))
    made.compile("adam", "mse")
    return made


@pytest.mark.parametrize(
    ("output", "received"),
    [
        (lambda x: {"a": dense(1)(x)}, r"a dictionary of 1 \('a': float32 \[batch, 1\]\)"),
        (lambda x: {"a": dense(1)(x), "b": dense(2)(x)}, "a dictionary of 2 .*'b'"),
        (lambda x: [dense(1)(x), dense(1)(x)], r"a list of 2 \(float32 \[batch, 1\], "),
        (dense(5), r"float32 \[batch, 5\]"),
        (keras.layers.Reshape((4, 2)), r"float32 \[batch, 4, 2\]"),
        (lambda x: keras.ops.cast(dense(1)(x), "int32"), r"int32 \[batch, 1\]"),
        (lambda x: dense(1)(x) > 0, r"bool \[batch, 1\]"),
        (keras.ops.sum, r"float32 \[\]"),
    ],
)
def test_output_that_is_no_score_is_refused(output: Any, received: str) -> None:
    message = rf"float scores of shape \[batch\] or \[batch, 1\]\. Received: {received}"
    with pytest.raises(SpaceError, match=message):
        as_recommender(model(output), SPEC, {})


def test_output_of_a_model_of_the_catalogue_must_be_one_tensor() -> None:
    bag = keras.Input((SPEC.num_items,), name="bag")
    made = keras.Model(bag, {"scores": dense(SPEC.num_items)(bag)})
    made.compile("adam", "mse")
    with pytest.raises(SpaceError, match=r"float scores of every item\. Received: a dictionary"):
        as_recommender(made, SPEC, {})


@pytest.mark.parametrize(
    "output",
    [
        dense(1),
        dense(1, dtype="float64"),
        lambda x: keras.ops.sum(x, axis=1),
        lambda x: [dense(1)(x)],
    ],
)
def test_scores_are_accepted(output: Any) -> None:
    as_recommender(model(output), SPEC, {})


@pytest.mark.parametrize("table", [keras.layers.Embedding, Embedding])
def test_table_without_room_for_the_unknown_id_is_refused(table: type) -> None:
    message = (
        r"layer 'of_users' has too few rows for the input user_id: expected at least 81 "
        r"\(data\.num_users, .*unknown user\)\. Received: 80\."
    )
    with pytest.raises(SpaceError, match=message):
        as_recommender(model(dense(1), SPEC.num_users - 1, table), SPEC, {})


def test_table_of_a_column_is_checked_too() -> None:
    column = next(column for column in SPEC.columns if column.size)
    shape = (column.length,) if column.length > 1 else ()
    feature = keras.Input(shape, dtype="int32", name=column.name)
    item = keras.Input((), dtype="int32", name="item_id")
    vectors = keras.layers.Flatten()(keras.layers.Embedding(column.size - 1, 2)(feature))
    scores = dense(1)(keras.layers.Concatenate()([vectors, Embedding(SPEC.num_items, 2)(item)]))
    made = keras.Model([feature, item], scores)
    made.compile("adam", "mse")
    with pytest.raises(
        SpaceError, match=rf"too few rows for the input {column.name}: .*{column.size:,}"
    ):
        as_recommender(made, SPEC, {})


def hidden_table(rows: int) -> keras.Model:
    """The table of the items stands behind another layer, where a build does not see it."""
    item = keras.Input((), dtype="int32", name="item_id")
    table = keras.layers.Embedding(rows, 2, name="of_items")
    vectors = table(keras.layers.Reshape((1,))(item))
    made = keras.Model(item, dense(1)(keras.layers.Flatten()(vectors)))
    made.compile("adam", "mse")
    return made


def test_hidden_table_that_is_too_short_is_named_in_one_sentence() -> None:
    recommender = as_recommender(hidden_table(SPEC.num_items - 1), SPEC, {})
    message = (
        r"The table of the layer 'of_items' has too few rows: expected more than 60, received 60"
    )
    with pytest.raises(SpaceError, match=message) as caught:
        Fitter(recommender, pipeline(Task.RATING), seed=0).run_epoch(0)
    assert "\n" not in str(caught.value)


def test_other_failure_in_the_graph_names_the_layer_in_one_sentence() -> None:
    class Wrong(keras.layers.Layer):
        def call(self, inputs):
            one_too_many = tf.zeros([tf.shape(inputs)[0] + 1, 1])
            return inputs + tf.matmul(tf.transpose(inputs), one_too_many)

        def compute_output_shape(self, shape):
            return shape

    item = keras.Input((), dtype="int32", name="item_id")
    made = keras.Model(item, Wrong(name="wrong")(Embedding(SPEC.num_items, 1)(item)))
    made.compile("adam", "mse")
    fitter = Fitter(Recommender(made, Pairs(), 128), pipeline(Task.RATING), seed=0)
    with pytest.raises(SpaceError, match=r"The model fails in the layer 'wrong': ") as caught:
        fitter.run_epoch(0)
    assert "\n" not in str(caught.value)
