import math
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from prepared import pipeline, prepared

from recsearch.data.task import Task
from recsearch.nn import Bags, GaussianCode, Multinomial, Recommender
from recsearch.training.checkpoint import load_checkpoint, save_checkpoint
from recsearch.training.fit import Fitter

MEAN = tf.constant([[1.0, 0.0], [0.5, -2.0]])
LOG_VARIANCE = tf.constant([[0.0, 0.0], [math.log(2.0), math.log(0.5)]])


def test_code_in_use_is_the_mean_and_costs_nothing() -> None:
    layer = GaussianCode(1.0, 10)
    np.testing.assert_array_equal(layer([MEAN, LOG_VARIANCE]), MEAN)
    np.testing.assert_array_equal(layer([MEAN, LOG_VARIANCE], training=False), MEAN)
    assert not layer.losses
    assert float(layer.seen) == 0


def test_divergence_by_hand() -> None:
    layer = GaussianCode(kl_weight=0.25, anneal_samples=1)
    layer([MEAN, LOG_VARIANCE], training=True)
    # (variance + mean^2 - 1 - log variance) / 2, summed over a row.
    first = (1 + 1 - 1 - 0) / 2 + 0
    second = (2 + 0.25 - 1 - math.log(2)) / 2 + (0.5 + 4 - 1 + math.log(2)) / 2
    (loss,) = layer.losses
    assert float(loss) == pytest.approx(0.25 * (first + second) / 2)


def test_weight_grows_with_the_samples_seen_and_then_stays() -> None:
    layer = GaussianCode(kl_weight=2.0, anneal_samples=5)
    found = []
    for _ in range(4):
        layer([tf.ones([2, 1]), tf.zeros([2, 1])], training=True)
        (loss,) = layer.losses
        found.append(float(loss))
    # KL(N(1, 1) || N(0, 1)) = 1/2; after 2, 4, 6 and 8 samples of 5.
    assert found == pytest.approx([2 * 0.5 * share for share in (2 / 5, 4 / 5, 1, 1)])


def test_code_in_training_has_the_mean_and_the_variance() -> None:
    keras.utils.set_random_seed(0)
    mean = tf.tile([[3.0, -1.0]], [20_000, 1])
    log_variance = tf.tile([[math.log(4.0), math.log(0.01)]], [20_000, 1])
    code = np.asarray(GaussianCode(1.0, 1)([mean, log_variance], training=True))
    # Four standard errors of a mean of 20,000.
    error = 4 * np.array([2.0, 0.1]) / math.sqrt(20_000)
    assert (np.abs(code.mean(axis=0) - [3.0, -1.0]) < error).all()
    np.testing.assert_allclose(code.std(axis=0), [2.0, 0.1], rtol=0.03)
    assert abs(np.corrcoef(code.T)[0, 1]) < 0.03


def test_gradient_of_the_code_reaches_mean_and_variance() -> None:
    layer = GaussianCode(0.0, 1)
    with tf.GradientTape() as tape:
        tape.watch([MEAN, LOG_VARIANCE])
        code = layer([MEAN, LOG_VARIANCE], training=True)
        total = tf.reduce_sum(code)
    by_mean, by_log_variance = tape.gradient(total, [MEAN, LOG_VARIANCE])
    np.testing.assert_array_equal(by_mean, np.ones((2, 2)))
    # d code / d log variance = half of what was added to the mean
    np.testing.assert_allclose(by_log_variance, (code - MEAN) / 2, rtol=1e-5)


def test_layer_is_rebuilt_from_its_configuration() -> None:
    layer = GaussianCode(0.125, 300, name="code")
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert isinstance(again, GaussianCode)
    assert (again.kl_weight, again.anneal_samples, again.name) == (0.125, 300, "code")
    assert layer.compute_output_shape([(None, 4), (None, 4)]) == (None, 4)


def variational_model() -> keras.Model:
    num_items = prepared(Task.IMPLICIT).spec.num_items
    bag = keras.Input((num_items,), name="bag")
    code = GaussianCode(0.5, 100)([layers.Dense(3)(bag), layers.Dense(3)(bag)])
    model = keras.Model(bag, layers.Dense(num_items)(code))
    model.compile(keras.optimizers.Adam(0.01), Multinomial())
    model.optimizer.build(model.trainable_variables)
    return model


def test_model_is_saved_with_the_code_and_its_count(tmp_path: Path) -> None:
    model = variational_model()
    batch = tf.eye(model.input_shape[1])[:8]
    model.train_on_batch(batch, batch)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(batch), model(batch))
    (code,) = (layer for layer in again.layers if isinstance(layer, GaussianCode))
    assert float(code.seen) == 8


def test_checkpoint_keeps_the_count_and_the_random_state(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = variational_model()
    batch = tf.eye(model.input_shape[1])[:8]
    model.train_on_batch(batch, batch)
    save_checkpoint(tmp_path / "state.npz", model)
    keras.utils.set_random_seed(1)
    other = variational_model()
    load_checkpoint(tmp_path / "state.npz", other)
    for _ in range(2):  # the same noise and the same weight of the divergence
        assert model.train_on_batch(batch, batch) == other.train_on_batch(batch, batch)
    np.testing.assert_array_equal(model(batch), other(batch))


def test_epochs_continue_exactly_through_a_checkpoint(tmp_path: Path) -> None:
    def fitter(seed: int) -> Fitter:
        keras.utils.set_random_seed(seed)
        recommender = Recommender(variational_model(), Bags(), batch_size=16)
        return Fitter(recommender, pipeline(Task.IMPLICIT), seed=2)

    first, second = fitter(0), fitter(1)
    first.run_epoch(0)
    first.save(tmp_path / "state.npz")
    second.load(tmp_path / "state.npz")
    assert first.run_epoch(1) == second.run_epoch(1)
    for one, two in zip(
        first.recommender.model.variables, second.recommender.model.variables, strict=True
    ):
        np.testing.assert_array_equal(one, two)
