import keras
import numpy as np
import pytest
import tensorflow as tf
from prepared import with_train

from recsearch.contract.examples.negative_sampler import popularity_weights
from recsearch.data.task import Task
from recsearch.nn import Bags, Multinomial, Negatives, Pairs, Recommender
from recsearch.pipeline import Pipeline, Training
from recsearch.training.fit import Fitter

Batch = tuple[np.ndarray, np.ndarray, np.ndarray]

# User 2 has no items; user 3 has one of them twice.
PAIRS = [(1, 1), (3, 2), (1, 3), (3, 2), (4, 4), (4, 1)]
LABEL = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0]


def batches(training: Training, epoch: int = 0) -> list[Batch]:
    found: list[Batch] = []
    training.for_each_batch(
        tf.constant(training.order(epoch), tf.int64),
        tf.constant(epoch, tf.int32),
        lambda batch: found.append(
            tuple(np.asarray(part) for part in (*batch.rows[:2], batch.target))
        ),
    )
    return found


def rows_by_user(task: Task, label: list[float] | None = None) -> dict[int, list[float]]:
    """Returns user -> target of the one epoch over bags."""
    data = with_train(PAIRS, num_users=5, num_items=6, label=label, task=task)
    found = {}
    for user, item, target in batches(Pipeline(data).training(Bags(), 2, seed=0)):
        assert not item.any()
        for number, row in zip(user.tolist(), target, strict=True):
            assert number not in found
            found[number] = row.tolist()
    return found


def test_bags_give_each_user_with_an_item_once_an_epoch() -> None:
    training = Pipeline(with_train(PAIRS, 5, 6)).training(Bags(), 2, seed=0)
    assert [len(user) for user, _, _ in batches(training)] == [2, 1]
    orders = {tuple(training.order(epoch)) for epoch in range(12)}
    assert {tuple(sorted(order)) for order in orders} == {(1, 3, 4)}
    assert len(orders) > 1


def test_target_of_a_bag_of_implicit_data_is_1_at_its_items() -> None:
    assert rows_by_user(Task.IMPLICIT) == {
        1: [0, 1, 0, 1, 0, 0],
        3: [0, 0, 1, 0, 0, 0],
        4: [0, 1, 0, 0, 1, 0],
    }


@pytest.mark.parametrize("task", [Task.RATING, Task.CLICK])
def test_target_of_a_bag_of_labels_is_nan_where_there_is_none(task: Task) -> None:
    nan = float("nan")
    found = rows_by_user(task, LABEL)
    expected = {
        1: [nan, 1, nan, 0, nan, nan],
        3: [nan, nan, 1, nan, nan, nan],  # the last label of the repeated pair
        4: [nan, 0, nan, nan, 1, nan],
    }
    assert found.keys() == expected.keys()
    for user, row in expected.items():
        np.testing.assert_array_equal(found[user], row)


def test_labelled_pairs_are_the_rows() -> None:
    data = with_train(PAIRS, 5, 6, label=LABEL, task=Task.CLICK)
    (batch,) = batches(Pipeline(data).training(Pairs(), 10, seed=0))
    rows = sorted(zip(*(part.tolist() for part in batch), strict=True))
    assert rows == sorted((u, i, label) for (u, i), label in zip(PAIRS, LABEL, strict=True))


def test_expected_of_uniform_negatives_by_hand() -> None:
    # User 1 has 2 of 5 items: 2 draws from the other 3.
    training = Pipeline(with_train([(1, 1), (1, 2)], 2, 6)).training(
        Negatives(2, with_expected=True), 8, seed=0
    )
    ((user, item, target),) = batches(training)
    assert user.tolist() == [1] * 6
    assert set(item.reshape(-1, 3)[:, 0].tolist()) == {1, 2}
    assert target.shape == (6, 2)
    assert target[:, 0].tolist() == [1, 0, 0] * 2
    np.testing.assert_allclose(target[:, 1], [0, np.log(2 / 3), np.log(2 / 3)] * 2, rtol=1e-6)


def test_expected_of_popular_negatives_is_k_times_their_share() -> None:
    data = with_train(PAIRS, 5, 6)
    kind = Negatives(3, popularity=0.5, with_expected=True)
    user, item, target = (
        np.concatenate(parts)
        for parts in zip(*batches(Pipeline(data).training(kind, 4, seed=0)), strict=True)
    )
    weights = popularity_weights(data.train.item, 6, 0.5)
    for u, i, (first, log_expected) in zip(user.tolist(), item.tolist(), target, strict=True):
        if first:
            assert log_expected == 0
            continue
        unseen = [other for other in range(1, 6) if (u, other) not in PAIRS]
        assert i in unseen
        assert log_expected == pytest.approx(np.log(3 * weights[i] / weights[unseen].sum()), 1e-5)


def test_popularity_changes_which_negatives_are_drawn() -> None:
    pairs = [(1, 1), *[(2, 2)] * 99, (2, 3)]  # of the unseen items of user 1, 2 is the popular one
    training = Pipeline(with_train(pairs, 3, 4)).training(Negatives(50, popularity=1.0), 200, 0)
    ((user, item, _),) = batches(training)
    drawn = item.reshape(-1, 51)[user.reshape(-1, 51)[:, 0] == 1, 1:]
    assert np.mean(drawn == 2) > 0.9  # 99 in 100 are expected


def test_fitter_trains_a_model_of_bags_until_it_knows_the_items() -> None:
    data = with_train(PAIRS, 5, 6)
    keras.utils.set_random_seed(0)
    user = keras.Input((), dtype="int32", name="user_id")
    model = keras.Model(user, keras.layers.Embedding(5, 6)(user))
    model.compile(keras.optimizers.Adam(0.3), Multinomial())
    fitter = Fitter(Recommender(model, Bags(), batch_size=2), Pipeline(data), seed=0)
    losses = [fitter.run_epoch(epoch)["train_loss"] for epoch in range(40)]
    # log 6 before; two equal items of user 1 and of user 4: log 2 an item at best, user 3: 0.
    assert losses[0] > 1.5
    assert losses[-1] < 0.8
    best = np.argsort(-np.asarray(model(np.array([1, 3, 4]))), axis=1)
    assert [set(best[0, :2]), set(best[1, :1]), set(best[2, :2])] == [{1, 3}, {2}, {1, 4}]
