"""Tests of recsearch.nn.splitting; tests/test_splitting.py is about splits of data."""

import keras
import numpy as np
import pytest
from keras import layers

from recsearch.nn.splitting import SplitModel, split_by_side

NUM_USERS, NUM_ITEMS = 7, 9


def ids():
    return (
        keras.Input((), dtype="int32", name="user_id"),
        keras.Input((), dtype="int32", name="item_id"),
    )


def vectors(user, item, dim: int = 4):
    return (
        layers.Embedding(NUM_USERS, dim, embeddings_initializer="normal")(user),
        layers.Embedding(NUM_ITEMS, dim, embeddings_initializer="normal")(item),
    )


def dot_product() -> keras.Model:
    user, item = ids()
    return keras.Model([user, item], layers.Dot(axes=-1)(vectors(user, item)))


def concatenated() -> keras.Model:
    user, item = ids()
    x = layers.Dense(5, "relu")(layers.Concatenate()(vectors(user, item)))
    return keras.Model([user, item], layers.Dense(1)(layers.Dropout(0.5)(x)))


def biased_with_dropout() -> keras.Model:
    """Item first, and tensors of one side that enter the joint part at several places."""
    user, item = ids()
    p, q = vectors(user, item)
    bias = layers.Embedding(NUM_ITEMS, 1, embeddings_initializer="normal")(item)
    product = layers.Multiply()([layers.Dropout(0.3)(p), q])
    score = layers.Add()([layers.Dense(1)(layers.Concatenate()([product, q])), bias])
    return keras.Model([item, user], score)


def shared_layers() -> keras.Model:
    user, item = ids()
    shared = layers.Dense(3, "tanh")
    p, q = vectors(user, item)
    return keras.Model([user, item], layers.Dot(axes=-1)([shared(p), shared(q)]))


def nested_towers() -> keras.Model:
    def tower(name: str, rows: int) -> keras.Model:
        index = keras.Input((), dtype="int32", name=name)
        x = layers.Embedding(rows, 4, embeddings_initializer="normal")(index)
        return keras.Model(index, layers.Dense(3)(x))

    user, item = ids()
    towers = [tower("user_id", NUM_USERS)(user), tower("item_id", NUM_ITEMS)(item)]
    return keras.Model([user, item], layers.Dot(axes=-1, normalize=True)(towers))


def with_columns() -> keras.Model:
    user, item = ids()
    age = keras.Input((), name="user_age")
    genres = keras.Input((2,), dtype="int32", name="item_genres")
    genre_vectors = layers.Embedding(NUM_ITEMS, 4, embeddings_initializer="normal")(genres)
    p, q = vectors(user, item)
    of_item = layers.Add()([q, layers.GlobalAveragePooling1D()(genre_vectors)])
    of_user = layers.Concatenate()([p, layers.Reshape((1,))(age)])
    score = layers.Dense(1)(layers.Concatenate()([of_user, of_item]))
    inputs = {tensor.name: tensor for tensor in (user, item, age, genres)}
    return keras.Model(inputs, score)


def value_of(name: str, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    if name == "user_age":
        return users.astype(np.float32) / 3
    if name == "item_genres":
        return np.stack([items, (items * 2) % NUM_ITEMS], axis=1)
    return users if name.startswith("user_") else items


def feed(names: tuple[str, ...], users: np.ndarray, items: np.ndarray) -> list[np.ndarray]:
    return [value_of(name, users, items) for name in names]


def split_scores(split: SplitModel, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    of_user = split.user(feed(split.user_inputs, users, items))
    of_item = split.item(feed(split.item_inputs, users, items))
    return np.asarray(split.joint([*of_user, *of_item]))


@pytest.mark.parametrize(
    "make",
    [dot_product, concatenated, biased_with_dropout, shared_layers, nested_towers, with_columns],
)
def test_split_gives_the_scores_of_the_model(make) -> None:
    model = make()
    users, items = (side.ravel().astype(np.int32) for side in np.mgrid[:NUM_USERS, :NUM_ITEMS])
    split = split_by_side(model)
    assert split is not None
    inputs = keras.tree.map_structure(lambda t: value_of(t.name, users, items), model.input)
    np.testing.assert_array_equal(split_scores(split, users, items), model(inputs, training=False))


def test_split_puts_each_layer_on_the_side_that_it_depends_on() -> None:
    split = split_by_side(with_columns())
    assert split is not None
    assert split.user_inputs == ("user_age", "user_id")  # Keras orders a dict of inputs by name
    assert split.item_inputs == ("item_genres", "item_id")
    assert [tensor.shape for tensor in split.user.outputs] == [(None, 5)]
    assert [tensor.shape for tensor in split.item.outputs] == [(None, 4)]


def test_model_without_a_user_input_has_no_split() -> None:
    item = keras.Input((), dtype="int32", name="item_id")
    assert split_by_side(keras.Model(item, layers.Embedding(NUM_ITEMS, 1)(item))) is None


def test_model_whose_score_ignores_the_user_has_no_split() -> None:
    user, item = ids()
    model = keras.Model([user, item], layers.Embedding(NUM_ITEMS, 1)(item))
    assert split_by_side(model) is None
