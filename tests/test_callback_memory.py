"""What callbacks remember, in checkpoints without pickle."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from callback_models import recommender, small_model
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from keras import callbacks as kc
from prepared import pipeline

from recsearch.data.task import Task
from recsearch.errors import RunDirectoryError
from recsearch.nn import Pairs, Recommender
from recsearch.training.callbacks import EpochCallbacks
from recsearch.training.fit import Fitter


class Memory(kc.Callback):
    """Remembers whatever it is given."""

    def __init__(self, **things: Any) -> None:
        super().__init__()
        vars(self).update(things)


def through_a_file(callback: kc.Callback, fresh: kc.Callback, path: Path) -> None:
    """Moves what a callback remembers into a fresh one, by way of a checkpoint."""
    model = small_model()
    fitters = [
        Fitter(Recommender(model, Pairs(), 400, callbacks=(one,)), pipeline(Task.RATING), 0)
        for one in (callback, fresh)
    ]
    for fitter in fitters:
        fitter.callbacks.begin(1)
    fitters[0].save(path)
    fitters[1].load(path)


def test_numbers_text_and_arrays_are_remembered_without_pickle(tmp_path: Path) -> None:
    things = {
        "wait": 2, "best": float("inf"), "worst": float("-inf"), "lost": float("nan"), "done": True,
        "nothing": None, "text": "ünï\n", "huge": 2**70, "scalar": np.float32(0.1),
        "weights": [np.eye(2), np.zeros((0, 3), np.int8)], "pair": (1, [2.5, (None,)]),
        "history": {"loss": [0.5, 0.25], 3: "three"}, "names": np.array(["a", "bc"]),
    }  # fmt: skip
    fresh = Memory(wait=0, extra="kept")
    through_a_file(Memory(**things), fresh, tmp_path / "c.npz")
    received = {name: vars(fresh)[name] for name in things}
    np.testing.assert_equal(received, things)  # NaN equals NaN; types of containers count
    assert {name: type(value) for name, value in received.items()} == {
        name: type(value) for name, value in things.items()
    }
    assert fresh.extra == "kept"


def test_what_is_no_plain_value_is_left_to_the_constructor(tmp_path: Path) -> None:
    odd = {
        "function": len, "objects": np.array([object()]), "mixed": [1, object()],
        "nested": {"a": {"b": print}}, "set": {1, 2},
    }  # fmt: skip
    fresh = Memory(**dict.fromkeys(odd, "mine"))
    through_a_file(Memory(**odd), fresh, tmp_path / "c.npz")
    assert {name: vars(fresh)[name] for name in odd} == dict.fromkeys(odd, "mine")
    assert fresh.params == {"epochs": 1, "verbose": 0}


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | arrays.arrays(np.float32, arrays.array_shapes(min_dims=1, max_side=3)),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner)
    ),
    max_leaves=10,
)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return small_model()


@given(value=PLAIN)
def test_any_nesting_of_plain_values_comes_back(model: keras.Model, value: Any) -> None:
    before, after = (
        EpochCallbacks(Recommender(model, Pairs(), callbacks=(Memory(value=first),)))
        for first in (value, None)
    )
    after.restore(before.state())
    np.testing.assert_equal(vars(after._callbacks[0])["value"], value)
    json.loads(str(before.state()["callbacks"]))


def test_stop_is_remembered_too(model: keras.Model) -> None:
    callbacks = EpochCallbacks(Recommender(model, Pairs(), callbacks=(Memory(),)))
    callbacks.begin(3)
    model.stop_training = True
    state = callbacks.state()
    callbacks.begin(9)
    assert not callbacks.stopped
    callbacks.restore(state)
    assert callbacks.stopped


def test_checkpoint_without_callbacks_changes_nothing(tmp_path: Path) -> None:
    bare = Fitter(recommender(), pipeline(Task.RATING), 0)
    bare.save(tmp_path / "old.npz")
    with np.load(tmp_path / "old.npz") as stored:
        assert all(name.isdecimal() for name in stored.files)
    memory = Memory(wait=7)
    fitter = Fitter(recommender(memory), pipeline(Task.RATING), 0)
    fitter.callbacks.begin(2)
    fitter.load(tmp_path / "old.npz")
    assert memory.wait == 7


def test_checkpoint_of_other_callbacks_is_refused(model: keras.Model) -> None:
    def made(*callbacks: kc.Callback) -> EpochCallbacks:
        return EpochCallbacks(Recommender(model, Pairs(), callbacks=callbacks))

    with pytest.raises(
        RunDirectoryError, match=r"expected \['History'\], received \['Memory'\]\. Was the builder"
    ):
        made(kc.History()).restore(made(Memory()).state())
    with pytest.raises(RunDirectoryError, match=r"expected \[\], received \['Memory'\]"):
        made().restore(made(Memory()).state())
