from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from keras import layers
from planted_run import METRICS
from prepared import prepared_with_ids

from recsearch.data.interactions import Interactions
from recsearch.data.preparation import PreparedData, SeenItems, Vocabularies, prepare
from recsearch.data.task import Task
from recsearch.errors import ExportError
from recsearch.nn import bag_inputs
from recsearch.pipeline import Feed
from recsearch.results.run_metrics import RunMetrics
from recsearch.scoring.model_scorer import ModelScorer
from recsearch.serving.card import write_card
from recsearch.serving.saved_model import ServedRecommender, save_recommender
from recsearch.serving.verify import NUM_QUESTIONS, K, verify_export


def make_scorer(data: PreparedData, seed: int = 0, scale: float = 1.0) -> ModelScorer:
    """A product of two random vectors and a bias a user; `scale` 0 scores everything alike."""
    keras.utils.set_random_seed(seed)
    user = keras.Input((), dtype="int32", name="user_id")
    item = keras.Input((), dtype="int32", name="item_id")
    sides = [
        layers.Embedding(size, 4, embeddings_initializer="normal")(index)
        for size, index in ((data.spec.num_users, user), (data.spec.num_items, item))
    ]
    score = layers.Rescaling(10.0 * scale, offset=3.0)(layers.Dot(-1)(sides))
    return ModelScorer(keras.Model([user, item], score), Feed(data), data.spec)


def make_catalogue_scorer(data: PreparedData) -> ModelScorer:
    """An autoencoder of bags and their labels, which has no item input."""
    keras.utils.set_random_seed(0)
    bag, labels = (keras.Input((data.spec.num_items,), name=n) for n in ("bag", "bag_labels"))
    code = layers.Dense(4, "tanh")(layers.Concatenate()([bag, labels]))
    model = keras.Model([bag, labels], layers.Dense(data.spec.num_items)(code))
    return ModelScorer(model, Feed(data), data.spec)


def make_scorer_with_bag(data: PreparedData) -> ModelScorer:
    """SVD++: the user's vector and the sum of the vectors of his items."""
    keras.utils.set_random_seed(0)
    user = keras.Input((), dtype="int32", name="user_id")
    item = keras.Input((), dtype="int32", name="item_id")
    bag = keras.Input((data.spec.num_items,), name="bag")
    p = layers.Embedding(data.spec.num_users, 4, embeddings_initializer="normal")(user)
    q = layers.Embedding(data.spec.num_items, 4, embeddings_initializer="normal")(item)
    of_user = layers.Add()([p, layers.Dense(4)(layers.UnitNormalization()(bag))])
    score = layers.Rescaling(9.0, offset=3.0)(layers.Dot(-1)([of_user, q]))
    return ModelScorer(keras.Model([user, item, bag], score), Feed(data), data.spec)


def with_text_ids() -> tuple[PreparedData, Vocabularies]:
    """20 users and 12 items; user u has the items 1 to u (at most 11), so user ü20 lacks one."""
    pairs = [(u, i) for u in range(1, 21) for i in range(1, min(u, 11) + 1)] + [(1, 12)]
    users, items = (
        pa.array([f"{letter}{side}" for side in column]).dictionary_encode()
        for letter, column in zip("ü物", zip(*pairs, strict=True), strict=True)
    )
    train = Interactions(users, items, np.ones(len(pairs), np.float32))
    return prepare(train, train.take(np.arange(10)), Task.IMPLICIT)


class Exported:
    """A saved model that was loaded again, beside what it was made of."""

    def __init__(self, path: Path, data: PreparedData, vocabularies: Vocabularies) -> None:
        self.data, self.vocabularies = data, vocabularies
        self.scorer = make_scorer(data)
        self.path = save_recommender(path, self.scorer, data, vocabularies)
        self.model = tf.saved_model.load(str(self.path))
        self.is_text = vocabularies.users.is_text

    def recommend(self, users: list, k: int, name: str = "recommend") -> dict[str, Any]:
        dtype = tf.string if self.is_text else tf.int64
        answer = self.model.signatures[name](
            user_id=tf.constant(users, dtype, [len(users)]), k=tf.constant(k)
        )
        items = answer["item_id"].numpy()
        if self.is_text:
            items = np.array([[i.decode() for i in row] for row in items]).reshape(items.shape)
        return {
            "item": items.tolist(),
            "score": answer["score"].numpy(),
            "known": answer["known_user"].numpy().tolist(),
        }

    def expected(self, user: int, *, with_seen: bool = False) -> list:
        """Returns the raw ids that are left for a user index, by the scorer, best first."""
        scores = self.scorer.score_catalogue(np.array([user], np.int32))[0]
        scores[0] = -np.inf
        if not with_seen:
            scores[self.data.seen.rows(np.array([user], np.int32))[1]] = -np.inf
        order = np.argsort(-scores, kind="stable")[: np.isfinite(scores).sum()]
        return self.vocabularies.items.decode(order.astype(np.int32)).to_pylist()


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return Exported(tmp_path_factory.mktemp("numbers"), *prepared_with_ids(Task.RATING))


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return Exported(tmp_path_factory.mktemp("text"), *with_text_ids())


