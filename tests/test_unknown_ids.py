"""Users and items that training does not know: told apart by their columns, and measured."""

from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from keras import layers

from recsearch.baselines.popularity import fit_popularity
from recsearch.contract.kinds import Rows
from recsearch.data.interactions import ColumnKind, FeatureColumn, Features, Interactions
from recsearch.data.preparation import PreparedData, prepare
from recsearch.data.task import Task
from recsearch.evaluation.protocol import evaluate, make_protocol
from recsearch.pipeline import Feed
from recsearch.scoring.model_scorer import ModelScorer

TRAIN = [(1, 10), (1, 20), (2, 20), (2, 30), (3, 30), (3, 20)]
YEAR = {10: 0.0, 20: 2.0, 30: 4.0, 40: 6.0, 50: 8.0, 60: 10.0}
"""Mean 2 and deviation 1.63 over the training items 10, 20 and 30; so item 40 is at 2.45."""
AGE = {1: -1.0, 2: 0.0, 3: 1.0, 8: 3.0, 9: -3.0}


def interactions(pairs: list[tuple[int, int]], label: list[float] | None = None) -> Interactions:
    user, item = zip(*pairs, strict=True)
    return Interactions(
        pa.array(user), pa.array(item), np.array(label or [1.0] * len(pairs), np.float32)
    )


def table(name: str, values: dict[int, float]) -> Features:
    column = FeatureColumn(ColumnKind.NUMERIC, pa.array(list(values.values())))
    return Features(pa.array(list(values)), {name: column})


def make_data(
    holdout: list[tuple[int, int]], task: Task, label: list[float] | None = None
) -> PreparedData:
    data, _ = prepare(
        interactions(TRAIN, [3.0, 4.0, 5.0, 1.0, 2.0, 3.0] if task is Task.RATING else None),
        interactions(holdout, label),
        task,
        users=table("age", AGE),
        items=table("year", YEAR),
    )
    return data


def column_scorer(data: PreparedData, splits: bool = True) -> ModelScorer:
    """Scores a pair by age * year + bias of the item id, [0, 0.1, 0.2, ...]."""
    user = keras.Input((), dtype="int32", name="user_id")
    item = keras.Input((), dtype="int32", name="item_id")
    age, year = keras.Input((1,), name="user_age"), keras.Input((1,), name="item_year")
    bias = layers.Embedding(data.spec.num_items, 1, name="bias")
    taste = layers.Embedding(data.spec.num_users, 1, "zeros")
    score = layers.Multiply()([layers.Add()([age, taste(user)]), year])
    if not splits:  # a layer that asks for whole pairs
        score = keras.ops.flip(keras.ops.flip(score, axis=-1), axis=-1)
    model = keras.Model([user, item, age, year], layers.Add()([score, bias(item)]))
    model.get_layer("bias").set_weights([np.arange(data.spec.num_items)[:, np.newaxis] / 10])
    return ModelScorer(model, Feed(data), data.spec)


def test_feed_gives_unknown_ids_as_0_and_their_own_columns() -> None:
    data = make_data([(8, 40), (9, 20), (1, 50)], Task.RATING)
    assert data.holdout.user.tolist() == [4, 5, 1]
    assert data.holdout.item.tolist() == [4, 2, 5]
    inputs: dict[str, Any] = {
        "user_id": keras.Input((), dtype="int32", name="user_id"),
        "item_id": keras.Input((1,), dtype="int32", name="item_id"),
        "user_age": keras.Input((), name="user_age"),
        "item_year": keras.Input((), name="item_year"),
    }
    model = keras.Model(inputs, layers.Add()([inputs["user_age"], inputs["item_year"]]))
    rows = Rows(tf.constant(data.holdout.user), tf.constant(data.holdout.item))
    fed = Feed(data).inputs(model, rows)
    assert fed["user_id"].numpy().tolist() == [0, 0, 1]
    assert fed["item_id"].numpy().tolist() == [[0], [2], [0]]
    # Age: mean 0, deviation sqrt(2/3) over users 1, 2 and 3. Year: mean 2, deviation sqrt(8/3).
    age, year = np.array([3.0, -3.0, -1.0]), np.array([6.0, 2.0, 8.0])
    np.testing.assert_allclose(fed["user_age"], age / np.sqrt(2 / 3), rtol=1e-6)
    np.testing.assert_allclose(fed["item_year"], (year - 2) / np.sqrt(8 / 3), rtol=1e-6)


def test_ids_of_each_side_are_bounded_by_their_own_number() -> None:
    more_users = [(user, 10 + user % 2) for user in range(1, 8)]  # 7 users of 2 items
    for swapped in (False, True):
        train, held_out = [(i, u) if swapped else (u, i) for u, i in more_users], (99, 99)
        data, _ = prepare(interactions(train), interactions([held_out, train[-1]]), Task.IMPLICIT)
        unknown = data.spec.num_users, data.spec.num_items
        assert unknown == ((3, 8) if swapped else (8, 3))
        for side, index in zip(("user", "item"), unknown, strict=True):
            declared = keras.Input((), dtype="int32", name=f"{side}_id")
            fed = Feed(data).input(declared, Rows.of_side(tf.range(index + 1)))
            assert fed.numpy().tolist() == [*range(index), 0]


