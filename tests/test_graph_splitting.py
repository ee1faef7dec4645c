"""Tests of recsearch.scoring.by_side; tests/test_splitting.py is about splits of data."""

import keras
import numpy as np
import pytest
from keras import layers

from recsearch.scoring.all_pairs import Affine, OneSide, Product, RowWise, WeightedProduct
from recsearch.scoring.by_side import SplitModel, split_by_side

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


def neumf() -> keras.Model:
    """Dense layers over concatenations, and one over a product and pairs."""
    user, item = ids()
    p, q = vectors(user, item)
    x = layers.Dropout(0.2)(layers.Dense(6, "relu")(layers.Concatenate()(vectors(user, item))))
    x = layers.Dense(3, "relu")(x)
    return keras.Model(
        [user, item], layers.Dense(1)(layers.Concatenate()([layers.Multiply()([p, q]), x]))
    )


def several_units_over_a_product() -> keras.Model:
    user, item = ids()
    p, q = vectors(user, item)
    x = layers.Concatenate()([q, layers.Multiply()([q, p]), p])
    x = layers.Dense(5, "tanh", bias_initializer="normal")(x)
    return keras.Model([user, item], layers.Dense(1, "sigmoid", use_bias=False)(x))


def elementwise() -> keras.Model:
    user, item = ids()
    p, q = vectors(user, item)
    x = layers.ReLU()(layers.Subtract()([p, q]))
    x = layers.Activation("tanh")(layers.Add()([x, layers.Multiply()([p, q]), q]))
    return keras.Model([user, item], layers.Rescaling(2.0, offset=1.0)(layers.Dense(1)(x)))


def layers_of_rows() -> keras.Model:
    """Layers that get their rows: BatchNormalization, a product in three dimensions, Flatten."""
    user, item = ids()
    p, q = (layers.Reshape((2, 2))(x) for x in vectors(user, item))
    x = layers.Flatten()(layers.Dot(axes=(2, 1))([p, q]))
    x = layers.BatchNormalization(moving_mean_initializer="normal")(x)
    return keras.Model([user, item], layers.Dense(1)(x))


class Squared(layers.Dense):
    """A layer of its own that only looks like a Dense one."""

    def call(self, inputs):
        return keras.ops.square(super().call(inputs))


class Doubled(layers.Add):
    def call(self, inputs):
        return 2 * super().call(inputs)


def subclasses_of_known_layers() -> keras.Model:
    user, item = ids()
    p, q = vectors(user, item)
    x = Squared(3)(layers.Concatenate()([p, q]))
    return keras.Model([user, item], layers.Dense(1)(Doubled()([x, layers.Dense(3)(q)])))


def dense_used_twice() -> keras.Model:
    user, item = ids()
    p, q = vectors(user, item)
    shared = layers.Dense(8, "relu")
    x = shared(shared(layers.Concatenate()([p, q])))
    return keras.Model([user, item], layers.Dense(1)(x))


