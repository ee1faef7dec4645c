from pathlib import Path

import pytest
from small_run import write_builder

from recsearch.cli.program import main
from recsearch.data.task import Task
from recsearch.workflow.check import generated_data

MODEL = """
import keras
from keras import layers


def build(hp, data):
    user = keras.Input((), dtype="int32", name={user!r})
    item = keras.Input((), dtype="int32", name={item!r})
    sides = [layers.Embedding(61, 2)(index) for index in (user, item)]
    score = layers.Dense(1)(layers.Concatenate()(sides))
    model = keras.Model([user, item], score)
    {compile}
    return model
"""

SUBCLASSED = """
import keras


class Mine(keras.Model):
    def call(self, inputs):
        return inputs["item_id"]


def build(hp, data):
    model = Mine()
    model.compile("adam", "mse")
    return model
"""

USER_ALONE = """
import keras


def build(hp, data):
    user = keras.Input((), dtype="int32", name="user_id")
    model = keras.Model(user, keras.layers.Embedding(data.num_users, 1)(user))
    model.compile("adam", "mse")
    return model
"""

OWN_LAYER = """
import keras


class Shift(keras.layers.Layer):
    def build(self, shape):
        self.shift = self.add_weight(shape=(), initializer="zeros")

    def call(self, inputs):
        return inputs + self.shift


def build(hp, data):
    user = keras.Input((), dtype="int32", name="user_id")
    item = keras.Input((), dtype="int32", name="item_id")
    vectors = [keras.layers.Embedding(data.num_users, 2)(user),
               keras.layers.Embedding(data.num_items, 2)(item)]
    model = keras.Model([user, item], Shift()(keras.layers.Dot(-1)(vectors)))
    model.compile("adam", "mse")
    return model
"""


def write(folder: Path, text: str) -> str:
    path = folder / "mine.py"
    path.write_text(text)
    return f"{path}:build"


def model(user: str = "user_id", item: str = "item_id", compiled: bool = True) -> str:
    return MODEL.format(
        user=user, item=item, compile='model.compile("adam", "mse")' if compiled else ""
    )


def test_space_that_keeps_the_contract_passes_each_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reference = f"{write_builder(tmp_path)}:build"
    assert main(["check", reference]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0] == "discovered 1 hyperparameters"
    assert lines[1] == "quick: builds and trains with defaults and 5 random configurations"
    assert lines[2] == "quick: a saved .keras file gives the same scores"
    assert lines[3].startswith("quick: in a process without recsearch, the SavedModel gives the s")
    assert lines[4] == f"{reference} passed all checks for the task rating"


@pytest.mark.slow
def test_layer_that_keras_does_not_know_is_told_and_is_no_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", write(tmp_path, OWN_LAYER)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (
        "only in programs that register your custom classes (Could not locate class 'Shift')"
        in lines[2]
    )
    assert "register_keras_serializable" in lines[2]
    assert lines[3].startswith("mine: in a process without recsearch, the SavedModel gives the s")


@pytest.mark.parametrize(
    ("text", "task", "message"),
    [
        (model(compiled=False), "rating", "not compiled"),
        (model(item="movie"), "rating", "inputs that the data cannot feed: movie"),
        (model(user="user_mood"), "rating", "inputs that the data cannot feed: user_mood"),
        (USER_ALONE, "rating", "A model without an item input must score the whole catalogue"),
        (SUBCLASSED, "rating", "The model must be functional"),
        (model(), "click", "End the model with a sigmoid"),
        ("def build(hp, data):\n    return 3\n", "rating", "Received"),
        ("def build(hp, data):\n    return 1 / 0\n", "rating", "ZeroDivisionError"),
        ("def build(hp, data:\n", "rating", "cannot be imported: SyntaxError"),
        ("import nothing_there\n", "rating", "No module named 'nothing_there'"),
        ("x = 1\n", "rating", "has no function 'build'"),
    ],
)
def test_space_that_breaks_the_contract_is_told_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, task: str, message: str
) -> None:
    assert main(["check", write(tmp_path, text), "--task", task]) == 2
    captured = capsys.readouterr()
    assert "passed all checks" not in captured.out
    assert captured.err.startswith("recsearch: ")
    assert message in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("task", list(Task))
def test_generated_data_suit_the_task_and_are_small(task: Task) -> None:
    data, vocabularies = generated_data(task)
    assert data.spec.task is task
    assert 50 < data.spec.num_users == len(vocabularies.users) <= 61
    assert 30 < data.spec.num_items == len(vocabularies.items) <= 41
    labels = set(data.train.label.tolist())
    expected = {Task.RATING: {1, 2, 3, 4, 5}, Task.IMPLICIT: {1}, Task.CLICK: {0, 1}}
    assert labels == expected[task]
    assert {column.name for column in data.spec.columns} == {
        "user_age_group", "user_country", "item_genres", "item_year",
    }  # fmt: skip
