import math

import keras
import numpy as np
import pytest

from recsearch.nn import BPR, Listwise

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


@pytest.mark.parametrize(
    "loss", [BPR(3), Listwise(keras.losses.MeanSquaredError(), 3)], ids=["bpr", "listwise"]
)
def test_losses_are_rebuilt_from_their_configuration(loss: keras.losses.Loss) -> None:
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