@pytest.mark.parametrize("name", ["numbers", "text"])
def test_score_of_raw_ids_is_that_of_the_model_in_memory(
    name: str, request: pytest.FixtureRequest
) -> None:
    exported: Exported = request.getfixturevalue(name)
    user, item = np.arange(1, 11, dtype=np.int32), np.arange(10, 0, -1, dtype=np.int32)
    dtype = tf.string if exported.is_text else tf.int64
    answer = exported.model.signatures["serving_default"](
        user_id=tf.constant(exported.vocabularies.users.decode(user).to_pylist(), dtype),
        item_id=tf.constant(exported.vocabularies.items.decode(item).to_pylist(), dtype),
    )
    assert answer["score"].shape == (10,)
    np.testing.assert_allclose(answer["score"], exported.scorer.score_pairs(user, item), rtol=1e-6)


def test_ratings_are_clipped_to_the_labels_as_in_memory(numbers: Exported) -> None:
    scores = numbers.model.signatures["serving_default"](
        user_id=tf.range(1, 61, dtype=tf.int64), item_id=tf.range(1, 61, dtype=tf.int64)
    )["score"].numpy()
    assert 1.0 <= scores.min() < scores.max() <= 5.0


@pytest.mark.parametrize("name", ["numbers", "text"])
@pytest.mark.parametrize("k", [1, 3, 7])
def test_recommend_gives_the_k_best_unseen_items_in_order(
    name: str, k: int, request: pytest.FixtureRequest
) -> None:
    exported: Exported = request.getfixturevalue(name)
    users = np.array([1, 2, 3, 2], np.int32)
    answer = exported.recommend(exported.vocabularies.users.decode(users).to_pylist(), k)
    assert answer["known"] == [True] * 4
    for row, user in enumerate(users):
        expected = exported.expected(int(user))[:k]
        assert answer["item"][row][: len(expected)] == expected
        finite = answer["score"][row][: len(expected)]
        assert np.all(np.diff(finite) <= 0)
    assert answer["item"][1] == answer["item"][3]


def test_recommend_pads_when_fewer_items_are_left(text: Exported, numbers: Exported) -> None:
    answer = text.recommend(["ü20"], 4)  # has all but the last of the 12 items
    assert answer["item"] == [["物12", "", "", ""]]
    assert np.isfinite(answer["score"][0]).tolist() == [True, False, False, False]
    assert answer["score"][0, 1] == -np.inf
    left = numbers.expected(1)
    answer = numbers.recommend([int(numbers.vocabularies.users.ids[0].as_py())], 200)
    assert answer["item"][0] == left + [-1] * (200 - len(left))
    assert np.all(answer["score"][0, len(left) :] == -np.inf)  # beyond the catalogue too


def test_recommend_for_k_of_0_and_for_nobody_is_empty(numbers: Exported) -> None:
    assert numbers.recommend([1, 2], 0)["score"].shape == (2, 0)
    assert numbers.recommend([1, 2], -3)["item"] == [[], []]
    empty = numbers.recommend([], 5)
    assert (empty["score"].shape, empty["known"]) == ((0, 5), [])
    score = numbers.model.signatures["serving_default"](
        user_id=tf.zeros([0], tf.int64), item_id=tf.zeros([0], tf.int64)
    )["score"]
    assert score.shape == (0,)


