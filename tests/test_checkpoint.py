import errno
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from recsearch.errors import RunDirectoryError
from recsearch.training.checkpoint import load_checkpoint, save_checkpoint


def make_model(units: int = 3, optimizer: str = "adam") -> keras.Model:
    inputs = keras.Input((2,))
    x = keras.layers.Dropout(0.5)(keras.layers.Dense(units)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(optimizer, "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def state(model: keras.Model) -> list[np.ndarray]:
    return [np.asarray(v) for v in [*model.variables, *model.optimizer.variables]]


@pytest.fixture
def saved(tmp_path: Path) -> tuple[keras.Model, Path]:
    model = make_model()
    model.train_on_batch(np.ones((4, 2)), np.ones(4))
    path = tmp_path / "checkpoints" / "0001-2.npz"  # a directory that has to be made
    save_checkpoint(path, model)
    return model, path


def test_checkpoint_restores_weights_optimizer_and_random_state(saved) -> None:
    model, path = saved
    other = make_model()
    load_checkpoint(path, other)
    for expected, received in zip(state(model), state(other), strict=True):
        np.testing.assert_array_equal(received, expected)
    assert int(other.optimizer.iterations) == 1
    batch = np.ones((8, 2)), np.zeros(8)
    assert model.train_on_batch(*batch) == other.train_on_batch(*batch)  # the same dropout


def test_save_checkpoint_leaves_no_partial_file(saved) -> None:
    _, path = saved
    assert [file.name for file in path.parent.iterdir()] == ["0001-2.npz"]


def test_save_checkpoint_that_finds_no_room_leaves_the_last_one_and_nothing_else(
    saved, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, path = saved
    whole = path.read_bytes()

    def no_room(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(path, model)
    assert [(p.name, p.read_bytes()) for p in path.parent.iterdir()] == [(path.name, whole)]


def test_truncated_checkpoint_is_refused_wherever_it_ends(saved) -> None:
    model, path = saved
    whole = path.read_bytes()
    before = state(model)
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(RunDirectoryError, match=r"checkpoint 0001-2\.npz cannot be read"):
            load_checkpoint(path, model)
    for expected, received in zip(before, state(model), strict=True):
        np.testing.assert_array_equal(received, expected)


def test_checkpoint_with_a_changed_number_is_refused(saved) -> None:
    model, path = saved
    damaged = bytearray(path.read_bytes())
    kernel = np.asarray(model.variables[0]).tobytes()
    damaged[damaged.index(kernel)] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(RunDirectoryError, match="Bad CRC-32"):
        load_checkpoint(path, model)


def test_missing_checkpoint_is_refused(saved) -> None:
    model, path = saved
    with pytest.raises(RunDirectoryError, match=r"checkpoint absent\.npz cannot be read"):
        load_checkpoint(path.with_name("absent.npz"), model)


@pytest.mark.parametrize("changed", [{"units": 4}, {"optimizer": "sgd"}])
def test_checkpoint_of_another_model_is_refused(saved, changed: dict[str, Any]) -> None:
    other = make_model(**changed)
    before = state(other)
    with pytest.raises(
        RunDirectoryError, match=r"of another model: expected arrays.*\(2, .\).*\(2, 3\).*changed\?"
    ):
        load_checkpoint(saved[1], other)
    for expected, received in zip(before, state(other), strict=True):
        np.testing.assert_array_equal(received, expected)


def test_checkpoint_without_our_arrays_is_refused(saved) -> None:
    model, path = saved
    np.savez(path, something=np.ones(2))
    with pytest.raises(RunDirectoryError, match=r"of another model: expected.*, received \[\]"):
        load_checkpoint(path, model)


def test_checkpoint_with_an_array_too_many_is_refused(saved) -> None:
    model, path = saved
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez(path, **arrays, **{f"{len(arrays):04d}": np.ones(2)})
    with pytest.raises(RunDirectoryError, match="of another model"):
        load_checkpoint(path, model)


def test_what_is_beside_the_variables_comes_back_as_it_was(saved) -> None:
    model, path = saved
    assert load_checkpoint(path, make_model()) == {}
    save_checkpoint(path, model, {"text": np.array("ünïcode"), "numbers": np.arange(3)})
    kept = load_checkpoint(path, make_model())
    assert list(kept) == ["text", "numbers"]
    assert str(kept["text"]) == "ünïcode"
    np.testing.assert_array_equal(kept["numbers"], [0, 1, 2])
