from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsearch.nn import BPR, Embedding, HashedCross, Listwise, MeanEmbedding, SparseAdam

TABLE = np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], np.float32)


def with_table(layer: keras.layers.Layer, indices) -> np.ndarray:
    layer.build(np.shape(indices))
    layer.embeddings.assign(TABLE)
    return np.asarray(layer(tf.constant(indices, tf.int32)))


@pytest.mark.parametrize("indices", [[2, 0, 1], [[1, 3], [0, 0]]], ids=["vector", "matrix"])
def test_embedding_equals_that_of_keras(indices) -> None:
    ours = with_table(Embedding(4, 2), indices)
    theirs = with_table(keras.layers.Embedding(4, 2), indices)
    np.testing.assert_array_equal(ours, theirs)


def test_embedding_penalty_is_the_mean_squared_length_of_the_rows_of_the_batch() -> None:
    layer = Embedding(4, 2, l2=0.1)
    with_table(layer, [1, 2, 1])
    assert len(layer.losses) == 1
    assert float(layer.losses[0]) == pytest.approx(0.1 * ((1 + 4) + (9 + 16) + (1 + 4)) / 3)


def test_embedding_penalty_of_a_matrix_of_indices_is_the_mean_over_all_of_them() -> None:
    layer = Embedding(4, 2, l2=0.1)
    with_table(layer, [[1, 2], [0, 3]])
    assert float(layer.losses[0]) == pytest.approx(0.1 * ((1 + 4) + (9 + 16) + 0 + (25 + 36)) / 4)


def test_mean_embedding_penalty_leaves_padding_out() -> None:
    layer = MeanEmbedding(4, 2, l2=0.1)
    with_table(layer, [[1, 3, 0], [2, 0, 0]])
    assert float(layer.losses[0]) == pytest.approx(0.1 * ((1 + 4) + (25 + 36) + (9 + 16)) / 3)


def test_embedding_without_l2_has_no_penalty() -> None:
    layer = Embedding(4, 2)
    with_table(layer, [1])
    assert layer.losses == []


def test_embedding_gradient_names_rows() -> None:
    layer = Embedding(4, 2, l2=0.5)
    layer.build((None,))
    layer.embeddings.assign(TABLE)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(tf.constant([2, 2]))) + layer.losses[0]
    gradient = tape.gradient(loss, layer.embeddings.value)
    assert isinstance(gradient, tf.IndexedSlices)
    expected = np.zeros((4, 2))
    expected[2] = 2 + 0.5 * 2 * TABLE[2]  # two lookups; d/dw of l2 * mean over both of |w|^2
    np.testing.assert_allclose(tf.convert_to_tensor(gradient), expected)


def test_embedding_initial_spread_is_a_standard_deviation() -> None:
    layer = Embedding(500, 20, embeddings_initializer=0.2)
    layer.build((None,))
    assert np.std(layer.embeddings) == pytest.approx(0.2, rel=0.05)


def test_mean_embedding_ignores_padding() -> None:
    mean = with_table(MeanEmbedding(4, 2), [[1, 3, 0], [2, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(mean, [[(1 + 5) / 2, (2 + 6) / 2], [3, 4], [0, 0]])


def test_mean_embedding_does_not_depend_on_the_row_of_padding() -> None:
    layer = MeanEmbedding(4, 2)
    layer.build((None, 2))
    layer.embeddings.assign(TABLE + 100.0)
    np.testing.assert_allclose(layer(tf.constant([[0, 1]])), [[101, 102]])


def test_hashed_cross_stays_in_range_and_repeats() -> None:
    left = tf.range(1, 2001, dtype=tf.int32)
    right = tf.reverse(left, [0])
    first, second = (np.asarray(HashedCross(50)([left, right])) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.int32
    assert (first.min(), first.max()) == (1, 49)
    counts = np.bincount(first, minlength=50)[1:]  # 2000 / 49 = 41 expected in each
    assert counts.min() > 10
    assert counts.max() < 90


def test_hashed_cross_of_huge_indices_stays_in_range() -> None:
    largest = tf.constant([2**31 - 1], tf.int32)
    assert 1 <= int(HashedCross(7)([largest, largest])[0]) < 7


def test_hashed_cross_tells_left_from_right() -> None:
    one, two = tf.constant([1]), tf.constant([2])
    cross = HashedCross(100_000)
    assert int(cross([one, two])[0]) != int(cross([two, one])[0])


def test_hashed_cross_of_padding_is_bucket_0() -> None:
    crossed = HashedCross(10)([tf.constant([3, 4]), tf.constant([[5, 0], [0, 5]])])
    assert crossed.shape == (2, 2)
    assert int(crossed[0, 1]) == int(crossed[1, 0]) == 0
    assert int(crossed[0, 0]) > 0
    alone = HashedCross(10)([tf.constant([3]), tf.constant([5])])
    assert int(crossed[0, 0]) == int(alone[0])


@pytest.mark.parametrize(
    "loss",
    [BPR(2), Listwise(keras.losses.CategoricalCrossentropy(from_logits=True), 2)],
    ids=["bpr", "listwise"],
)
def test_model_of_all_custom_layers_survives_saving(tmp_path: Path, loss) -> None:
    user = keras.Input((), dtype="int32", name="user_id")
    genres = keras.Input((3,), dtype="int32", name="item_genres")
    crossed = MeanEmbedding(20, 4, l2=1e-3)(HashedCross(20)([user, genres]))
    vectors = [Embedding(10, 4, "zeros", l2=1e-2)(user), MeanEmbedding(8, 4)(genres), crossed]
    score = keras.layers.Dense(1)(keras.layers.Concatenate()(vectors))
    model = keras.Model([user, genres], score)
    model.compile(SparseAdam(0.01), loss)
    inputs = [np.array([1, 2, 3], np.int32), np.array([[1, 2, 0], [7, 0, 0], [0, 0, 0]], np.int32)]
    model.train_on_batch(inputs, np.array([1.0, 0.0, 0.0]))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(inputs), model(inputs))
    assert again.loss.get_config() == loss.get_config()
    assert isinstance(again.optimizer, SparseAdam)
    assert int(again.optimizer.iterations) == 1
