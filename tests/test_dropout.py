"""Dropout by one byte per element: what dropout is, and where the mask is drawn by Keras."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from recsearch.nn.byte_dropout import ByteDropout, ByteMask
from recsearch.training.step import training_step

ONES = np.ones((256, 24), np.float32)


def masks(rate: float, draws: int, shape: tuple[int, ...], first_seed: int = 0) -> np.ndarray:
    """Returns masks of a rate, [draws, *shape]."""
    mask = ByteMask.of(rate)
    draw = tf.function(lambda seed: mask.draw(tf.zeros(shape), seed))
    return np.stack([draw(tf.constant([first_seed, step])) for step in range(draws)])


def dropout_model(rate: float = 0.3, **settings: Any) -> keras.Model:
    """Returns a model that is one layer of dropout; settings are the layer's."""
    values = keras.Input(ONES.shape[1:])
    return keras.Model(values, ByteDropout(rate, **settings)(values))


def in_training(model: keras.Model) -> np.ndarray:
    return np.asarray(model(ONES, training=True))


@pytest.mark.parametrize("rate", [0.002, 0.1, 0.2, 0.5, 0.9, 0.99])
def test_rate_is_met_over_draws_and_positions(rate: float) -> None:
    dropped = masks(rate, 500, (10, 33)) == 0
    # 165,000 elements; those of a draw share a threshold, which moves its rate by 1/256 at most.
    deviation = np.sqrt(rate * (1 - rate) / dropped.size + 0.5**2 / 256**2 / len(dropped))
    assert abs(dropped.mean() - rate) < 4.5 * deviation
    # Each position is 500 draws.
    deviation = np.sqrt((rate * (1 - rate) + 0.5**2 / 256**2) / len(dropped))
    assert abs(dropped.mean(axis=0) - rate).max() < 6 * deviation + 1 / len(dropped)


def test_half_drops_half_of_all_bytes_and_doubles_the_rest() -> None:
    assert ByteMask.of(0.5) == ByteMask(lower=128, odds=0)
    np.testing.assert_array_equal(np.unique(masks(0.5, 3, (50, 50))), [0, 2])


def test_tenth_is_26_of_256_in_six_draws_of_ten() -> None:
    assert ByteMask.of(0.1) == ByteMask(lower=25, odds=int(0.6 * 2**32))  # 25.6 of 256
    drawn = masks(0.1, 2000, (40,))
    scales = drawn.max(axis=1)  # that all 40 are dropped does not happen
    np.testing.assert_allclose(np.unique(scales), [256 / 231, 256 / 230], rtol=1e-6)
    more = scales > 256 / 230.5  # 0.4 * 25 + 0.6 * 26 = 25.6
    assert abs(more.mean() - 0.6) < 4.5 * np.sqrt(0.6 * 0.4 / 2000)