def test_unknown_user_gets_the_popular_items(text: Exported, numbers: Exported) -> None:
    answer = text.recommend(["nobody", "", "ü1"], 3)
    assert answer["known"] == [False, False, True]
    # Item i was had by the users i to 20: the first is the most popular.
    assert answer["item"][0] == answer["item"][1] == ["物1", "物2", "物3"]
    assert answer["score"][0].tolist() == [20.0, 19.0, 18.0]
    count = np.bincount(numbers.data.train.item, minlength=numbers.data.spec.num_items)
    answer = numbers.recommend([10**15], 1)
    assert answer["score"][0, 0] == count[1:].max()


def test_unknown_item_is_scored_as_index_0(text: Exported) -> None:
    score = text.model.signatures["serving_default"](
        user_id=tf.constant(["ü1"]), item_id=tf.constant(["nothing"])
    )["score"]
    expected = text.scorer.score_pairs(np.array([1], np.int32), np.array([0], np.int32))
    np.testing.assert_allclose(score, expected, rtol=1e-6)


def test_recommend_with_seen_leaves_nothing_out(text: Exported) -> None:
    answer = text.recommend(["ü20"], 20, "recommend_with_seen")
    index = int(text.vocabularies.users.encode(pa.array(["ü20"]))[0])
    assert answer["item"][0] == text.expected(index, with_seen=True) + [""] * 8
    assert set(answer["item"][0]) == {f"物{i}" for i in range(1, 13)} | {""}


def test_signatures_take_the_ids_of_the_data(text: Exported, numbers: Exported) -> None:
    for exported, dtype in ((text, tf.string), (numbers, tf.int64)):
        signatures = exported.model.signatures
        assert set(signatures) == {"serving_default", "recommend", "recommend_with_seen"}
        assert signatures["recommend"].structured_input_signature[1]["user_id"].dtype == dtype
        assert signatures["recommend"].structured_outputs["item_id"].dtype == dtype


def test_item_part_that_is_a_table_of_the_model_is_saved_once(numbers: Exported) -> None:
    data, vocabularies = prepared_with_ids(Task.RATING)
    served = ServedRecommender(numbers.scorer, data, vocabularies)
    (part,) = served.item_parts
    assert any(part is variable for variable in served.model_variables)
    item = keras.Input((), dtype="int32", name="item_id")
    user = keras.Input((), dtype="int32", name="user_id")
    tower = layers.Dense(4)(layers.Embedding(data.spec.num_items, 3)(item))
    score = layers.Dot(-1)([layers.Embedding(data.spec.num_users, 4)(user), tower])
    scorer = ModelScorer(keras.Model([user, item], score), Feed(data), data.spec)
    (part,) = ServedRecommender(scorer, data, vocabularies).item_parts
    assert part.shape == (data.spec.num_items, 4)
    np.testing.assert_array_equal(part, scorer.items()[0])


def test_verification_passes_in_a_fresh_process(text: Exported) -> None:
    found = verify_export(text.path, text.scorer, text.data, text.vocabularies)
    assert (found.num_pairs, found.num_users) == (NUM_QUESTIONS, NUM_QUESTIONS)
    assert K == 10  # more than most of these users have left: padding was compared too
    assert found.max_difference < 1e-5


@pytest.mark.parametrize("make", [make_catalogue_scorer, make_scorer_with_bag])
@pytest.mark.parametrize("task", [Task.RATING, Task.IMPLICIT], ids=str)
def test_export_of_a_model_of_bags_answers_as_the_model(make, task: Task, tmp_path: Path) -> None:
    data, vocabularies = prepared_with_ids(task)
    scorer = make(data)  # never asked before: the export must find the bags by itself
    path = save_recommender(tmp_path, scorer, data, vocabularies)
    found = verify_export(path, scorer, data, vocabularies)
    assert found.max_difference < 1e-4
    unknown = tf.saved_model.load(str(path)).signatures["serving_default"](
        user_id=tf.constant([10**12]),
        item_id=vocabularies.items.ids[4].as_py() + tf.constant([0], tf.int64),
    )
    nobody = np.array([0], np.int32)
    expected = scorer.score_pairs(nobody, np.array([5], np.int32))
    np.testing.assert_allclose(unknown["score"], expected, rtol=1e-5)


