import logging
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers
from prepared import pipeline, prepared

from recsearch.contract.inputs import scores_pairs
from recsearch.contract.kinds import Rows
from recsearch.data.task import Task
from recsearch.scoring import model_scorer as scoring
from recsearch.scoring.by_side import split_by_side
from recsearch.scoring.model_scorer import ModelScorer
from recsearch.tuning.space.builtin import builtin_names
from recsearch.tuning.space.search_space import load_space

USERS = np.array([0, 3, 1, 80, 3], np.int32)  # the unknown one, and one twice
DATA = prepared(Task.IMPLICIT)
NUM_USERS, NUM_ITEMS = DATA.spec.num_users, DATA.spec.num_items


def scorer_of(inputs, output, task: Task = Task.IMPLICIT) -> ModelScorer:
    return ModelScorer(keras.Model(inputs, output), pipeline(task).feed, prepared(task).spec)


def test_width_of_a_pair_follows_the_declared_inputs() -> None:
    bag, item = keras.Input((NUM_ITEMS,), name="bag"), keras.Input((), name="item_id")
    genres = keras.Input((NUM_ITEMS + 1, 2), name="item_genres")
    output = layers.Dense(1)
    of_item = layers.Reshape((1,))(item)
    narrow = scorer_of(item, output(of_item))
    assert narrow._width_of_whole_model == scoring.DEFAULT_WIDTH
    wide = scorer_of([bag, item], layers.Dense(1)(layers.Concatenate()([bag, of_item])))
    assert wide._width_of_whole_model == NUM_ITEMS
    wider = scorer_of([genres, bag], layers.Add()([layers.Dense(1)(layers.Flatten()(genres)), bag]))
    assert wider._width_of_whole_model == 2 * (NUM_ITEMS + 1)


