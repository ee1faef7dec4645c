"""Keras callbacks around an epoch that is one call into the graph, and their state as arrays.

A trial may be trained in several parts: a Hyperband promotion, a stop by the user, a killed run.
Each part is a training of its own to a callback, so that Keras' own reset what they remember when
it begins. What they had remembered is therefore kept in the checkpoint and put back after that.
"""

import json
from copy import copy
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from recsearch.contract.recommender import Recommender
from recsearch.errors import RunDirectoryError, SpaceError, UsageError
from recsearch.metrics import find_metric

State = dict[str, NDArray[Any]]

_TEXT = "callbacks"
_SCALARS = (bool, int, float, str, type(None))
_ARRAY_KINDS = "biufcSU"  # those that .npy holds without pickle
_OWNED_BY_KERAS = frozenset(vars(keras.callbacks.Callback()))


class EpochCallbacks:
    """The callbacks of one training.

    Of the hooks `on_train_begin`, `on_epoch_begin`, `on_epoch_end` and `on_train_end` are called.
    There are no others: the batches of an epoch are one call into the graph, and the validation is
    not Keras' (`as_recommender` refuses a callback that has them).

    Args:
        recommender: Its callbacks, and the model that is trained.
    """

    def __init__(self, recommender: Recommender) -> None:
        self._callbacks = tuple(map(_with_direction, recommender.callbacks))
        self._model = recommender.to_train

    def __len__(self) -> int:
        """Returns how many there are."""
        return len(self._callbacks)

    @property
    def stopped(self) -> bool:
        """Whether a callback has set `model.stop_training`."""
        return bool(self._model.stop_training)

    def begin(self, epochs: int) -> None:
        """Passes the model to the callbacks; a training up to `epochs` (in total) begins."""
        self._model.stop_training = False
        for callback in self._callbacks:
            callback.set_params({"epochs": epochs, "verbose": 0})
            callback.set_model(self._model)
        for callback in self._callbacks:
            callback.on_train_begin({})

    def begin_epoch(self, epoch: int) -> None:
        """Notifies the callbacks that an epoch (from 0, across rungs) begins."""
        for callback in self._callbacks:
            callback.on_epoch_begin(epoch, {})

    def end_epoch(self, epoch: int, trained: dict[str, float], measured: dict[str, float]) -> None:
        """Passes the metrics of an epoch to the callbacks.

        Args:
            epoch: From 0, across rungs.
            trained: The model's own metrics, by their Keras names ("loss").
            measured: The validation metrics; "rmse" is reported as "val_rmse".

        Raises:
            SpaceError: If a callback monitors what is not there.
        """
        logs = trained | {f"val_{name}": value for name, value in measured.items()}
        for callback in self._callbacks:
            _check_monitor(callback, logs)
            callback.on_epoch_end(epoch, logs)

    def end(self) -> None:
        """Tells them that this part of the training is over."""
        for callback in self._callbacks:
            callback.on_train_end({})

    def state(self) -> State:
        """Returns what they remember, as arrays by name; empty without callbacks.

        Numbers, text, None and arrays are kept, and lists, tuples and dictionaries of them. Other
        attributes (functions, files, tensors) are not: they are what the constructor and
        `on_train_begin` make them.
        """
        if not self._callbacks:
            return {}
        arrays: list[NDArray[Any]] = []
        entries = [
            {
                "class": type(callback).__name__,
                "attributes": {
                    name: _encode(value, arrays)
                    for name, value in vars(callback).items()
                    if name not in _left_out(callback) and _is_plain(value)
                },
            }
            for callback in self._callbacks
        ]
        text = json.dumps({"stopped": self.stopped, "callbacks": entries})
        return {_TEXT: np.array(text)} | {_array_name(i): a for i, a in enumerate(arrays)}

    def restore(self, state: State) -> None:
        """Puts back what `state` returned; a checkpoint that has nothing of it changes nothing.

        Raises:
            RunDirectoryError: If it is of other callbacks.
        """
        if _TEXT not in state:
            return
        stored = json.loads(str(state[_TEXT]))
        expected = [type(callback).__name__ for callback in self._callbacks]
        received = [entry["class"] for entry in stored["callbacks"]]
        if received != expected:
            raise RunDirectoryError(
                f"The checkpoint is of other callbacks: expected {expected}, received {received}. "
                "Was the builder changed? Put it back as it was, or start a new run."
            )
        for callback, entry in zip(self._callbacks, stored["callbacks"], strict=True):
            for name, value in entry["attributes"].items():
                vars(callback)[name] = _decode(value, state)
        self._model.stop_training = stored["stopped"]


def _with_direction(callback: keras.callbacks.Callback) -> keras.callbacks.Callback:
    """Returns a copy of a callback of mode "auto" that knows the direction of our metric.

    Keras knows the direction only of metrics that the model was compiled with. Any other callback
    is returned itself.
    """
    monitor = getattr(callback, "monitor", None)
    if getattr(callback, "mode", None) != "auto" or not str(monitor).startswith("val_"):
        return callback
    try:
        direction = find_metric(str(monitor).removeprefix("val_")).direction
    except UsageError:
        return callback  # `_check_monitor` reports the unknown name after the first epoch
    settled = copy(callback)
    settled.mode = direction
    return settled


def _check_monitor(callback: keras.callbacks.Callback, logs: dict[str, float]) -> None:
    # Keras would only warn, in every epoch, and the callback would never do anything.
    monitor = getattr(callback, "monitor", None)
    if isinstance(monitor, str) and monitor not in logs:
        raise SpaceError(
            f"{type(callback).__name__} monitors {monitor!r}, which is not measured. "
            f"Expected one of: {', '.join(logs)}."
        )


def _left_out(callback: keras.callbacks.Callback) -> frozenset[str]:
    # Keras turns the sign of `min_delta` when it sets `monitor_op`, after the first epoch of each
    # part. That one is a function and not kept, so neither must be the turned sign.
    turned = {"min_delta"} if hasattr(callback, "monitor_op") else set()
    return _OWNED_BY_KERAS | turned


def _array_name(index: int) -> str:
    return f"{_TEXT}-{index:04d}"


def _is_plain(value: Any) -> bool:
    """Returns whether `_encode` knows a value; subclasses of plain types are not plain."""
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind in _ARRAY_KINDS
    if type(value) is dict:
        return all(map(_is_plain, value.keys())) and all(map(_is_plain, value.values()))
    if type(value) in (list, tuple):
        return all(map(_is_plain, value))
    return type(value) in _SCALARS


def _encode(value: Any, arrays: list[NDArray[Any]]) -> Any:
    """Returns a plain value as JSON holds it; its arrays are appended to `arrays`."""
    if isinstance(value, np.ndarray | np.generic):
        arrays.append(np.asarray(value))
        return {"array": len(arrays) - 1}
    if isinstance(value, dict):
        pairs = [[_encode(k, arrays), _encode(v, arrays)] for k, v in value.items()]
        return {"dict": pairs}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_encode(item, arrays) for item in value]}
    return value


def _decode(entry: Any, state: State) -> Any:
    """Returns the value that `_encode` was given; an array without dimensions as its number."""
    if not isinstance(entry, dict):
        return entry
    ((kind, content),) = entry.items()
    if kind == "array":
        return state[_array_name(content)][()]
    if kind == "dict":
        return {_decode(key, state): _decode(value, state) for key, value in content}
    items = [_decode(item, state) for item in content]
    return tuple(items) if kind == "tuple" else items