def test_feed_of_data_without_unknown_ids_adds_nothing_to_the_graph() -> None:
    data = make_data([(1, 30)], Task.RATING)
    index = tf.constant([1, 2])
    declared = keras.Input((), dtype="int32", name="user_id")
    assert Feed(data).input(declared, Rows.of_side(index)) is index


@pytest.mark.parametrize("splits", [True, False])
def test_pairs_and_catalogue_of_unknown_users_follow_their_columns(splits: bool) -> None:
    data = make_data([(8, 40), (9, 40)], Task.IMPLICIT)
    scorer = column_scorer(data, splits)
    user = data.holdout.user
    age = np.array([3.0, -3.0]) / np.sqrt(2 / 3)
    year = (np.array([2.0, 0.0, 2.0, 4.0]) - 2) / np.sqrt(8 / 3)  # index 0 is at the mean
    expected = age[:, np.newaxis] * year + np.arange(4) / 10
    np.testing.assert_allclose(scorer.score_catalogue(user), expected, rtol=1e-5)
    pairs = np.repeat(user, 4), np.tile(np.arange(4, dtype=np.int32), 2)
    np.testing.assert_allclose(scorer.score_pairs(*pairs), expected.ravel(), rtol=1e-5)
    of_40 = scorer.score_pairs(user, data.holdout.item)
    np.testing.assert_allclose(of_40, age * (6 - 2) / np.sqrt(8 / 3), rtol=1e-5)


def test_cold_users_are_the_measured_ones() -> None:
    data = make_data([(8, 30), (9, 10), (9, 20)], Task.IMPLICIT)
    protocol = make_protocol(data, ("hr@1", "recall@2"))
    assert protocol.users is not None
    assert protocol.users.tolist() == [4, 5]
    assert protocol.description.startswith("whole catalogue (3 items)")
    # User 8 is above, 9 below the mean age: they want the latest and the earliest year first.
    assert evaluate(column_scorer(data), data, protocol) == {"hr@1": 1.0, "recall@2": 1.0}
    popular = fit_popularity(data.train, data.spec.num_items, Task.IMPLICIT)  # 20, 30, 10
    assert evaluate(popular, data, protocol) == {"hr@1": 0.5, "recall@2": (1 + 1 / 2) / 2}


def test_unknown_users_among_known_ones_are_left_out_or_measured_on_request() -> None:
    data = make_data([(1, 30), (8, 10)], Task.IMPLICIT)
    known = make_protocol(data, ("hr@1",))
    assert known.users is not None
    assert known.users.tolist() == [1]
    assert known.description.endswith("held-out rows of users unknown in training are left out: 1")
    both = make_protocol(data, ("hr@1",), unknown_users=True)
    assert both.users is not None
    assert both.users.tolist() == [1, 4]


def test_cold_items_are_ranked_among_themselves() -> None:
    data = make_data([(1, 40), (3, 60), (3, 50)], Task.IMPLICIT)
    protocol = make_protocol(data, ("recall@1", "hr@2"))
    assert protocol.description == (
        "catalogue of the 3 held-out items unknown in training, all 2 users with a held-out item"
    )
    # User 1 is young and wants the earliest year: 40 of 40, 50, 60. User 3 wants 60, then 50.
    found = evaluate(column_scorer(data), data, protocol)
    assert found == {"recall@1": (1 + 1 / 2) / 2, "hr@2": 1.0}
    popular = fit_popularity(data.train, data.spec.num_items, Task.IMPLICIT)
    # All score alike, and a positive loses ties: user 1 finds 40 third, user 3 one second.
    assert evaluate(popular, data, protocol) == {"recall@1": 0.0, "hr@2": 1 / 2}


def test_unknown_item_of_a_known_user_is_never_found() -> None:
    data = make_data([(1, 30), (1, 60)], Task.IMPLICIT)
    found = evaluate(column_scorer(data), data, make_protocol(data, ("recall@3",)))
    assert found == {"recall@3": 1 / 2}


def test_ratings_of_unknown_ids_are_predicted_from_columns() -> None:
    data = make_data([(8, 40), (9, 10)], Task.RATING, [5.0, 5.0])
    # The first is 3 * 4 / (2 / 3 * 2) = 9, clipped to 5; the other -3 * -2 / (4 / 3) + 0.1 = 4.6.
    found = evaluate(column_scorer(data), data, make_protocol(data, ("rmse",)))
    assert found["rmse"] == pytest.approx(np.sqrt((0**2 + 0.4**2) / 2), rel=1e-5)


def test_model_without_columns_scores_all_unknown_users_alike() -> None:
    data = make_data([(8, 40), (9, 40), (9, 20)], Task.IMPLICIT)
    user = keras.Input((), dtype="int32", name="user_id")
    item = keras.Input((), dtype="int32", name="item_id")
    users, items = layers.Embedding(4, 2)(user), layers.Embedding(4, 2)(item)
    scorer = ModelScorer(
        keras.Model([user, item], layers.Dot(-1)([users, items])), Feed(data), data.spec
    )
    catalogue = scorer.score_catalogue(np.array([4, 5, 0], np.int32))
    np.testing.assert_array_equal(catalogue[0], catalogue[2])
    np.testing.assert_array_equal(catalogue[1], catalogue[2])
