"""The registries of input kinds and example kinds, and README's table of inputs."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from prepared import prepared, with_train

from recsearch.contract.checks.builder_result import as_recommender
from recsearch.contract.examples import EXAMPLE_KINDS
from recsearch.contract.inputs import INPUT_KINDS, input_specs, inputs_table, kind_of, side_of
from recsearch.contract.kinds import Arrays, Batch, Request, Rows
from recsearch.contract.recommender import ExampleKind, Recommender
from recsearch.data.task import Task
from recsearch.errors import SpaceError
from recsearch.pipeline import Feed, Pipeline
from recsearch.training.fit import Fitter

README = Path(__file__).resolve().parents[1] / "README.md"


def test_readme_has_the_table_of_inputs_of_the_registry() -> None:
    text = README.read_text()
    begin, end = "<!-- inputs -->\n", "\n<!-- end of inputs -->"
    assert text.count(begin) == text.count(end) == 1
    assert text.partition(begin)[2].partition(end)[0] == inputs_table()


def test_every_kind_documents_its_inputs() -> None:
    assert len(INPUT_KINDS) >= 3
    spec = prepared(Task.IMPLICIT).spec
    for kind in INPUT_KINDS:
        documented = {row.name for row in kind.documentation}
        assert documented
        for name in (one.name for one in kind.inputs(spec)):
            side, _, column = name.partition("_")
            assert name in documented or f"{side}_<column>" in documented, name
            assert column or name in documented


@pytest.mark.parametrize("task", Task)
def test_each_input_is_of_one_kind_and_can_be_fed_in_its_shape(task: Task) -> None:
    data = prepared(task)
    feed, rows = Feed(data), Rows(tf.constant([1, 2, 0]), tf.constant([3, 0, 1]))
    specs = input_specs(data.spec)
    assert {"user_id", "item_id", "bag", "bag_labels"} < specs.keys()
    for name, spec in specs.items():
        kind = kind_of(name)
        assert kind is not None
        assert side_of(name) == spec.side
        assert kind.missing(name, data.spec) is None
        shape = tuple(4 if size is None else size for size in spec.shape)
        value = feed.bound(name).feed(name, rows, shape)
        assert tuple(value.shape) == (3, *shape), name


def test_inputs_that_can_be_requested_are_computed_from_a_history() -> None:
    data = prepared(Task.IMPLICIT)
    feed, request = Feed(data), Request(tf.constant([[1, 2, 0]]))
    for name, spec in input_specs(data.spec).items():
        shape = tuple(4 if size is None else size for size in spec.shape)
        if spec.request is None:
            with pytest.raises(NotImplementedError, match=f"{name} cannot be computed"):
                feed.bound(name).serve(name, request, shape)
        else:
            value = feed.bound(name).serve(name, request, shape)
            assert tuple(value.shape) == (1, *shape), name


def test_missing_gives_the_reason() -> None:
    spec = replace(prepared(Task.IMPLICIT).spec, has_ages=False)
    for name, reason in [
        ("bag_age", "needs implicit data with timestamps"),
        ("user_mood", "the table of users has no column 'mood'"),
        ("item_mood", "the table of items has no column 'mood'"),
    ]:
        kind = kind_of(name)
        assert kind is not None
        assert kind.missing(name, spec) == reason
        assert name not in input_specs(spec)


def test_name_of_no_kind_is_the_users_and_cannot_be_fed() -> None:
    assert kind_of("genre") is None
    assert side_of("genre") == "user"
    with pytest.raises(KeyError, match="genre"):
        Feed(with_train([(1, 1)], 2, 2)).bound("genre")


@dataclass(frozen=True)
class Shuffled:
    """Examples of your own: the pairs, each with the user that the examples put in its place."""

    user: int

    @classmethod
    def implied(cls, model: Any, spec: Any, values: Any) -> "Shuffled | None":
        return None

    def misfit(self, recommender: Recommender, spec: Any) -> str | None:
        return None if self.user < spec.num_users else f"There is no user {self.user}."

    def bind(self, arrays: Arrays) -> "ShuffledPairs":
        return ShuffledPairs(arrays, self.user)


class ShuffledPairs:
    def __init__(self, arrays: Arrays, user: int) -> None:
        self.arrays, self.user = arrays, user

    def order(self, rng: np.random.Generator) -> np.ndarray:
        return rng.permutation(len(self.arrays.label))

    def gather(self, units: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return tf.gather(self.arrays.item, units), tf.gather(self.arrays.label, units)

    def batch(self, *examples: tf.Tensor) -> Batch:
        item, label = examples
        rows = Rows(tf.zeros_like(item), item)
        return Batch(rows, label, replaced={"user_id": tf.fill(tf.shape(item), self.user)})


def test_examples_of_your_own_are_trained_with_the_inputs_that_they_replace() -> None:
    data = with_train([(1, 1), (2, 2), (1, 3)], 4, 5, label=[5.0, 4.0, 3.0], task=Task.RATING)
    user = keras.Input((1,), dtype="int32", name="user_id")
    item = keras.Input((), dtype="int32", name="item_id")
    table = keras.layers.Embedding(4, 2)
    of_user = keras.layers.Flatten()(table(user))
    score = keras.layers.Dot(-1)([of_user, keras.layers.Embedding(5, 2)(item)])
    model = keras.Model([user, item], score)
    model.compile(keras.optimizers.SGD(0.5), "mse")
    made = as_recommender(Recommender(model, Shuffled(3), 2), data.spec, {})
    before = table.embeddings.numpy()
    Fitter(made, Pipeline(data), seed=0).run_epoch(0)
    changed = np.any(table.embeddings.numpy() != before, axis=1)
    assert changed.tolist() == [False, False, False, True]
    with pytest.raises(SpaceError, match=r"There is no user 9\."):
        as_recommender(Recommender(model, Shuffled(9)), data.spec, {})


def test_example_kinds_follow_the_protocol() -> None:
    assert len(EXAMPLE_KINDS) >= 3
    for kind in EXAMPLE_KINDS:
        assert issubclass(kind, ExampleKind)
