import keras
import numpy as np
import pytest
import tensorflow as tf

from recsearch.nn import CosineScores

ITEMS = np.array([[3.0, 4.0], [0.0, -2.0], [-4.0, 3.0]], np.float32)


def layer_of(items: np.ndarray, temperature: float) -> CosineScores:
    layer = CosineScores(len(items), temperature)
    layer.build((None, items.shape[1]))
    layer.item_vector.assign(items)
    return layer


def test_scores_are_cosines_over_the_temperature_by_hand() -> None:
    scores = layer_of(ITEMS, temperature=0.5)(tf.constant([[6.0, 8.0], [0.0, 1.0]]))
    np.testing.assert_allclose(scores, [[2.0, -1.6, 0.0], [1.6, -2.0, 1.2]], atol=1e-6)


def test_lengths_do_not_count() -> None:
    vector = tf.constant([[1.0, 2.0]])
    expected = layer_of(ITEMS, 0.1)(vector)
    longer = layer_of(ITEMS * np.array([[10.0], [0.1], [3.0]], np.float32), 0.1)(7.0 * vector)
    np.testing.assert_allclose(longer, expected, rtol=1e-5, atol=1e-5)


def test_a_vector_of_length_zero_scores_zero() -> None:
    np.testing.assert_array_equal(layer_of(ITEMS, 0.1)(tf.zeros([1, 2])), np.zeros((1, 3)))
    layer = layer_of(np.zeros_like(ITEMS), 0.1)
    np.testing.assert_array_equal(layer(tf.ones([1, 2])), np.zeros((1, 3)))


def test_gradient_turns_vectors_and_leaves_their_lengths() -> None:
    layer = layer_of(ITEMS, 0.5)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(tf.constant([[1.0, 0.0]])) ** 2)
    gradient = tape.gradient(loss, layer.item_vector.value)
    # A cosine does not change along its own vector: the gradient is at right angles to it.
    np.testing.assert_allclose(np.sum(gradient * ITEMS, axis=1), 0, atol=1e-5)
    assert np.abs(gradient).max() > 0.1


def test_layer_is_rebuilt_from_its_configuration(tmp_path) -> None:
    vector = keras.Input((2,))
    model = keras.Model(vector, CosineScores(3, 0.2, stddev=0.3)(vector))
    assert model.output_shape == (None, 3)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].get_config() == model.layers[-1].get_config()
    np.testing.assert_array_equal(loaded(np.ones((1, 2))), model(np.ones((1, 2))))


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_that_is_not_above_zero_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature must be above 0"):
        CosineScores(3, temperature)