def every_pair(users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    items = np.arange(NUM_ITEMS, dtype=np.int32)
    return np.repeat(users, NUM_ITEMS), np.tile(items, len(users))


def model_scores(scorer: ModelScorer, users: np.ndarray) -> np.ndarray:
    """Returns [B, N] from the model alone, pair by pair where it scores pairs."""
    user, item = every_pair(users) if scores_pairs(scorer.model) else (users, users)
    inputs = scorer.feed.inputs(scorer.model, Rows(keras.ops.array(user), keras.ops.array(item)))
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
    assert (len(scorer.items()) > 0) == scores_pairs(model)
    assert_catalogue_is_the_model(scorer)
    pairs = scorer.score_pairs(*every_pair(USERS)).reshape(len(USERS), -1)
    expected = model_scores(scorer, USERS)
    if task is Task.RATING:
        expected = expected.clip(data.spec.label_min, data.spec.label_max)
    np.testing.assert_allclose(pairs, expected, rtol=1e-5, atol=1e-6)


def catalogue_model(output: float = 0.0) -> keras.Model:
    """A linear autoencoder of bags, without an item input; `output` is added to all scores."""
    keras.utils.set_random_seed(0)
    bag = keras.Input((NUM_ITEMS,), name="bag")
    scores = layers.Dense(NUM_ITEMS, kernel_initializer="normal")(bag)
    return keras.Model(bag, layers.Rescaling(10.0, offset=output)(scores))


def catalogue_scorer(task: Task = Task.IMPLICIT, output: float = 0.0) -> ModelScorer:
    return ModelScorer(catalogue_model(output), pipeline(task).feed, prepared(task).spec)


def test_catalogue_of_a_model_without_an_item_input_is_its_output() -> None:
    scorer = catalogue_scorer()
    bags = np.zeros((len(USERS), NUM_ITEMS), np.float32)
    bags[DATA.seen.rows(USERS)] = 1
    assert bags[1].any()
    np.testing.assert_allclose(
        scorer.score_catalogue(USERS), np.asarray(scorer.model(bags)), rtol=1e-5, atol=1e-6
    )
    assert scorer.items() == []


def test_pairs_of_a_model_without_an_item_input_are_cells_of_its_catalogue() -> None:
    scorer = catalogue_scorer()
    rng = np.random.default_rng(0)
    users = np.array([0, 3, 80, 7, NUM_USERS, NUM_USERS + 5], np.int32)  # the last ones: unknown
    user = rng.choice(users, 200)
    item = rng.integers(0, NUM_ITEMS, 200).astype(np.int32)
    cells = scorer.score_catalogue(user)[np.arange(200), item]
    np.testing.assert_allclose(scorer.score_pairs(user, item), cells, rtol=1e-6)
    in_graph = scorer.pairs(keras.ops.array(user), keras.ops.array(item))
    np.testing.assert_allclose(in_graph, cells, rtol=1e-5, atol=1e-6)


def test_item_that_training_does_not_know_is_item_0_of_the_catalogue() -> None:
    scorer = catalogue_scorer()
    user, item = np.array([3, 3, 3], np.int32), np.array([0, NUM_ITEMS, NUM_ITEMS + 9], np.int32)
    expected = scorer.score_catalogue(user[:1])[0, 0]
    np.testing.assert_allclose(scorer.score_pairs(user, item), [expected] * 3, rtol=1e-6)
    in_graph = scorer.pairs(keras.ops.array(user), keras.ops.array(item))
    np.testing.assert_allclose(in_graph, [expected] * 3, rtol=1e-5)


def test_blocks_do_not_change_the_scores_of_a_model_without_an_item_input(monkeypatch) -> None:
    scorer = catalogue_scorer()
    user, item = every_pair(np.array([5, 0, 2, 9, 5], np.int32))
    order = np.random.default_rng(1).permutation(len(user))
    whole = scorer.score_pairs(user[order], item[order])
    monkeypatch.setattr(scoring, "NUMBERS_PER_BLOCK", 2 * NUM_ITEMS + 1)
    sizes = []
    in_blocks = catalogue_scorer()
    catalogue = in_blocks.score_catalogue
    monkeypatch.setattr(
        in_blocks, "score_catalogue", lambda users: sizes.append(len(users)) or catalogue(users)
    )
    np.testing.assert_allclose(in_blocks.score_pairs(user[order], item[order]), whole, rtol=1e-6)
    assert sizes == [2, 2]  # four users: 0, 2, 5 and 9
    monkeypatch.setattr(scoring, "NUMBERS_PER_BLOCK", 1)
    np.testing.assert_allclose(scorer.score_pairs(user[order], item[order]), whole, rtol=1e-6)


def test_no_pairs_of_a_model_without_an_item_input_have_no_scores() -> None:
    none = np.zeros(0, np.int32)
    assert catalogue_scorer().score_pairs(none, none).shape == (0,)
    assert catalogue_scorer().score_catalogue(none).shape == (0, NUM_ITEMS)


def test_ratings_of_a_model_without_an_item_input_are_clipped_for_pairs_alone() -> None:
    scorer = catalogue_scorer(Task.RATING, output=9.0)
    user, item = every_pair(np.array([1, 2], np.int32))
    catalogue = scorer.score_catalogue(np.array([1, 2], np.int32)).ravel()
    assert catalogue.max() > 5
    expected = catalogue.clip(1, 5)
    np.testing.assert_allclose(scorer.score_pairs(user, item), expected, rtol=1e-6)
    in_graph = scorer.pairs(keras.ops.array(user), keras.ops.array(item))
    np.testing.assert_allclose(in_graph, expected, rtol=1e-5)
    unbounded = catalogue_scorer(Task.IMPLICIT, output=9.0)
    assert unbounded.score_pairs(user, item).max() > 5


def pair_model_with_bag(joined: bool = False) -> keras.Model:
    """SVD++: (p_u + |N(u)|^-1/2 sum of y_j) . q_i; or a model that cannot be split."""
    keras.utils.set_random_seed(0)
    user = keras.Input((), dtype="int32", name="user_id")
    item = keras.Input((), dtype="int32", name="item_id")
    bag = keras.Input((NUM_ITEMS,), name="bag")
    p = layers.Embedding(NUM_USERS, 4, embeddings_initializer="normal", name="p")(user)
    q = layers.Embedding(NUM_ITEMS, 4, embeddings_initializer="normal", name="q")(item)
    feedback = layers.Dense(4, use_bias=False, name="y")(layers.UnitNormalization()(bag))
    of_user = layers.Add()([p, feedback])
    if not joined:
        return keras.Model([user, item, bag], layers.Dot(axes=-1)([of_user, q]))
    masked = layers.Masking()(layers.Reshape((2, 4))(layers.Concatenate()([of_user, q])))
    return keras.Model([user, item, bag], layers.Dense(1)(layers.LSTM(3)(masked)))


def test_pair_model_with_a_bag_is_split_and_scores_as_pair_by_pair() -> None:
    model = pair_model_with_bag()
    scorer = ModelScorer(model, pipeline(Task.IMPLICIT).feed, DATA.spec)
    assert len(scorer.items()) > 0
    split = split_by_side(model)
    assert split.user_inputs == ("user_id", "bag")
    assert split.item_inputs == ("item_id",)
    assert_catalogue_is_the_model(scorer)
    p, q, feedback = (np.asarray(model.get_layer(name).weights[0]) for name in "pqy")
    for user in (3, 80):
        bag = DATA.seen.rows(np.array([user], np.int32))[1]
        vector = p[user] + feedback[bag].sum(axis=0) / np.sqrt(len(bag))
        found = scorer.score_catalogue(np.array([user], np.int32))[0]
        np.testing.assert_allclose(found, q @ vector, rtol=1e-4, atol=1e-6)


def test_pairs_of_a_model_with_a_bag_are_scored_in_blocks_as_wide_as_it(monkeypatch) -> None:
    scorer = ModelScorer(pair_model_with_bag(), pipeline(Task.IMPLICIT).feed, DATA.spec)
    expected = scorer.score_pairs(*every_pair(USERS))
    monkeypatch.setattr(scoring, "NUMBERS_PER_BLOCK", 50 * NUM_ITEMS)
    sizes, pairs = [], scorer._pairs
    monkeypatch.setattr(scorer, "_pairs", lambda u, i: sizes.append(len(u)) or pairs(u, i))
    np.testing.assert_allclose(scorer.score_pairs(*every_pair(USERS)), expected, rtol=1e-5)
    assert max(sizes) == 50


def test_pair_model_with_a_bag_of_another_joint_part_scores_as_pair_by_pair() -> None:
    model = pair_model_with_bag(joined=True)
    assert_catalogue_is_the_model(ModelScorer(model, pipeline(Task.IMPLICIT).feed, DATA.spec))


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
        assert scorer.items() == []
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
    assert len(scorer.items()) > 0
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
    assert scorer.items() == []
    assert_catalogue_is_the_model(scorer)


def test_blocks_do_not_change_scores(monkeypatch) -> None:
    user, genres, of_user, of_item = masked_parts()
    of_items = layers.Reshape((1, 4))(layers.GlobalAveragePooling1D()(of_item))
    output = layers.Flatten()(layers.Dot(axes=-1)([of_user, of_items]))
    scorer = scorer_of([user, genres], output)
    whole, pairs = scorer.score_catalogue(USERS), scorer.score_pairs(*every_pair(USERS))
    width = split_by_side(scorer.model).width
    monkeypatch.setattr(scoring, "NUMBERS_PER_BLOCK", (2 * NUM_ITEMS + 1) * width)
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
