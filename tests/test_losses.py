import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from recsearch.nn import (
    BPR,
    Listwise,
    Multinomial,
    ObservedSquaredError,
    PairwiseHinge,
    SampledSoftmax,
)

# Two lists of one positive and two negatives, flat as a model sees them.
TARGET = np.array([1, 0, 0, 1, 0, 0], np.float32)
SCORE = np.array([2.0, 1.0, 3.0, 0.0, 0.0, 0.0], np.float32)


def minus_log_sigmoid(margin: float) -> float:
    return -math.log(1 / (1 + math.exp(-margin)))


def test_bpr_by_hand() -> None:
    first = (minus_log_sigmoid(2 - 1) + minus_log_sigmoid(2 - 3)) / 2
    second = math.log(2)  # a tie: sigmoid(0) = 1/2
    assert float(BPR(2)(TARGET, SCORE)) == pytest.approx((first + second) / 2)


def test_bpr_takes_the_output_of_a_dense_layer() -> None:
    assert float(BPR(2)(TARGET, SCORE[:, None])) == pytest.approx(float(BPR(2)(TARGET, SCORE)))


def test_bpr_of_each_positive_without_reduction() -> None:
    losses = np.asarray(BPR(2, reduction=None)(TARGET, SCORE))
    assert losses.shape == (2,)
    assert losses[1] == pytest.approx(math.log(2))


def test_bpr_of_large_margins_stays_finite() -> None:
    score = np.array([-1e4, 1e4, 1e4, 1e4, -1e4, -1e4], np.float32)
    assert float(BPR(2)(TARGET, score)) == pytest.approx((2e4 + 0) / 2)


@pytest.mark.parametrize("score", [SCORE, SCORE[:, None]], ids=["flat", "column"])
def test_listwise_folds_lists(score: np.ndarray) -> None:
    softmax = Listwise(keras.losses.CategoricalCrossentropy(from_logits=True), num_negatives=2)
    e = math.exp
    first = -math.log(e(2) / (e(2) + e(1) + e(3)))
    second = -math.log(1 / 3)
    assert float(softmax(TARGET, score)) == pytest.approx((first + second) / 2)


def gradient(loss: keras.losses.Loss, target: np.ndarray, score: np.ndarray) -> np.ndarray:
    scores = tf.constant(score)
    with tf.GradientTape() as tape:
        tape.watch(scores)
        value = loss(target, scores)
    return np.asarray(tape.gradient(value, scores))


def test_hinge_by_hand() -> None:
    # Margins 2 - 1 and 2 - 3; then two ties.
    first = (max(0, 1 - 1) + max(0, 1 + 1)) / 2
    second = (1 + 1) / 2
    assert float(PairwiseHinge(2)(TARGET, SCORE)) == pytest.approx((first + second) / 2)
    assert float(PairwiseHinge(2)(TARGET, SCORE[:, None])) == pytest.approx((first + second) / 2)


def test_hinge_beyond_its_margin_is_0_and_pulls_no_more() -> None:
    score = np.array([5.0, 4.0, -9.0, 0.0, 0.5, -3.0], np.float32)
    losses = np.asarray(PairwiseHinge(2, reduction=None)(TARGET, score))
    assert losses.tolist() == [0, (1 + 0.5) / 2]
    # The second list: one active negative of two, in a mean over two lists.
    assert gradient(PairwiseHinge(2), TARGET, score).tolist() == [0, 0, 0, -0.25, 0.25, 0]


def with_expected(*expected: list[float]) -> np.ndarray:
    """Returns the target of lists whose negatives are expected that often, [B * (1 + k), 2]."""
    lists = [[[1.0, 0.0], *([0.0, math.log(e)] for e in row)] for row in expected]
    return np.array(lists, np.float32).reshape(-1, 2)


@pytest.mark.parametrize("score", [SCORE, SCORE[:, None]], ids=["flat", "column"])
def test_sampled_softmax_by_hand(score: np.ndarray) -> None:
    target = with_expected([0.5, 2.0], [1.0, 0.25])
    e = math.exp
    first = -math.log(e(2) / (e(2) + e(1) / 0.5 + e(3) / 2))
    second = -math.log(1 / (1 + 1 + 1 / 0.25))
    assert float(SampledSoftmax(2)(target, score)) == pytest.approx((first + second) / 2)


def test_sampled_softmax_of_each_unseen_item_once_is_the_full_softmax() -> None:
    score = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)
    # Five uniform draws from five items: each is expected once.
    target = with_expected(*[[1.0] * 5] * 3)
    full = -score[:, 0] + np.log(np.exp(score).sum(axis=1))
    assert float(SampledSoftmax(5)(target, score.ravel())) == pytest.approx(full.mean(), rel=1e-6)


