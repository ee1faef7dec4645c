import keras
import numpy as np
import pytest
import tensorflow as tf

from recsearch.errors import UsageError
from recsearch.nn import (
    Embedding,
    SparseAdagrad,
    SparseAdam,
    SparseRMSprop,
    SparseSGD,
    make_optimizer,
)
from recsearch.nn.optimizers import sum_duplicate_rows

SPARSE = {
    "adam": SparseAdam,
    "rmsprop": SparseRMSprop,
    "sgd": SparseSGD,
    "adagrad": SparseAdagrad,
}
DENSE = {
    "adam": keras.optimizers.Adam,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
    "adagrad": keras.optimizers.Adagrad,
}
NAMES = list(SPARSE)
START = np.arange(8, dtype=np.float32).reshape(4, 2)


def slices(rows: list[int], values: list[list[float]]) -> tf.IndexedSlices:
    shape = tf.constant([4, 2], tf.int64)
    return tf.IndexedSlices(tf.constant(values, tf.float32), tf.constant(rows), shape)


def train(optimizer: keras.optimizers.Optimizer, gradients: list) -> np.ndarray:
    """Returns the table after a step with each gradient."""
    table = keras.Variable(START)
    optimizer.build([table])
    for gradient in gradients:
        optimizer.apply([gradient], [table])
    return np.asarray(table)


def random_gradients(rows: list[int], steps: int) -> list[tf.IndexedSlices]:
    rng = np.random.default_rng(0)
    return [slices(rows, rng.normal(size=(len(rows), 2)).tolist()) for _ in range(steps)]


@pytest.mark.parametrize("name", NAMES)
def test_sparse_equals_dense_when_every_row_is_in_every_batch(name: str) -> None:
    gradients = random_gradients([2, 0, 3, 1, 0], steps=5)  # row 0 is named twice
    dense = [tf.convert_to_tensor(gradient) for gradient in gradients]
    ours, theirs = train(SPARSE[name](0.1), gradients), train(DENSE[name](0.1), dense)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("name", ["sgd", "adagrad"])
def test_optimizers_without_decaying_moments_equal_dense_whatever_the_rows(name: str) -> None:
    gradients = [slices([1, 1], [[1, 2], [3, 4]]), slices([3], [[5, 6]]), slices([1], [[7, 8]])]
    dense = [tf.convert_to_tensor(gradient) for gradient in gradients]
    ours, theirs = train(SPARSE[name](0.5), gradients), train(DENSE[name](0.5), dense)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_sgd_by_hand_sums_duplicates() -> None:
    table = train(SparseSGD(0.5), [slices([1, 1], [[1, 2], [3, 4]])])
    expected = START.copy()
    expected[1] -= [0.5 * (1 + 3), 0.5 * (2 + 4)]
    np.testing.assert_array_equal(table, expected)


@pytest.mark.parametrize("name", NAMES)
def test_dense_gradients_are_applied_as_keras_does(name: str) -> None:
    gradients = [tf.convert_to_tensor(g) for g in random_gradients([0, 2], steps=4)]
    ours, theirs = train(SPARSE[name](0.1), gradients), train(DENSE[name](0.1), gradients)
    np.testing.assert_allclose(ours, theirs, rtol=2e-5)


@pytest.mark.parametrize("name", NAMES)
def test_absent_rows_do_not_move(name: str) -> None:
    gradients = [*random_gradients([0, 1], steps=3), *random_gradients([3], steps=3)]
    after_three = train(SPARSE[name](0.1), gradients[:3])
    after_six = train(SPARSE[name](0.1), gradients)
    np.testing.assert_array_equal(after_six[:2], after_three[:2])
    np.testing.assert_array_equal(after_six[2], START[2])
    assert not np.array_equal(after_six[3], START[3])


def test_adam_first_step_of_a_row_that_comes_late_by_hand() -> None:
    table = train(SparseAdam(0.1), [slices([0], [[1, 1]]), slices([1], [[2, 2]])])
    m, v, t = (1 - 0.9) * 2, (1 - 0.999) * 4, 2
    step = 0.1 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + 1e-7)
    np.testing.assert_allclose(table[1], START[1] - step, rtol=1e-6)