def test_export_of_a_model_that_reads_ages_answers_as_the_model(tmp_path: Path) -> None:
    data, vocabularies = prepared_with_ids(Task.IMPLICIT)
    inputs, bag = bag_inputs(data.spec, half_life=2.0)
    keras.utils.set_random_seed(0)
    model = keras.Model(inputs, layers.Dense(data.spec.num_items)(bag))
    scorer = ModelScorer(model, Feed(data), data.spec)
    path = save_recommender(tmp_path, scorer, data, vocabularies)
    assert verify_export(path, scorer, data, vocabularies).max_difference < 1e-4
    plain = keras.Model(inputs, model.layers[-1](inputs[0]))  # the same weights, all items alike
    users = np.arange(1, 20, dtype=np.int32)
    other = ModelScorer(plain, Feed(data), data.spec).score_catalogue(users)
    assert np.abs(scorer.score_catalogue(users) - other).max() > 0.1


def test_bags_are_exported_only_with_a_model_that_reads_them(numbers: Exported) -> None:
    data, vocabularies = prepared_with_ids(Task.RATING)
    bags = numbers.scorer.feed.bound("bag")  # created, as by another model of the same run
    assert bags not in ServedRecommender(numbers.scorer, data, vocabularies).bound_inputs
    scorer = make_catalogue_scorer(data)
    served = ServedRecommender(scorer, data, vocabularies)
    assert scorer.feed.bound("bag") in served.bound_inputs


def export_of_bags(tmp_path: Path, task: Task = Task.IMPLICIT) -> tuple[ModelScorer, Path]:
    """Exports an autoencoder that reads bags and ages, and gives item 5 the highest score."""
    data, vocabularies = prepared_with_ids(task)
    inputs, bag = bag_inputs(data.spec, half_life=2.0)
    keras.utils.set_random_seed(0)
    code = layers.Dense(4, "tanh")(bag)
    model = keras.Model(inputs, layers.Dense(data.spec.num_items)(code))
    scorer = ModelScorer(model, Feed(data), data.spec)
    return scorer, save_recommender(tmp_path, scorer, data, vocabularies)


def test_export_recommends_for_a_history_as_for_the_user_with_this_history(tmp_path: Path) -> None:
    data, vocabularies = prepared_with_ids(Task.IMPLICIT)
    scorer, path = export_of_bags(tmp_path)
    signatures = tf.saved_model.load(str(path)).signatures
    assert data.order is not None
    for user in (1, 7, 33):
        rows = data.order.row[data.order.offsets[user] : data.order.offsets[user + 1]]
        items = vocabularies.items.decode(data.train.item[rows]).to_pylist()
        padded = [[-1, *items, 10**12, -1]]  # padding and an unknown id
        answer = signatures["recommend_for_history"](
            history=tf.constant(padded, tf.int64), k=tf.constant(5)
        )
        of_user = signatures["recommend"](
            user_id=tf.constant(vocabularies.users.decode(np.array([user])).to_pylist(), tf.int64),
            k=tf.constant(5),
        )
        assert answer.keys() == {"item_id", "score"}
        assert answer["item_id"].numpy().tolist() == of_user["item_id"].numpy().tolist()
        np.testing.assert_allclose(answer["score"], of_user["score"], rtol=1e-5)
    verify_export(path, scorer, data, vocabularies)


def test_history_without_a_known_item_gets_the_popular_items(tmp_path: Path) -> None:
    _, path = export_of_bags(tmp_path)
    signatures = tf.saved_model.load(str(path)).signatures
    expected = signatures["recommend"](user_id=tf.constant([10**12]), k=tf.constant(4))
    for history in ([[-1, 10**12]], [[]]):
        answer = signatures["recommend_for_history"](
            history=tf.constant(history, tf.int64), k=tf.constant(4)
        )
        assert answer["item_id"].numpy().tolist() == expected["item_id"].numpy().tolist()
    nobody = signatures["recommend_for_history"](
        history=tf.zeros([0, 3], tf.int64), k=tf.constant(4)
    )
    assert nobody["item_id"].shape[0] == 0


def test_only_models_whose_user_inputs_can_be_requested_answer_for_a_history(
    numbers: Exported,
) -> None:
    data, vocabularies = prepared_with_ids(Task.RATING)
    assert "recommend_for_history" not in numbers.model.signatures  # it reads user_id
    for make in (make_catalogue_scorer, make_scorer_with_bag):  # they read bag_labels, user_id
        served = ServedRecommender(make(data), data, vocabularies)
        assert "recommend_for_history" not in served.signatures()


