"""A small model whose training is not random, and recommenders with callbacks."""

from typing import Any

import keras
from keras import callbacks as kc
from prepared import prepared

from recsearch.data.task import Task
from recsearch.nn import Embedding, Pairs, Recommender


def small_model(learning_rate: Any = 0.5) -> keras.Model:
    """A bias an item; with plain SGD nothing in it is random."""
    spec = prepared(Task.RATING).spec
    user = keras.Input((), dtype="int32", name="user_id")
    item = keras.Input((), dtype="int32", name="item_id")
    score = Embedding(spec.num_items, 1, "zeros")(item)
    model = keras.Model([user, item], keras.layers.Rescaling(1.0, offset=3.0)(score))
    optimizer = keras.optimizers.SGD(learning_rate, momentum=0.5)
    model.compile(optimizer, "mse", metrics=["mae"])
    return model


def recommender(*callbacks: kc.Callback, learning_rate: Any = 0.5) -> Recommender:
    return Recommender(small_model(learning_rate), Pairs(), 400, callbacks=callbacks)