VARIANTS = [
    ("rmsprop", {"momentum": 0.9}),
    ("rmsprop", {"centered": True}),
    ("rmsprop", {"momentum": 0.9, "centered": True}),
    ("sgd", {"momentum": 0.9}),
    ("sgd", {"momentum": 0.9, "nesterov": True}),
]


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
def test_variants_equal_dense_when_every_row_is_in_every_batch(name: str, options: dict) -> None:
    gradients = random_gradients([2, 0, 3, 1, 0], steps=5)
    dense = [tf.convert_to_tensor(gradient) for gradient in gradients]
    ours = train(SPARSE[name](0.1, **options), gradients)
    theirs = train(DENSE[name](0.1, **options), dense)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
def test_variants_let_absent_rows_rest(name: str, options: dict) -> None:
    gradients = [*random_gradients([0, 1], steps=3), *random_gradients([3], steps=3)]
    after_three = train(SPARSE[name](0.1, **options), gradients[:3])
    after_six = train(SPARSE[name](0.1, **options), gradients)
    np.testing.assert_array_equal(after_six[:3], after_three[:3])
    assert not np.array_equal(after_six[3], START[3])


def test_momentum_of_a_row_that_comes_back_by_hand() -> None:
    steps = [slices([1], [[1, 1]]), slices([0], [[1, 1]]), slices([1], [[2, 2]])]
    table = train(SparseSGD(0.5, momentum=0.9), steps)
    first = -0.5 * 1
    second = 0.9 * first - 0.5 * 2  # no decay while the row was absent
    np.testing.assert_allclose(table[1], START[1] + first + second, rtol=1e-6)


def test_amsgrad_without_a_lazy_form_equals_keras() -> None:
    gradients = random_gradients([0, 2, 0], steps=4)
    ours, theirs = SparseAdam(0.1, amsgrad=True), keras.optimizers.Adam(0.1, amsgrad=True)
    np.testing.assert_array_equal(train(ours, gradients), train(theirs, gradients))


def test_sum_duplicate_rows_names_each_row_once() -> None:
    summed = sum_duplicate_rows(slices([3, 1, 3], [[1, 2], [3, 4], [10, 20]]))
    assert summed.indices.numpy().tolist() == [3, 1]
    assert summed.values.numpy().tolist() == [[11, 22], [3, 4]]


def trained_table(optimizer: keras.optimizers.Optimizer, lookup, inputs, examples) -> np.ndarray:
    """Returns the table of a small model after three batches in Keras' own training graph."""
    score = keras.layers.Dense(1, kernel_initializer="ones")(lookup(inputs))
    model = keras.Model(inputs, score)
    model.compile(optimizer, "mse")
    for _ in range(3):
        model.train_on_batch(examples, np.arange(5.0))
    return np.asarray(lookup.weights[0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layer", [Embedding, keras.layers.Embedding], ids=["ours", "keras"])
def test_model_with_a_table_trains_as_one_with_a_dense_layer(name: str, layer) -> None:
    rows = np.array([0, 1, 2, 3, 1])
    table = layer(4, 2, embeddings_initializer="ones")
    indices = keras.Input((), dtype="int32")
    ours = trained_table(SPARSE[name](0.1), table, indices, rows)
    # A table looked up is a dense layer of one-hot rows, whose gradient is dense.
    dense = keras.layers.Dense(2, use_bias=False, kernel_initializer="ones")
    one_hot = np.eye(4, dtype=np.float32)[rows]
    theirs = trained_table(DENSE[name](0.1), dense, keras.Input((4,)), one_hot)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert not np.allclose(ours, 1.0)


@pytest.mark.parametrize("name", NAMES)
def test_optimizers_are_rebuilt_from_their_configuration(name: str) -> None:
    optimizer = make_optimizer(name, 0.125)
    assert type(optimizer) is SPARSE[name]
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is SPARSE[name]
    assert again.get_config() == optimizer.get_config()
    assert float(again.learning_rate) == 0.125


def test_make_optimizer_refuses_an_unknown_name() -> None:
    with pytest.raises(UsageError, match=r"one of adam, rmsprop, sgd, adagrad\. Received: 'adamw'"):
        make_optimizer("adamw", 0.1)