def value_of(name: str, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    if name == "user_age":
        return users.astype(np.float32) / 3
    if name == "item_genres":
        return np.stack([items, (items * 2) % NUM_ITEMS], axis=1)
    return users if name.startswith("user_") else items


def feed(names: tuple[str, ...], users: np.ndarray, items: np.ndarray) -> list[np.ndarray]:
    return [value_of(name, users, items) for name in names]


def every_pair(model: keras.Model) -> np.ndarray:
    """Returns the model's own scores, [users, items]."""
    users, items = (side.ravel().astype(np.int32) for side in np.mgrid[:NUM_USERS, :NUM_ITEMS])
    inputs = keras.tree.map_structure(lambda t: value_of(t.name, users, items), model.input)
    return np.reshape(model(inputs, training=False), (NUM_USERS, NUM_ITEMS))


def catalogue(split: SplitModel) -> np.ndarray:
    """Returns the scores of the parts, [users, items]."""
    users, items = np.arange(NUM_USERS, dtype=np.int32), np.arange(NUM_ITEMS, dtype=np.int32)
    of_user = split.user(feed(split.user_inputs, users, items))
    of_item = split.item(feed(split.item_inputs, users, items))
    return np.asarray(split.scores(of_user, of_item))


@pytest.mark.parametrize(
    "make",
    [
        *(dot_product, concatenated, biased_with_dropout, shared_layers, nested_towers),
        *(with_columns, neumf, several_units_over_a_product, elementwise, dense_used_twice),
        *(layers_of_rows, subclasses_of_known_layers),
    ],
)
def test_split_gives_the_scores_of_the_model(make) -> None:
    model = make()
    split = split_by_side(model)
    assert split is not None
    np.testing.assert_allclose(catalogue(split), every_pair(model), rtol=1e-5, atol=1e-7)


def test_split_puts_each_layer_on_the_side_that_it_depends_on() -> None:
    split = split_by_side(with_columns())
    assert split is not None
    assert split.user_inputs == ("user_age", "user_id")  # Keras orders a dict of inputs by name
    assert split.item_inputs == ("item_genres", "item_id")
    # The scoring layer's product with the user's 5 numbers, and with the item's 4: once each.
    assert [tensor.shape for tensor in split.user.outputs] == [(None, 1)]
    assert [tensor.shape for tensor in split.item.outputs] == [(None, 1)]


def test_widest_tensor_of_the_pairs_leaves_out_what_one_side_computes() -> None:
    widths = {make: split_by_side(make()).width for make in (dot_product, concatenated, neumf)}
    assert widths == {dot_product: 1, concatenated: 5, neumf: 6}


def test_dense_over_a_concatenation_is_a_sum_of_products() -> None:
    split = split_by_side(neumf())
    assert isinstance(split.joint, Affine)
    product, tower = split.joint.parts
    assert isinstance(product, WeightedProduct)  # (p * q) W without p * q
    assert isinstance(tower, Product)
    hidden = tower.operand
    assert isinstance(hidden, Affine)  # Dense(3) of Dropout of Dense(6)
    first = hidden.parts[0].operand.operands[0]
    assert [type(part) for part in first.parts] == [OneSide, OneSide]
    # 6 units of the first layer, and the vector of 4 for the product.
    assert [tensor.shape[-1] for tensor in split.user.outputs] == [4, 6]


def test_split_follows_the_weights_of_the_model() -> None:
    model = neumf()
    split = split_by_side(model)
    before = catalogue(split)
    for weight in model.trainable_variables:
        weight.assign_add(keras.random.normal(weight.shape, stddev=0.3))
    np.testing.assert_allclose(catalogue(split), every_pair(model), rtol=1e-5, atol=1e-6)
    assert np.abs(catalogue(split) - before).max() > 0.01


def test_dense_layer_of_half_precision_is_left_to_itself() -> None:
    user, item = ids()
    dense = layers.Dense(1, dtype="mixed_float16")
    model = keras.Model([user, item], dense(layers.Concatenate()(vectors(user, item))))
    split = split_by_side(model)
    assert isinstance(split.joint, RowWise)
    np.testing.assert_array_equal(catalogue(split), every_pair(model))


def test_bags_are_on_the_side_of_the_user() -> None:
    user, item = ids()
    bag = keras.Input((NUM_ITEMS,), name="bag")
    labels = keras.Input((NUM_ITEMS,), name="bag_labels")
    p, q = vectors(user, item)
    of_user = layers.Add()([p, layers.Dense(4)(layers.Multiply()([bag, labels]))])
    split = split_by_side(keras.Model([bag, item, labels, user], layers.Dot(-1)([of_user, q])))
    assert split.user_inputs == ("bag", "bag_labels", "user_id")
    assert split.item_inputs == ("item_id",)


def test_model_of_several_outputs_a_pair_has_no_split() -> None:
    user, item = ids()
    model = keras.Model([user, item], layers.Multiply()(vectors(user, item)))
    assert split_by_side(model) is None


def test_model_without_a_user_input_has_no_split() -> None:
    item = keras.Input((), dtype="int32", name="item_id")
    assert split_by_side(keras.Model(item, layers.Embedding(NUM_ITEMS, 1)(item))) is None


def test_model_whose_score_ignores_the_user_has_no_split() -> None:
    user, item = ids()
    model = keras.Model([user, item], layers.Embedding(NUM_ITEMS, 1)(item))
    assert split_by_side(model) is None
