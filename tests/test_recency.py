"""Weights by recency: the formula, the layer, and what the built-in spaces learn by them."""

from dataclasses import replace
from itertools import product

import keras
import numpy as np
import pytest
import tensorflow as tf
from prepared import prepared, with_train

from recsearch.contract.inputs.bag_input import recency_weight
from recsearch.data.preparation import PreparedData
from recsearch.data.task import Task
from recsearch.nn import Bags, RecentBag, mean_target
from recsearch.pipeline import Pipeline
from recsearch.scoring.model_scorer import ModelScorer
from recsearch.training.fit import Fitter
from recsearch.tuning.space.search_space import load_space

NUM_USERS, NUM_ITEMS = 121, 41  # with the unknown 0
LENGTH = 8  # of a history
VALUES = {
    "matrix_factorization": {"loss": "multinomial", "implicit_feedback": True, "bag_dropout": 0.0},
    "autoencoder": {"hidden_units": 0, "dropout": 0.125},
}


def test_weight_halves_with_each_half_life() -> None:
    weight = recency_weight(tf.constant([0.0, 3.0, 6.0, 300.0]), half_life=3.0)
    np.testing.assert_allclose(weight, [1, 0.5, 0.25, 2.0**-100], rtol=1e-4)


def test_layer_weighs_the_bag_and_is_rebuilt_from_its_configuration(tmp_path) -> None:
    bag, age = keras.Input((3,), name="bag"), keras.Input((3,), name="bag_age")
    model = keras.Model([bag, age], RecentBag(2.0)([bag, age]))
    assert model.output_shape == (None, 3)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    rows = [np.array([[1.0, 0.0, 1.0]], np.float32), np.array([[2.0, 0.0, 0.0]], np.float32)]
    np.testing.assert_allclose(loaded(rows), [[0.5, 0.0, 1.0]], rtol=1e-6)


@pytest.mark.parametrize(("bag_size", "half_life"), [(2, 3.0), (5, 1.0), (165, 8.0)])
def test_mean_target_is_the_mean_over_the_cuts(bag_size: int, half_life: float) -> None:
    targets = [
        sum(0.5 ** (place / half_life) for place in range(after)) for after in range(1, bag_size)
    ]
    assert mean_target(bag_size, half_life) == pytest.approx(np.mean(targets))
    assert mean_target(0.5, half_life) == 1.0


@pytest.mark.parametrize("half_life", [0.0, -1.0, float("nan")])
def test_a_half_life_that_is_not_above_zero_is_refused(half_life: float) -> None:
    with pytest.raises(ValueError, match="half_life must be above 0"):
        RecentBag(half_life)


def on_a_ring() -> PreparedData:
    """Each user meets 8 items in their order on a ring, from a place of his own.

    Without time the item after his last and the one before his first are alike.
    """
    pairs, timestamp = [], []
    for user, step in product(range(1, NUM_USERS), range(LENGTH)):
        pairs.append((user, item_at(user + step)))
        timestamp.append(step)
    return with_train(pairs, NUM_USERS, NUM_ITEMS, timestamp=timestamp)


def item_at(place: int) -> int:
    return 1 + place % (NUM_ITEMS - 1)


def share_of_next_above_previous(name: str, data: PreparedData, recency: bool) -> float:
    """Returns for how many users the item after their last one beats that before their first."""
    keras.utils.set_random_seed(0)
    values = {**VALUES[name], "learning_rate": 0.01, "recency": recency}
    if recency:
        values["half_life"] = 2.0
    built = load_space([name]).build(name, values, data.spec)
    assert built.values == {**built.values, **values}
    pipeline = Pipeline(data)
    fitter = Fitter(built.recommender, pipeline, seed=0)
    for epoch in range(60):
        fitter.run_epoch(epoch)
    users = np.arange(1, NUM_USERS, dtype=np.int32)
    scorer = ModelScorer(built.recommender.model, pipeline.feed, data.spec)
    scores = np.asarray(scorer.score_catalogue(users))
    after = scores[users - 1, [item_at(user + LENGTH) for user in users]]
    before = scores[users - 1, [item_at(user - 1) for user in users]]
    return float(np.mean(after > before))


@pytest.mark.parametrize("name", VALUES)
def test_spaces_with_recency_learn_what_comes_next(name: str) -> None:
    data = on_a_ring()
    assert 0.2 < share_of_next_above_previous(name, data, recency=False) < 0.8
    assert share_of_next_above_previous(name, data, recency=True) > 0.95


def test_spaces_offer_recency_only_where_items_have_ages() -> None:
    for name in VALUES:
        space = load_space([name])
        asked = {"recency": True, **VALUES[name]}
        spec = prepared(Task.IMPLICIT).spec
        assert space.build(name, asked, spec).recommender.examples == Bags(half_life=8.0)
        built = space.build(name, asked, replace(spec, has_ages=False))
        assert built.recommender.examples == Bags()
        assert {"recency", "half_life"}.isdisjoint(built.values)