@pytest.mark.slow
def test_pairs_of_a_bag_and_an_item_answer_for_a_history(tmp_path: Path) -> None:
    data, vocabularies = prepared_with_ids(Task.RATING)
    keras.utils.set_random_seed(0)
    item = keras.Input((), dtype="int32", name="item_id")
    bag = keras.Input((data.spec.num_items,), name="bag")
    vector = layers.Embedding(data.spec.num_items, 4, embeddings_initializer="normal")(item)
    model = keras.Model([bag, item], layers.Dot(-1)([layers.Dense(4)(bag), vector]))
    for name in ("split", "pair by pair"):
        scorer = ModelScorer(model, Feed(data), data.spec)
        if name == "split":
            assert scorer._split is not None
        else:
            vars(scorer)["_split"] = None
        path = save_recommender(tmp_path / name, scorer, data, vocabularies)
        assert "recommend_for_history" in tf.saved_model.load(str(path)).signatures
        verify_export(path, scorer, data, vocabularies)


def test_verification_refuses_another_answer_for_a_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer, path = export_of_bags(tmp_path)
    changed = ModelScorer.score_histories
    monkeypatch.setattr(
        ModelScorer, "score_histories", lambda self, history: changed(self, history) + 0.1
    )
    with pytest.raises(ExportError, match="recommend_for_history differs"):
        verify_export(path, scorer, *prepared_with_ids(Task.IMPLICIT))


def test_verification_refuses_the_variables_of_another_model(numbers: Exported) -> None:
    other = make_scorer(numbers.data, seed=1)
    with pytest.raises(ExportError, match="exported model's score differs from the model in mem"):
        verify_export(numbers.path, other, numbers.data, numbers.vocabularies)


def test_verification_refuses_an_export_that_recommends_seen_items(tmp_path: Path) -> None:
    data, vocabularies = prepared_with_ids(Task.RATING)
    scorer = make_scorer(data, scale=0.0)  # all scores are equal: they cannot tell
    nothing = SeenItems.of(data.train, data.spec.num_users, data.spec.num_items)
    nothing = replace(nothing, offsets=np.zeros_like(nothing.offsets))
    path = save_recommender(tmp_path, scorer, replace(data, seen=nothing), vocabularies)
    with pytest.raises(ExportError, match=r"choice of items \(-inf: seen in training\) differs"):
        verify_export(path, scorer, data, vocabularies)


def test_verification_refuses_what_cannot_be_loaded(tmp_path: Path, text: Exported) -> None:
    with pytest.raises(ExportError, match=r"cannot be used on its own:(.|\n)*does not exist"):
        verify_export(tmp_path / "none", text.scorer, text.data, text.vocabularies)


def test_card_tells_the_verdict_the_metrics_and_how_they_came_about(tmp_path: Path) -> None:
    protocol = {**METRICS["protocol"], "validation": "10,000 labels", "ties": "lost"}
    test = {"rmse": 0.912, "mae": None}
    intervals = {"rmse": {"value": 0.91, "low": 0.9, "high": 0.92}}
    seeds = {"metrics": [{}] * 3, "mean": {"rmse": 0.915}, "deviation": {"rmse": 0.002}}
    added = {"protocol": protocol, "test": test, "intervals": intervals, "seeds": seeds}
    path = write_card(tmp_path, RunMetrics.from_json({**METRICS, **added}))
    lines = path.read_text().splitlines()
    assert lines[0] == "# Model card: neumf"
    assert lines[2] == METRICS["verdict"]
    assert "- Trained on train + validation for 2 epochs; 123,456 parameters" in lines
    assert "- Chosen by rmse on validation (10,000 labels)" in lines
    assert "- Looks at the test part: 1" in lines
    assert "- rmse, 95 % interval over users: 0.9000 to 0.9200" in lines
    assert "- rmse over 3 seeds: 0.9150, standard deviation 0.0020" in lines
    table = lines.index("| | rmse | mae |")
    assert lines[table + 1 : table + 6] == [
        "|---|---|---|",
        "| **neumf** | 0.9120 | n/a |",
        "| item_knn | 0.9500 | 0.7400 |",
        "| bias | 0.9440 | 0.7500 |",
        "| ease | skipped: 20,000 items need 3.2 GB. |",
    ]
    assert "- `embedding_dim`: 32" in lines
    assert f"- Tested on {protocol['test']}; lost" in lines
    assert not any("{{" in line or "{%" in line for line in lines)
    del protocol["ties"]  # only rankings have them
    lines = (
        write_card(tmp_path, RunMetrics.from_json({**METRICS, **added})).read_text().splitlines()
    )
    assert f"- Tested on {protocol['test']}" in lines
