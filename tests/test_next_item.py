"""The input `history` and the examples `NextItem`: fed, trained, exported and served."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from prepared import with_train
from small_run import write_ratings

import recsearch
from recsearch.contract.checks.builder_result import as_recommender
from recsearch.contract.examples import NextItem
from recsearch.contract.inputs.history_input import HISTORY, Histories, HistoryInput
from recsearch.contract.kinds import Batch, Request, Rows
from recsearch.data.interactions import Interactions
from recsearch.data.preparation import PreparedData, Vocabularies, prepare
from recsearch.data.task import Task
from recsearch.data.vocabulary import DataSpec
from recsearch.errors import SpaceError
from recsearch.nn import Bags, Recommender
from recsearch.pipeline import Feed, Pipeline
from recsearch.scoring.model_scorer import ModelScorer
from recsearch.serving.saved_model import save_recommender
from recsearch.serving.verify import verify_export
from recsearch.training.fit import Fitter
from recsearch.tuning.space.search_space import load_space
from recsearch.workflow.check import check_space

SPACE = '''
import keras
from keras import layers

from recsearch.contract.examples import NextItem
from recsearch.nn import Recommender

LENGTH = 5


def build(hp, data):
    """Each position sees its item and the one before it."""
    history = keras.Input((LENGTH,), dtype="int32", name="history")
    vectors = layers.Embedding(data.num_items, hp.Choice("dim", [16, 8]))(history)
    states = layers.Conv1D(16, 2, padding="causal", activation="relu")(vectors)
    scores = layers.Dense(data.num_items)
    trained = keras.Model(history, scores(states))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    trained.compile(keras.optimizers.Adam(0.02), loss)
    return Recommender(
        keras.Model(history, scores(states[:, -1])), NextItem(LENGTH), 16, trained=trained
    )
'''
LENGTH = 5
NUM_USERS, NUM_ITEMS, STEPS = 40, 20, 9  # on a ring of items


def item_at(place: int) -> int:
    """Returns the raw id of the item at a place of the ring."""
    return 100 + place % NUM_ITEMS


def on_a_ring() -> tuple[PreparedData, Vocabularies]:
    """Each user goes along the ring of items; held out is the item after the last one."""
    rows = [(u, item_at(u + s), s) for s in range(STEPS) for u in range(1, NUM_USERS + 1)]
    shuffled = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    held_out = [(u, item_at(u + STEPS), STEPS) for u in range(1, NUM_USERS + 1)]
    train, holdout = (
        Interactions(pa.array(user), pa.array(item), np.ones(len(user), np.float32), np.array(time))
        for user, item, time in (zip(*part, strict=True) for part in (shuffled, held_out))
    )
    return prepare(train, holdout, Task.IMPLICIT)


def built(folder: Path, spec: DataSpec) -> Recommender:
    return space_in(folder).build("sequence", {}, spec).recommender


def space_in(folder: Path) -> Any:
    path = folder / "sequence.py"
    path.write_text(SPACE)
    return load_space([f"{path}:build"])


def trained_on_a_ring(folder: Path) -> tuple[ModelScorer, PreparedData, Vocabularies]:
    data, vocabularies = on_a_ring()
    keras.utils.set_random_seed(0)
    recommender, pipeline = built(folder, data.spec), Pipeline(data)
    fitter = Fitter(recommender, pipeline, seed=0)
    for epoch in range(25):
        fitter.run_epoch(epoch)
    return ModelScorer(recommender.model, pipeline.feed, data.spec), data, vocabularies


def test_model_learns_the_next_item_and_its_export_serves_histories(tmp_path: Path) -> None:
    scorer, data, vocabularies = trained_on_a_ring(tmp_path)
    users = data.holdout.user
    assert (scorer.score_catalogue(users).argmax(axis=1) == data.holdout.item).mean() > 0.95

    path = save_recommender(tmp_path, scorer, data, vocabularies)
    assert verify_export(path, scorer, data, vocabularies).max_difference < 1e-4  # a fresh process

    signatures = tf.saved_model.load(str(path)).signatures
    raw_user = vocabularies.users.decode(users).to_pylist()
    of_user = signatures["recommend"](user_id=tf.constant(raw_user, tf.int64), k=tf.constant(3))
    histories = [[-1] + [item_at(user + step) for step in range(STEPS)] for user in raw_user]
    of_history = signatures["recommend_for_history"](
        history=tf.constant(histories, tf.int64), k=tf.constant(3)
    )
    np.testing.assert_array_equal(of_history["item_id"], of_user["item_id"])
    np.testing.assert_allclose(of_history["score"], of_user["score"], rtol=1e-5)
    new = signatures["recommend_for_history"](
        history=tf.constant([[item_at(7), 10**9, item_at(8), -1]], tf.int64), k=tf.constant(1)
    )
    assert new["item_id"].numpy().tolist() == [[item_at(9)]]


@pytest.mark.slow
def test_space_passes_the_check_of_spaces(tmp_path: Path) -> None:
    told: list[str] = []
    check_space(space_in(tmp_path), Task.IMPLICIT, told.append)
    assert any("sequence: in a process without recsearch, the SavedModel" in line for line in told)


@pytest.mark.slow
def test_complete_run_ends_with_an_export_that_serves_histories(tmp_path: Path) -> None:
    space_in(tmp_path)
    run = recsearch.search(
        [f"{tmp_path}/sequence.py:build"],
        data=str(write_ratings(tmp_path / "ratings.csv")),
        task="implicit",
        tuner="random",
        max_trials=2,
        max_epochs=2,
        engine="inline",
        out=str(tmp_path / "run"),
    )
    assert run.metrics["winner"]["space"] == "sequence"
    path = tmp_path / "run" / "best" / "saved_model" / "1"
    assert "recommend_for_history" in tf.saved_model.load(str(path)).signatures


# User 1 has the items 3, 4, 2, 4 and 1 in this order, user 2 the items 2 and 4, user 3 none.
PAIRS = [(1, 3), (2, 2), (1, 1), (2, 4), (1, 4), (1, 2), (1, 4)]
TIMES = [5, 9, 9, 10, 6, 7, 8]


def histories() -> Histories:
    return HistoryInput().bind(with_train(PAIRS, 4, 5, timestamp=TIMES))


def test_history_by_hand() -> None:
    users = tf.constant([1, 2, 3, 0, 7])
    fed = histories().feed(HISTORY, Rows.of_side(users), (3,))
    assert fed.dtype == tf.int32
    assert fed.numpy().tolist() == [[2, 4, 1], [0, 2, 4], [0] * 3, [0] * 3, [0] * 3]
    long = histories().feed(HISTORY, Rows.of_side(users[:1]), (7,))
    assert long.numpy().tolist() == [[0, 0, 3, 4, 2, 4, 1]]


def test_history_ends_at_a_cut() -> None:
    rows = Rows(tf.constant([1, 1, 2]), tf.constant([0, 0, 0]), tf.constant([1, 4, 1]))
    fed = histories().feed(HISTORY, rows, (3,))
    assert fed.numpy().tolist() == [[4, 2, 4], [0, 0, 3], [0, 0, 2]]


def test_interactions_of_unknown_users_are_no_history() -> None:
    data = with_train([(0, 1), (0, 2), (1, 3), (1, 4)], 2, 5, timestamp=[1, 2, 3, 4])
    fed = HistoryInput().bind(data).feed(HISTORY, Rows.of_side(tf.constant([0, 1])), (2,))
    assert fed.numpy().tolist() == [[0, 0], [3, 4]]
    training = Pipeline(data).training(NextItem(2), 4, seed=0)
    assert training.order(0).tolist() == [1]


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=9),
    st.integers(1, 7),
    st.integers(0, 3),
)
@settings(max_examples=40, deadline=None)
def test_requested_history_equals_the_history_of_the_user(
    items: list[int], length: int, padding: int
) -> None:
    data = with_train([(1, item) for item in items], 2, 7, timestamp=list(range(len(items))))
    bound = HistoryInput().bind(data)
    middle = len(items) // 2
    padded = [*items[:middle], *[0] * padding, *items[middle:], 0]
    served = bound.serve(HISTORY, Request(tf.constant([padded])), (length,))
    np.testing.assert_array_equal(
        served, bound.feed(HISTORY, Rows.of_side(tf.constant([1])), (length,))
    )


def epoch(length: int, number: int = 0, seed: int = 0) -> list[tuple[list[int], list[int], int]]:
    """Returns (window, target, cut) of each user of an epoch."""
    data = with_train(PAIRS, 4, 5, timestamp=TIMES)
    feed, found = Feed(data), {}

    def step(batch: Batch) -> None:
        history = keras.Input((length,), dtype="int32", name=HISTORY)
        window = feed.inputs(keras.Model(history, history), batch.rows)
        for user, *parts in zip(
            batch.rows.user.numpy(), window.numpy(), batch.target.numpy(), batch.rows.cut.numpy(),
            strict=True,
        ):  # fmt: skip
            found[int(user)] = (parts[0].tolist(), parts[1].tolist(), int(parts[2]))

    training = Pipeline(data).training(NextItem(length), 1, seed)
    training.for_each_batch(tf.constant(training.order(number)), tf.constant(number), step)
    assert set(found) == {1, 2}  # user 3 has no items
    return [found[1], found[2]]


def test_target_is_the_item_after_each_position_and_0_at_padding() -> None:
    for number in range(3):
        first, second = epoch(6, number)
        assert first == ([0, 0, 3, 4, 2, 4], [0, 0, 4, 2, 4, 1], 1)
        assert second == ([0, 0, 0, 0, 0, 2], [0, 0, 0, 0, 0, 4], 1)


def test_windows_of_long_histories_end_at_a_random_place() -> None:
    expected = {
        1: ([2, 4], [4, 1], 1),
        2: ([4, 2], [2, 4], 2),
        3: ([3, 4], [4, 2], 3),
    }
    seen = set()
    for number in range(30):
        first = epoch(2, number)[0]
        assert first == expected[first[2]]
        seen.add(first[2])
    assert seen == {1, 2, 3}
    assert epoch(2, 4) == epoch(2, 4)


def models(length: int = LENGTH, name: str = HISTORY, width: int = NUM_ITEMS) -> Recommender:
    inputs = keras.Input((length,), dtype="int32", name=name)
    states = layers.Embedding(200, 4)(inputs)
    scores = layers.Dense(width)
    trained = keras.Model(inputs, scores(states))
    trained.compile("sgd", "mse")
    return Recommender(
        keras.Model(inputs, scores(states[:, -1])), NextItem(LENGTH), trained=trained
    )


def spec_of(num_items: int = NUM_ITEMS, has_order: bool = True) -> DataSpec:
    return DataSpec(Task.IMPLICIT, 5, num_items, 9, 1.0, 1.0, 1.0, has_order=has_order)


def test_recommender_that_fits_is_kept() -> None:
    made = models()
    assert as_recommender(made, spec_of(), {}) is made


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: models(4), r"named history of length 5 was expected\. .*history, with length 4"),
        (
            lambda: models(width=20, name="bag"),
            r"named history of length 5 was expected\. Received: bag\.",
        ),
        (
            lambda: Recommender(models().model, NextItem(LENGTH)),
            "not compiled",
        ),
    ],
    ids=["length", "input", "trained"],
)
def test_recommender_that_does_not_fit_is_refused(make: Any, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        as_recommender(make(), spec_of(), {})


def test_next_item_needs_an_output_per_position() -> None:
    made = models()
    made.model.compile("sgd", "mse")
    with pytest.raises(SpaceError, match=r"\[batch, 5, 20\] was expected.*trained=\.\.\."):
        as_recommender(Recommender(made.model, NextItem(LENGTH)), spec_of(), {})


def test_next_item_refuses_inputs_that_contain_the_answer() -> None:
    history = keras.Input((LENGTH,), dtype="int32", name=HISTORY)
    bag = keras.Input((NUM_ITEMS,), name="bag")
    states = layers.Embedding(NUM_ITEMS, 4)(history)
    scores = layers.Dense(NUM_ITEMS)
    mixed = layers.Add()([scores(states), layers.Reshape((1, NUM_ITEMS))(bag)])
    trained = keras.Model([history, bag], mixed)
    trained.compile("sgd", "mse")
    made = Recommender(
        keras.Model(history, scores(states[:, -1])), NextItem(LENGTH), trained=trained
    )
    with pytest.raises(SpaceError, match=r"nor bags.*Received: history, bag"):
        as_recommender(made, spec_of(), {})


def test_history_needs_timestamps_a_length_and_a_table_for_every_item() -> None:
    with pytest.raises(SpaceError, match=r"cannot feed: history \(needs timestamps\)"):
        as_recommender(models(), spec_of(has_order=False), {})
    endless = keras.Input((None,), dtype="int32", name=HISTORY)
    pooled = layers.GlobalAveragePooling1D()(layers.Embedding(NUM_ITEMS, NUM_ITEMS)(endless))
    model = keras.Model(endless, pooled)
    model.compile("sgd", "mse")
    with pytest.raises(SpaceError, match="history needs a fixed length"):
        as_recommender(Recommender(model, Bags()), spec_of(), {})
    with pytest.raises(SpaceError, match=r"for the input history: expected at least 300 .*padding"):
        as_recommender(models(width=300), spec_of(300), {})


def test_history_of_another_rank_is_refused() -> None:
    data, _ = on_a_ring()
    for shape in [(), (LENGTH, 2)]:
        history = keras.Input(shape, dtype="int32", name="history")
        flat = layers.Flatten()(history) if shape else layers.Reshape((1,))(history)
        model = keras.Model(history, layers.Dense(data.spec.num_items)(flat))
        model.compile("sgd", "mse")
        with pytest.raises(SpaceError, match=r"The input history needs a fixed length"):
            as_recommender(Recommender(model, Bags()), data.spec, {})


def test_cut_bags_are_refused_with_a_history_that_would_show_the_target() -> None:
    data, _ = on_a_ring()
    history = keras.Input((LENGTH,), dtype="int32", name="history")
    bag = keras.Input((data.spec.num_items,), name="bag")
    scores = layers.Dense(data.spec.num_items)(layers.Concatenate()([history, bag]))
    model = keras.Model([history, bag], scores)
    model.compile("sgd", "mse")
    with pytest.raises(SpaceError, match=r"no input named bag_labels or history"):
        as_recommender(Recommender(model, Bags(half_life=2.0)), data.spec, {})


def test_next_items_of_users_with_one_interaction_are_refused() -> None:
    data = with_train([(1, 1), (2, 2)], 3, 4, timestamp=[1, 2])
    history = keras.Input((LENGTH,), dtype="int32", name="history")
    states = layers.Embedding(4, 2)(history)
    scores = layers.Dense(4)
    trained = keras.Model(history, scores(states))
    trained.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model = keras.Model(history, scores(states[:, -1]))
    with pytest.raises(SpaceError, match=r"users with at least two interactions.*Received: none"):
        Fitter(Recommender(model, NextItem(LENGTH), trained=trained), Pipeline(data), seed=0)
