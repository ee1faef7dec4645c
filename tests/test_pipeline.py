from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from prepared import pipeline, prepared, with_train

from recsearch.contract.inputs import bag_input
from recsearch.contract.kinds import Batch, Rows
from recsearch.data.task import Task
from recsearch.nn import Bags, Negatives, Pairs
from recsearch.pipeline import Feed, Pipeline, Training
from recsearch.pipeline import training as training_module

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def batches(training: Training, epoch: int) -> list[Arrays]:
    order = tf.constant(training.order(epoch), tf.int64)
    found: list[Arrays] = []
    training.for_each_batch(
        order,
        tf.constant(epoch, tf.int32),
        lambda batch: found.append(
            tuple(np.asarray(part) for part in (*batch.rows[:2], batch.target))
        ),
    )
    return found


def whole_epoch(training: Training, epoch: int) -> Arrays:
    return tuple(np.concatenate(parts) for parts in zip(*batches(training, epoch), strict=True))


@pytest.fixture
def small_chunks(monkeypatch) -> None:
    """Chunks of 2 batches, so that an epoch has many of them and a smaller last one."""
    monkeypatch.setattr(training_module, "BATCHES_PER_CHUNK", 2)


@pytest.mark.usefixtures("small_chunks")
def test_pairs_cover_each_row_once_an_epoch() -> None:
    train = prepared(Task.RATING).train
    training = pipeline(Task.RATING).training(Pairs(), 100 - 3, seed=1)
    sizes = [len(batch[0]) for batch in batches(training, 0)]
    assert sizes == [97] * 12 + [1200 - 12 * 97]
    rows = np.stack(whole_epoch(training, 0), axis=1)
    expected = np.stack([train.user, train.item, train.label], axis=1)
    np.testing.assert_array_equal(
        rows[np.lexsort(rows.T)], expected[np.lexsort(expected.T)].astype(rows.dtype)
    )


@pytest.mark.parametrize("examples", [Pairs(), Negatives(2)], ids=["pairs", "negatives"])
def test_order_differs_between_epochs_and_repeats_with_the_seed(examples) -> None:
    shared = pipeline(Task.IMPLICIT)
    first, again, other = (shared.training(examples, 64, seed) for seed in (5, 5, 6))
    for epoch in (0, 3):
        for one, two in zip(whole_epoch(first, epoch), whole_epoch(again, epoch), strict=True):
            np.testing.assert_array_equal(one, two)
    assert not np.array_equal(first.order(0), first.order(1))
    assert not np.array_equal(first.order(0), other.order(0))
    assert sorted(first.order(1)) == list(range(1200))


@pytest.mark.usefixtures("small_chunks")
def test_negatives_batches_are_lists_with_the_positive_first() -> None:
    data = prepared(Task.IMPLICIT)
    training = pipeline(Task.IMPLICIT).training(Negatives(3), 50, seed=0)
    user, item, target = whole_epoch(training, 0)
    assert len(user) == len(item) == len(target) == 1200 * 4
    lists = item.reshape(-1, 4)
    np.testing.assert_array_equal(target.reshape(-1, 4), np.tile([1, 0, 0, 0], (1200, 1)))
    np.testing.assert_array_equal(user.reshape(-1, 4), np.repeat(user[::4], 4).reshape(-1, 4))
    seen = set(zip(data.train.user.tolist(), data.train.item.tolist(), strict=True))
    assert {*zip(user[::4].tolist(), lists[:, 0].tolist(), strict=True)} == seen
    negatives = zip(user.reshape(-1, 4)[:, 1:].ravel(), lists[:, 1:].ravel(), strict=True)
    assert not seen & {(int(u), int(i)) for u, i in negatives}
    assert (lists.min(), lists.max()) == (1, data.spec.num_items - 1)


