"""References to Keras Tuner's HyperModel, in each form that people write."""

from pathlib import Path

import pytest
from prepared import prepared

from recsearch.data.task import Task
from recsearch.errors import SpaceError
from recsearch.tuning.space.search_space import load_space

SPEC = prepared(Task.RATING).spec

SOURCE = """
import keras
import keras_tuner

def linear(num_items, width):
    item = keras.Input((), dtype="int32", name="item_id")
    table = keras.layers.Embedding(num_items, width)(item)
    model = keras.Model(item, keras.layers.Dense(1)(table))
    model.compile("sgd", "mse")
    return model

class Plain(keras_tuner.HyperModel):
    def build(self, hp):
        return linear(100, hp.Int("width", 1, 4))

class Sized(keras_tuner.HyperModel):
    def __init__(self, widest=3, **kwargs):
        super().__init__(**kwargs)
        self.widest = widest
    def build(self, hp, data):
        return linear(data.num_items, hp.Int("width", 2, self.widest))
    def small(self, hp, data):
        return linear(data.num_items, hp.Int("width", 1, 2))

class Needy(keras_tuner.HyperModel):
    def __init__(self, widest):
        super().__init__()
    def build(self, hp):
        return linear(100, 1)

class Fitting(Plain):
    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, batch_size=hp.Int("batch", 1, 9), **kwargs)

model = Sized(widest=7)
fixed = Plain(tunable=False)
fitting = Fitting()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "models.py"
    path.write_text(SOURCE)
    return path


@pytest.mark.parametrize(
    ("attribute", "family", "low", "high"),
    [
        ("Plain", "Plain", 1, 4),
        ("Plain.build", "Plain", 1, 4),
        ("Sized", "Sized", 2, 3),
        ("model", "model", 2, 7),
        ("model.build", "model", 2, 7),
        ("model.small", "model.small", 1, 2),
    ],
)
def test_hypermodel_is_a_builder(file: Path, attribute: str, family: str, low: int, high: int):
    space = load_space([f"{file}:{attribute}"])
    assert list(space.families) == [family]
    width = space.discover(SPEC).space[1]
    assert (width.name, width.min_value, width.max_value) == (f"{family}/width", low, high)
    built = space.build(family, {"width": high}, SPEC)
    assert built.values == {"width": high}
    assert built.recommender.model.layers[1].output_dim == high


def test_hypermodel_that_is_not_tunable_has_no_hyperparameters(file: Path) -> None:
    space = load_space([f"{file}:fixed"])
    assert len(space.discover(SPEC).space) == 1
    assert space.build("fixed", {}, SPEC).values == {}


@pytest.mark.parametrize("attribute", ["Fitting", "fitting", "fitting.build"])
def test_own_fit_is_refused(file: Path, attribute: str) -> None:
    with pytest.raises(SpaceError, match=rf"{attribute} overrides fit, .*Remove fit"):
        load_space([f"{file}:{attribute}"])


def test_class_that_needs_arguments_is_refused_with_the_remedy(file: Path) -> None:
    message = r"Needy cannot be created without arguments: .*'widest'.*models\.py:model"
    with pytest.raises(SpaceError, match=message):
        load_space([f"{file}:Needy"])


@pytest.mark.parametrize("attribute", ["absent", "model.absent", "model.widest", "Absent.build"])
def test_reference_to_nothing_that_builds_is_refused(file: Path, attribute: str) -> None:
    with pytest.raises(SpaceError, match=rf"models\.py has no function '{attribute}'"):
        load_space([f"{file}:{attribute}"])