@given(
    st.lists(st.floats(-3, 3, width=32), min_size=5, max_size=5),
    st.lists(st.integers(1, 9), min_size=4, max_size=4),
)
@settings(max_examples=25, deadline=None)
def test_denominator_of_sampled_softmax_is_right_on_average(score, weights) -> None:
    """All 16 ways to draw two of four items, each as probable as it is: the mean is the sum."""
    q = np.array(weights) / sum(weights)
    draws = [(i, j) for i in range(4) for j in range(4)]
    scores = np.array([[score[0], score[1 + i], score[1 + j]] for i, j in draws], np.float32)
    target = with_expected(*[[2 * q[i], 2 * q[j]] for i, j in draws])
    losses = np.asarray(SampledSoftmax(2, reduction=None)(target, scores.ravel()), np.float64)
    denominators = np.exp(losses + score[0])
    mean = sum(q[i] * q[j] * found for (i, j), found in zip(draws, denominators, strict=True))
    assert mean == pytest.approx(np.exp(score).sum(), rel=1e-4)


BAGS = np.array([[0, 1, 0, 1], [0, 0, 1, 0]], np.float32)
SCORES = np.array([[0.5, 2.0, -1.0, 0.0], [1.0, 0.0, 3.0, -2.0]], np.float32)


def softmax(scores: np.ndarray) -> np.ndarray:
    exponential = np.exp(scores)
    return exponential / exponential.sum(axis=1, keepdims=True)


def test_multinomial_equals_numpy() -> None:
    log_share = np.log(softmax(SCORES))
    likelihoods = [log_share[0, 1] + log_share[0, 3], log_share[1, 2]]
    losses = np.asarray(Multinomial(reduction=None)(BAGS, SCORES))
    np.testing.assert_allclose(losses, -np.array(likelihoods) / 1.5, rtol=1e-6)
    # The mean is that over the three items.
    assert float(Multinomial()(BAGS, SCORES)) == pytest.approx(-sum(likelihoods) / 3)


def test_gradient_of_multinomial_is_expected_less_observed_items() -> None:
    expected = BAGS.sum(axis=1, keepdims=True) * softmax(SCORES) - BAGS
    np.testing.assert_allclose(gradient(Multinomial(), BAGS, SCORES), expected / 3, atol=1e-6)


def test_multinomial_does_not_change_with_a_constant_and_stays_finite() -> None:
    loss = float(Multinomial()(BAGS, SCORES))
    assert float(Multinomial()(BAGS, SCORES + 50)) == pytest.approx(loss, rel=1e-5)
    assert math.isfinite(float(Multinomial()(BAGS, SCORES * 1e6)))


def test_multinomial_of_empty_bags_is_0() -> None:
    assert float(Multinomial()(np.zeros((2, 4), np.float32), SCORES)) == 0


NAN = math.nan
LABELS = np.array([[NAN, 4.0, NAN, 1.0], [2.0, NAN, NAN, NAN]], np.float32)


def test_observed_squared_error_is_the_mean_over_the_labels() -> None:
    # Errors: 2 - 4, 0 - 1 and 1 - 2, of three labels.
    assert float(ObservedSquaredError()(LABELS, SCORES)) == pytest.approx((4 + 1 + 1) / 3)
    losses = np.asarray(ObservedSquaredError(reduction=None)(LABELS, SCORES))
    np.testing.assert_allclose(losses, [(4 + 1) / 1.5, 1 / 1.5])


def test_missing_labels_do_not_leak_into_the_gradient() -> None:
    expected = np.zeros((2, 4))
    expected[0, 1], expected[0, 3], expected[1, 0] = 2 * -2 / 3, 2 * -1 / 3, 2 * -1 / 3
    np.testing.assert_allclose(gradient(ObservedSquaredError(), LABELS, SCORES), expected)


def test_observed_squared_error_without_a_label_is_0() -> None:
    missing = np.full((2, 4), NAN, np.float32)
    assert float(ObservedSquaredError()(missing, SCORES)) == 0
    assert not gradient(ObservedSquaredError(), missing, SCORES).any()


OVER_NEGATIVES = [BPR(3), PairwiseHinge(3), SampledSoftmax(3), Listwise(keras.losses.Hinge(), 3)]
EVERY = [*OVER_NEGATIVES, Multinomial(), ObservedSquaredError()]


def name_of(value: Any) -> str:
    return type(value).__name__


@pytest.mark.parametrize("loss", EVERY, ids=name_of)
def test_losses_are_rebuilt_from_their_configuration(loss: keras.losses.Loss) -> None:
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()


@pytest.mark.parametrize("loss", EVERY, ids=name_of)
def test_losses_are_saved_with_their_model(loss: keras.losses.Loss, tmp_path: Path) -> None:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(1 if loss in OVER_NEGATIVES else 4)(inputs))
    model.compile("sgd", loss)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again.loss) is type(loss)
    assert again.loss.get_config() == loss.get_config()
    target = with_expected([1.0, 0.5, 2.0]) if isinstance(loss, SampledSoftmax) else np.eye(4)
    score = np.arange(4.0)[:, None] if loss in OVER_NEGATIVES else np.ones((4, 4))
    assert float(again.loss(target, score)) == float(loss(target, score))