@pytest.mark.usefixtures("small_chunks")
def test_negatives_are_fresh_each_epoch_and_in_each_chunk() -> None:
    pairs = [(1, 1)] * 40  # one user, so that only chance tells two draws apart
    training = Pipeline(with_train(pairs, 2, 1000)).training(Negatives(2), 10, seed=0)
    first, second = (whole_epoch(training, epoch)[1].reshape(-1, 3)[:, 1:] for epoch in (0, 1))
    assert not np.array_equal(first, second)
    assert not np.array_equal(first[:20], first[20:])
    other = Pipeline(with_train(pairs, 2, 1000)).training(Negatives(2), 10, seed=1)
    assert not np.array_equal(first, whole_epoch(other, 0)[1].reshape(-1, 3)[:, 1:])


def test_user_with_one_unseen_item_always_gets_it() -> None:
    for unseen in (1, 3, 5):
        pairs = [(1, item) for item in range(1, 6) if item != unseen]
        training = Pipeline(with_train(pairs, 2, 6)).training(Negatives(8), 3, seed=unseen)
        negatives = whole_epoch(training, 0)[1].reshape(-1, 9)[:, 1:]
        assert set(negatives.ravel().tolist()) == {unseen}


def test_users_who_have_seen_everything_are_left_out() -> None:
    pairs = [(1, 1), (1, 2), (2, 1), (1, 3)]
    shared = Pipeline(with_train(pairs, 3, 4))
    user, item, _ = whole_epoch(shared.training(Negatives(1), 8, seed=0), 0)
    assert user.tolist() == [2, 2]
    assert item[0] == 1
    assert item[1] in (2, 3)
    assert len(whole_epoch(shared.training(Pairs(), 8, seed=0), 0)[0]) == 4


def test_epochs_work_inside_a_graph() -> None:
    training = pipeline(Task.IMPLICIT).training(Negatives(1), 100, seed=0)

    total = tf.Variable(0)

    @tf.function
    def add_items(order: tf.Tensor, epoch: tf.Tensor) -> None:
        training.for_each_batch(
            order, epoch, lambda batch: total.assign_add(tf.reduce_sum(batch.rows.item))
        )

    add_items(tf.constant(training.order(2), tf.int64), tf.constant(2, tf.int32))
    assert int(total) == whole_epoch(training, 2)[1].sum()


def test_feed_gives_each_input_what_its_name_says() -> None:
    features = {
        "user_age": np.array([0.0, 1.5, 2.5], np.float32),
        "item_genres": np.array([[0, 0], [1, 2], [3, 0], [4, 5]], np.int32),
    }
    inputs = {
        "user_id": keras.Input((1,), dtype="int32", name="user_id"),
        "item_id": keras.Input((), dtype="float32", name="item_id"),
        "user_age": keras.Input((1,), name="user_age"),
        "item_genres": keras.Input((2,), dtype="int32", name="item_genres"),
    }
    total = keras.layers.Concatenate()(
        [
            keras.layers.Reshape((-1,))(tensor)
            for tensor in inputs.values()
            if tensor.dtype != "int32"
        ]
    )
    model = keras.Model(inputs, total)
    user, item = tf.constant([2, 0, 1]), tf.constant([3, 1, 0])
    fed = Feed(replace(prepared(Task.RATING), features=features)).inputs(model, Rows(user, item))
    assert fed["user_id"].numpy().tolist() == [[2], [0], [1]]
    assert fed["item_id"].numpy().tolist() == [3.0, 1.0, 0.0]
    assert fed["user_age"].numpy().tolist() == [[2.5], [0.0], [1.5]]
    assert fed["item_genres"].numpy().tolist() == [[4, 5], [1, 2], [0, 0]]
    assert {name: tensor.dtype.name for name, tensor in fed.items()} == {
        name: tensor.dtype for name, tensor in inputs.items()
    }


