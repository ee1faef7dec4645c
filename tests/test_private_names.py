"""Which private names of other packages are used, and in which versions they were tried."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import keras
import keras_tuner
import numpy as np
import pytest

from recsearch.nn import Embedding, make_optimizer
from recsearch.nn.optimizers import OPTIMIZERS
from recsearch.nn.slots import adam_slots
from recsearch.tuning.engines.private_ray import silence_worker_notices

ROOT = Path(__file__).resolve().parents[1]
ADAPTERS = {"private_ray.py"}
PRIVATE = re.compile(
    r"keras\.src|_backend_update_step|_nodes_by_depth|_flatten_layers|\._retrieve|\.call = "
    r"|_get_variable_index|_momentums|_velocities|_accumulators|_average_gradients"
    r"|keras_tuner\.src|ray\._private|tensorflow\.python"
)


def sources() -> Iterator[Path]:
    for folder in ("recsearch", "search_spaces"):
        yield from (ROOT / folder).rglob("*.py")


def test_private_names_are_used_in_the_adapter_only() -> None:
    found = {path.name: PRIVATE.findall(path.read_text()) for path in sources()}
    assert len(found) > 100
    assert found.keys() >= ADAPTERS
    assert {name for name, uses in found.items() if uses} == ADAPTERS


def test_ray_is_silenced_in_the_versions_that_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    assert (2, 60) <= tuple(map(int, ray.__version__.split(".")[:2])) < (3, 0)
    worker = ray._private.worker
    notice = {"lines": ["A worker died."], "pid": "raylet", "ip": "", "is_err": False}
    monkeypatch.setattr(worker, "_worker_logs_enabled", True)
    loud, silent = io.StringIO(), io.StringIO()
    worker.print_worker_logs(notice, loud)
    assert "A worker died." in loud.getvalue()
    silence_worker_notices(ray)
    worker.print_worker_logs(notice, silent)
    assert silent.getvalue() == ""


def test_ray_without_the_name_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    class Nothing:
        __version__ = "9.0"

    Nothing._private = Nothing
    Nothing.worker = Nothing
    silence_worker_notices(Nothing)
    assert "Ray 9.0 may print notices of workers to stdout." in caplog.text


def test_slots_of_the_supported_keras_are_found_by_their_names() -> None:
    assert (3, 10) <= tuple(map(int, keras.__version__.split(".")[:2])) < (4, 0)
    index = keras.Input((), dtype="int32", name="item_id")
    model = keras.Model(index, keras.layers.Dense(1)(Embedding(5, 3)(index)))
    adam = keras.optimizers.Adam()
    adam.build(model.trainable_variables)
    found = adam_slots(adam, model.trainable_variables)
    assert found is not None  # None would make every step of Adam one of Keras: right, but slow
    slots = [found[weight.value.ref()] for weight in model.trainable_variables]
    gradients = [np.full(weight.shape, 0.5, np.float32) for weight in model.trainable_variables]
    adam.apply(gradients, model.trainable_variables)
    for slot in slots:
        np.testing.assert_allclose(slot.momentum, np.full(slot.momentum.shape, 0.1 * 0.5))
        np.testing.assert_allclose(
            slot.velocity, np.full(slot.velocity.shape, 0.001 * 0.25), rtol=1e-4
        )
    assert adam_slots(adam, model.trainable_variables[:2]) is None
    assert adam_slots(adam, model.trainable_variables[::-1]) is None


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_our_optimizers_note_every_variable_that_keras_creates(name: str) -> None:
    weight = keras.Variable(np.zeros((2, 2)))
    optimizer = make_optimizer(name, 0.1)
    optimizer.build([weight])
    expected = {
        "adam": ("momentum", "velocity"),
        "rmsprop": ("velocity",),
        "sgd": (),
        "adagrad": ("accumulator",),
    }[name]
    noted = [optimizer.slots.of(slot, weight) for slot in expected]
    created = [slot.value for slot in optimizer.variables if tuple(slot.shape) == (2, 2)]
    assert len(noted) == len(created)
    assert all(one is other for one, other in zip(noted, created, strict=True))


def test_keras_tuner_is_of_a_version_whose_methods_are_overridden() -> None:
    assert (1, 4) <= tuple(map(int, keras_tuner.__version__.split(".")[:2])) < (1, 5)


def test_tensorboard_has_the_parts_that_its_log_is_made_from() -> None:
    tensorboard = pytest.importorskip("tensorboard")
    assert (2, 18) <= tuple(map(int, tensorboard.__version__.split(".")[:2])) < (3, 0)
    from recsearch.exchange import tensorboard_log  # its imports are semi-public

    assert tensorboard_log.TensorBoardLog
