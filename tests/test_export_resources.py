"""Variables and tables of TensorFlow that a layer holds, in the SavedModel."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from prepared import pipeline, prepared_with_ids

from recsearch.data.task import Task
from recsearch.errors import ExportError
from recsearch.scoring.model_scorer import ModelScorer
from recsearch.serving.saved_model import save_recommender
from recsearch.serving.verify import verify_export

DATA, VOCABULARIES = prepared_with_ids(Task.RATING)
NUM_ITEMS = DATA.spec.num_items


class Looked(keras.layers.Layer):
    """A number for each item, from wherever `look_up` has it; `held` is kept as it is given."""

    def __init__(self, held: Any, look_up: Callable[[Any, Any], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.held = held
        self.look_up = look_up

    def call(self, item: Any) -> Any:
        return self.look_up(self.held, item)[:, tf.newaxis]

    def compute_output_spec(self, item: Any) -> Any:
        return keras.KerasTensor((item.shape[0], 1), dtype="float32")


class AsText(keras.layers.Layer):
    def call(self, index: Any) -> Any:
        return tf.strings.as_string(index)

    def compute_output_spec(self, index: Any) -> Any:
        return keras.KerasTensor(index.shape, dtype="string")


def numbers() -> Any:
    return np.linspace(-1.0, 1.0, NUM_ITEMS).astype(np.float32)


def variable() -> tf.Variable:
    return tf.Variable(numbers(), trainable=False)


def static_table() -> Any:
    keys = tf.range(NUM_ITEMS)
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, numbers()), 0.0)


def mutable_table() -> Any:
    table = tf.lookup.experimental.MutableHashTable(tf.int32, tf.float32, 0.0)
    table.insert(tf.range(NUM_ITEMS), numbers())
    return table


def scorer(of_item: Callable[[Any], Any]) -> ModelScorer:
    user = keras.Input((), dtype="int32", name="user_id")
    item = keras.Input((), dtype="int32", name="item_id")
    vector = keras.layers.Embedding(DATA.spec.num_users, 2)(user)
    both = keras.layers.Concatenate()([vector, of_item(item)])
    model = keras.Model([user, item], keras.layers.Dense(1, bias_initializer="ones")(both))
    model.compile("adam", "mse")
    return ModelScorer(model, pipeline(Task.RATING).feed, DATA.spec)


def embedded(index: Any) -> Any:
    return keras.layers.Embedding(NUM_ITEMS + 2, 2)(index)


def gather(held: Any, item: Any) -> Any:
    return tf.gather(held, item)


LAYERS = {
    "IntegerLookup": lambda item: embedded(
        keras.layers.IntegerLookup(vocabulary=list(range(NUM_ITEMS)))(item)
    ),
    "StringLookup": lambda item: embedded(
        keras.layers.StringLookup(vocabulary=[str(i) for i in range(NUM_ITEMS)])(AsText()(item))
    ),
    "variable": lambda item: Looked(variable(), gather)(item),
    "list of variables": lambda item: Looked([variable()], lambda v, i: gather(v[0], i))(item),
    "dictionary": lambda item: Looked({"a": [variable()]}, lambda v, i: gather(v["a"][0], i))(item),
    "static table": lambda item: Looked(static_table(), lambda t, i: t.lookup(i))(item),
    "mutable table": lambda item: Looked(mutable_table(), lambda t, i: t.lookup(i))(item),
}


QUICK = ("IntegerLookup", "mutable table")
WITH_MARKS = [
    pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in LAYERS
]


@pytest.mark.parametrize("layer", WITH_MARKS)
def test_what_a_layer_holds_is_exported(layer: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    scores = scorer(LAYERS[layer])
    catalogue = scores.score_catalogue(np.array([1], np.int32))[0]
    assert len(np.unique(catalogue)) > 10
    path = save_recommender(tmp_path, scores, DATA, VOCABULARIES)
    verify_export(path, scores, DATA, VOCABULARIES)


@pytest.mark.parametrize("make", [variable, static_table])
def test_what_no_attribute_reaches_is_refused_with_the_layer(make: Any, tmp_path: Path) -> None:
    hidden = make()

    def look_up(_: Any, item: Any) -> Any:
        return hidden.lookup(item) if hasattr(hidden, "lookup") else gather(hidden, item)

    scores = scorer(lambda item: Looked(None, look_up, name="of_items")(item))
    with pytest.raises(ExportError, match=r"The layer 'of_items' uses .* no attribute") as caught:
        save_recommender(tmp_path, scores, DATA, VOCABULARIES)
    assert "\n" not in str(caught.value)