def test_feed_gives_the_bag_of_the_user_and_its_labels() -> None:
    data = with_train([(1, 2), (2, 1), (1, 3)], 3, 4, label=[5.0, 1.0, 2.0], task=Task.RATING)
    bag, labels = (keras.Input((4,), name=name) for name in ("bag", "bag_labels"))
    item = keras.Input((), dtype="int32", name="item_id")
    model = keras.Model([labels, item, bag], keras.layers.Add()([bag, labels]))
    fed = Feed(data).inputs(model, Rows(tf.constant([1, 0, 2]), tf.constant([3, 1, 2])))
    assert fed[0].numpy().tolist() == [[0, 0, 5, 2], [0, 0, 0, 0], [0, 1, 0, 0]]
    assert fed[1].numpy().tolist() == [3, 1, 2]
    assert fed[2].numpy().tolist() == [[0, 0, 1, 1], [0, 0, 0, 0], [0, 1, 0, 0]]


def test_feed_gives_the_ages_of_the_bag() -> None:
    data = with_train([(1, 2), (2, 1), (1, 3)], 3, 4, timestamp=[1, 2, 3])
    age = keras.Input((4,), name="bag_age")
    fed = Feed(data).inputs(keras.Model(age, age), Rows.of_side(tf.constant([1, 0, 2])))
    assert fed.numpy().tolist() == [[0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_feed_ends_the_bag_at_a_cut() -> None:
    data = with_train([(1, 2), (2, 1), (1, 3), (1, 1)], 3, 4, timestamp=[1, 2, 3, 4])
    bag, age = (keras.Input((4,), name=name) for name in ("bag", "bag_age"))
    model = keras.Model([bag, age], keras.layers.Add()([bag, age]))
    fed = Feed(data).inputs(model, Rows(tf.constant([1]), tf.constant([0]), tf.constant([1])))
    assert [part.numpy().tolist() for part in fed] == [[[0, 0, 1, 1]], [[0, 0, 1, 0]]]


def test_histories_are_cut_afresh_in_each_epoch_and_the_same_by_the_same_seed() -> None:
    pairs = [(user, item) for user in range(1, 60) for item in range(1, 30)] + [(60, 1)]
    data = with_train(pairs, 61, 30, timestamp=[item for _, item in pairs])

    def epoch(number: int, seed: int = 0) -> dict[int, int]:
        training, found = Pipeline(data).training(Bags(3.0), 16, seed), {}

        def step(batch: Batch) -> None:
            user, target, cut = (
                part.numpy() for part in (batch.rows.user, batch.target, batch.rows.cut)
            )
            found.update(zip(user.tolist(), cut.tolist(), strict=True))
            # Items are met in the order of their numbers: those after the cut are the last ones.
            np.testing.assert_array_equal(np.count_nonzero(target, axis=1), cut)
            np.testing.assert_allclose(target[np.arange(len(cut)), 30 - cut], 1)

        training.for_each_batch(tf.constant(training.order(number)), tf.constant(number), step)
        return found

    first, again, other, reseeded = epoch(0), epoch(0), epoch(1), epoch(0, seed=1)
    assert set(first) == set(range(1, 60))  # user 60 has a single item
    assert first == again
    for changed in (other, reseeded):
        assert sum(first[user] != changed[user] for user in first) > 40
    assert min(first.values()) <= 4
    assert max(first.values()) >= 25


def test_feed_makes_bags_only_when_a_model_reads_them(monkeypatch) -> None:
    feed = Feed(with_train([(1, 2)], 2, 3))
    user = keras.Input((), dtype="int32", name="user_id")
    model = keras.Model(user, keras.layers.Embedding(2, 1)(user))
    with monkeypatch.context() as patched:
        patched.setattr(bag_input, "BagTable", None)  # to create one would fail
        feed.inputs(model, Rows.of_side(tf.constant([1])))
        with pytest.raises(TypeError):
            feed.bound("bag")
    assert feed.bound("bag") is feed.bound("bag_labels")