@given(st.floats(1e-6, 1 - 1 / 256, exclude_max=True))
def test_expectation_is_one_and_rate_exact_for_any_rate(rate: float) -> None:
    mask = ByteMask.of(rate)
    odds = mask.odds / 2**32
    thresholds = np.array([mask.lower, mask.lower + 1])
    assert 0 <= mask.lower <= 254
    assert 0 <= odds < 1
    assert np.dot([1 - odds, odds], thresholds / 256) == pytest.approx(rate, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(
    st.floats(0.01, 0.99),
    st.lists(st.integers(0, 6), max_size=4),
    st.integers(-(2**31), 2**31 - 1),
    st.sampled_from(["float16", "bfloat16", "float32", "float64"]),
)
def test_mask_is_zero_or_one_scale_in_any_shape_and_type(
    rate: float, shape: list[int], seed: int, dtype: str
) -> None:
    mask = ByteMask.of(rate)
    drawn = mask.draw(tf.zeros(shape, dtype), tf.constant([seed, 7]))
    assert drawn.shape == shape
    assert drawn.dtype == dtype
    kept = np.unique(np.asarray(tf.cast(drawn, tf.float64)))
    kept = kept[kept > 0]
    assert kept.size <= 1
    scales = [256 / (256 - mask.lower), 256 / (255 - mask.lower)]
    assert all(np.isclose(scales, scale, rtol=0.01).any() for scale in kept)


def test_elements_of_a_draw_do_not_depend_on_each_other() -> None:
    dropped = (masks(0.5, 400, (4, 16)) == 0).reshape(400, 64)
    correlation = np.corrcoef(dropped.T) - np.eye(64)
    assert abs(correlation).max() < 6 / np.sqrt(400)


def test_same_seed_gives_the_same_mask() -> None:
    first, again = masks(0.3, 2, (20, 20)), masks(0.3, 2, (20, 20))
    np.testing.assert_array_equal(first, again)
    assert (first[0] != first[1]).any()
    assert (first != masks(0.3, 2, (20, 20), first_seed=1)).any()


def test_steps_differ_and_follow_the_seed_state_of_the_layer() -> None:
    model = dropout_model(seed=5)
    state = model.layers[1].seed_generator.state
    first, second = in_training(model), in_training(model)
    assert (first != second).any()
    np.testing.assert_array_equal(np.asarray(state), [5, 2])
    state.assign([5, 0])
    np.testing.assert_array_equal(in_training(model), first)
    np.testing.assert_array_equal(in_training(model), second)


def test_layers_of_a_model_differ() -> None:
    values = keras.Input(ONES.shape[1:])
    both = [ByteDropout(0.5)(values) for _ in range(2)]
    model = keras.Model(values, both)
    first, second = model(ONES, training=True)
    assert np.asarray(first != second).mean() == pytest.approx(0.5, abs=0.05)


def test_epoch_in_a_graph_draws_as_single_steps_do() -> None:
    eager, traced = dropout_model(seed=2), dropout_model(seed=2)
    call = tf.function(lambda values: traced(values, training=True))
    for _ in range(3):
        np.testing.assert_array_equal(call(tf.constant(ONES)), in_training(eager))


def test_gradient_is_the_mask() -> None:
    model = dropout_model(seed=1)
    values = tf.Variable(np.random.default_rng(0).normal(size=ONES.shape).astype("float32"))
    with tf.GradientTape() as tape:
        dropped = model(values, training=True)
        total = tf.reduce_sum(3 * dropped)
    mask = np.where(dropped == 0, 0, np.divide(dropped, values))
    assert 0 < (mask == 0).mean() < 1
    np.testing.assert_allclose(tape.gradient(total, values), 3 * mask, rtol=1e-6)


def test_layer_inside_a_wrapper_works() -> None:
    values = keras.Input((5, 4))
    model = keras.Model(values, keras.layers.TimeDistributed(ByteDropout(0.5))(values))
    drawn = model(np.ones((30, 5, 4), np.float32), training=True)
    np.testing.assert_array_equal(np.unique(drawn), [0, 2])


@pytest.mark.parametrize(
    ("rate", "others"),
    [(0.3, {"noise_shape": (256, 1)}), (0.0, {}), (255 / 256, {}), (1.0, {})],
)
def test_mask_is_keras_own_where_bytes_do_not_serve(rate: float, others: dict[str, Any]) -> None:
    layer, plain = (kind(rate, seed=5, **others) for kind in (ByteDropout, keras.layers.Dropout))
    for _ in range(2):
        ours, theirs = layer(ONES, training=True), plain(ONES, training=True)
        np.testing.assert_array_equal(ours, theirs)


def test_mask_is_not_keras_own_otherwise() -> None:
    layer, plain = (kind(0.5, seed=5) for kind in (ByteDropout, keras.layers.Dropout))
    assert (layer(ONES, training=True) != plain(ONES, training=True)).numpy().any()


def test_inference_gives_the_values_and_leaves_the_seed_state() -> None:
    model = dropout_model(seed=4)
    np.testing.assert_array_equal(model(ONES), ONES)
    np.testing.assert_array_equal(model.predict(ONES, verbose=0), ONES)
    np.testing.assert_array_equal(np.asarray(model.layers[1].seed_generator.state), [4, 0])


def test_whole_numbers_are_refused_as_keras_refuses_them() -> None:
    values = keras.Input((3,), dtype="int32")
    model = keras.Model(values, ByteDropout(0.3, dtype="int32")(values))
    with pytest.raises(ValueError, match="floating point"):
        model(np.ones((2, 3), np.int32), training=True)


def test_saved_model_is_loaded_with_the_same_masks(tmp_path: Path) -> None:
    model = dropout_model(seed=3, name="drop")
    first = in_training(model)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again.layers[1]) is ByteDropout
    assert again.get_config() == model.get_config()
    # Keras saves the seed, not how many draws were made of it.
    np.testing.assert_array_equal(in_training(again), first)


def test_settings_are_those_of_keras() -> None:
    layer, plain = (kind(0.25, seed=7, name="drop") for kind in (ByteDropout, keras.layers.Dropout))
    assert layer.get_config() == plain.get_config()


def test_dropout_of_a_user_is_left_to_keras() -> None:
    values = keras.Input(ONES.shape[1:], name="item_id")
    dropout = keras.layers.Dropout(0.5, seed=5)
    model = keras.Model(values, keras.layers.Dense(1)(dropout(values)))
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    training_step(model)(tf.constant(ONES), tf.zeros((256, 1)))
    assert type(dropout) is keras.layers.Dropout
    assert "call" not in vars(dropout)
    plain = keras.layers.Dropout(0.5, seed=5)
    plain(ONES, training=True)  # the step drew once
    np.testing.assert_array_equal(dropout(ONES, training=True), plain(ONES, training=True))
