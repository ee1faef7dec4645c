import logging
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers
from prepared import pipeline, prepared

from recsearch.data.interactions import Task
from recsearch.training import scoring
from recsearch.training.scoring import ModelScorer
from recsearch.tuning.builtin import builtin_names
from recsearch.tuning.space import load_space

USERS = np.array([0, 3, 1, 80, 3], np.int32)  # the unknown one, and one twice
DATA = prepared(Task.IMPLICIT)
NUM_USERS, NUM_ITEMS = DATA.spec.num_users, DATA.spec.num_items


def scorer_of(inputs, output, task: Task = Task.IMPLICIT) -> ModelScorer:
    return ModelScorer(keras.Model(inputs, output), pipeline(task).feed, prepared(task).spec)


def every_pair(users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    items = np.arange(NUM_ITEMS, dtype=np.int32)
    return np.repeat(users, NUM_ITEMS), np.tile(items, len(users))


def model_scores(scorer: ModelScorer, users: np.ndarray) -> np.ndarray:
    """Returns [B, N] from the model alone, pair by pair."""
    user, item = every_pair(users)
    inputs = scorer.feed.inputs(scorer.model, keras.ops.array(user), keras.ops.array(item))
    return np.asarray(scorer.model(inputs, training=False)).reshape(len(users), NUM_ITEMS)


def assert_catalogue_is_the_model(scorer: ModelScorer) -> None:
    catalogue = scorer.score_catalogue(USERS)
    assert catalogue.dtype == np.float32
    np.testing.assert_allclose(catalogue, model_scores(scorer, USERS), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("name", builtin_names())
def test_catalogue_of_builtin_spaces_equals_pairs(name: str, task: Task) -> None:
    data = prepared(task)
    keras.utils.set_random_seed(0)
    model = load_space([name]).build(name, {}, data.spec).recommender.model
    for variable in model.trainable_variables:  # zeros would hide a part that is left out
        variable.assign_add(keras.random.normal(variable.shape, stddev=0.2))
    scorer = ModelScorer(model, pipeline(task).feed, data.spec)
    assert scorer._split is not None
    assert_catalogue_is_the_model(scorer)
    pairs = scorer.score_pairs(*every_pair(USERS)).reshape(len(USERS), -1)
    expected = model_scores(scorer, USERS)
    if task is Task.RATING:
        expected = expected.clip(data.spec.label_min, data.spec.label_max)
    np.testing.assert_allclose(pairs, expected, rtol=1e-5, atol=1e-6)


def masked_parts():
    """A user vector [B, 1, 4] and genre vectors [B, L, 4] that carry a mask to the joint part."""
    user = keras.Input((), dtype="int32", name="user_id")
    genres = keras.Input(DATA.features["item_genres"].shape[1:], dtype="int32", name="item_genres")
    of_user = layers.Embedding(NUM_USERS, 4, embeddings_initializer="normal")(user)
    of_item = layers.Embedding(20, 4, mask_zero=True, embeddings_initializer="normal")(genres)
    return user, genres, layers.Reshape((1, 4))(of_user), of_item


def test_mask_that_crosses_the_cut_is_scored_by_the_model_and_logged(caplog) -> None:
    user, genres, of_user, of_item = masked_parts()
    pooled = layers.GlobalAveragePooling1D()(layers.Multiply()([of_user, of_item]))
    with caplog.at_level(logging.WARNING, scoring.__name__):
        scorer = scorer_of([user, genres], layers.Dense(1)(pooled))
        assert scorer._split is None
    assert "cannot be split into a user and an item part" in caplog.text
    assert_catalogue_is_the_model(scorer)


def test_attention_over_a_mask_is_scored_by_the_model() -> None:
    user, genres, of_user, of_item = masked_parts()
    attended = layers.Flatten()(layers.Attention()([of_user, of_item]))
    assert_catalogue_is_the_model(scorer_of([user, genres], layers.Dense(1)(attended)))


def test_mask_that_stays_on_its_side_is_split() -> None:
    user, genres, of_user, of_item = masked_parts()
    pooled = layers.Reshape((1, 4))(layers.GlobalAveragePooling1D()(of_item))
    scorer = scorer_of([user, genres], layers.Flatten()(layers.Dot(axes=-1)([of_user, pooled])))
    assert scorer._split is not None
    assert_catalogue_is_the_model(scorer)


def test_masked_ids_of_shape_1_are_scored_as_by_the_model() -> None:
    user = keras.Input((1,), dtype="int32", name="user_id")
    item = keras.Input((1,), dtype="int32", name="item_id")
    p = layers.Embedding(NUM_USERS, 4, mask_zero=True, embeddings_initializer="normal")(user)
    q = layers.Embedding(NUM_ITEMS, 4, mask_zero=True, embeddings_initializer="normal")(item)
    sequence = layers.LSTM(3)(layers.Concatenate(axis=1)([p, q]))
    assert_catalogue_is_the_model(scorer_of([user, item], layers.Dense(1)(sequence)))


def test_model_of_items_alone_scores_a_catalogue() -> None:
    item = keras.Input((), dtype="int32", name="item_id")
    scorer = scorer_of(item, layers.Embedding(NUM_ITEMS, 1, embeddings_initializer="normal")(item))
    assert scorer._split is None
    assert_catalogue_is_the_model(scorer)


def test_blocks_do_not_change_scores(monkeypatch) -> None:
    user, genres, of_user, of_item = masked_parts()
    of_items = layers.Reshape((1, 4))(layers.GlobalAveragePooling1D()(of_item))
    output = layers.Flatten()(layers.Dot(axes=-1)([of_user, of_items]))
    scorer = scorer_of([user, genres], output)
    whole, pairs = scorer.score_catalogue(USERS), scorer.score_pairs(*every_pair(USERS))
    monkeypatch.setattr(scoring, "NUMBERS_A_BLOCK", (2 * NUM_ITEMS + 1) * scorer._split.width)
    np.testing.assert_allclose(scorer.score_catalogue(USERS), whole, rtol=1e-5)
    np.testing.assert_allclose(scorer.score_pairs(*every_pair(USERS)), pairs, rtol=1e-5)


def test_ratings_are_clipped_for_pairs_but_not_for_a_catalogue() -> None:
    item = keras.Input((), dtype="int32", name="item_id")
    table = layers.Embedding(NUM_ITEMS, 1, embeddings_initializer=keras.initializers.Constant(9.0))
    scorer = scorer_of(item, table(item), Task.RATING)
    one = np.array([1], np.int32)
    assert scorer.score_pairs(one, one).tolist() == [5.0]
    assert scorer.score_catalogue(one)[0, 1] == 9.0
    narrow = ModelScorer(scorer.model, scorer.feed, replace(scorer.spec, label_max=3.0))
    assert narrow.score_pairs(one, one).tolist() == [3.0]


def test_no_pairs_have_no_scores() -> None:
    item = keras.Input((), dtype="int32", name="item_id")
    scorer = scorer_of(item, layers.Embedding(NUM_ITEMS, 1)(item))
    none = np.zeros(0, np.int32)
    assert scorer.score_pairs(none, none).shape == (0,)
    assert scorer.score_catalogue(none).shape == (0, NUM_ITEMS)
