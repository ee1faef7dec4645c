"""Fingerprints that reveal an edited builder: of its source, and of the model that it builds."""

import hashlib
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from recsearch.nn.byte_dropout import ByteDropout
from recsearch.tuning.space.families import Family

_LEFT_OUT = frozenset({"name", "code", "seed", "inbound_nodes", "input_layers", "output_layers"})
"""Keys that differ between two builds of the same model: names number the layers of a session, the
code of a lambda contains line numbers, and a builder may draw its seeds at random."""

_EARLIER_NAMES = {ByteDropout: "Dropout"}
"""Classes that runs of earlier versions recorded under another name; the model is the same."""


def source_fingerprint(family: Family) -> str | None:
    """Returns the SHA-256 of the file that defines a builder; None if it cannot be read."""
    try:
        owner = getattr(family.builder, "__self__", None)  # a HyperModel
        path = inspect.getsourcefile(family.builder if owner is None else type(owner))
        return hashlib.sha256(Path(path or "").read_bytes()).hexdigest()
    except (OSError, TypeError, ValueError):
        return None


def model_fingerprint(model: keras.Model) -> str:
    """Returns 16 hex digits, computed from layers, shapes of weights, optimizer and loss.

    The values of the weights do not count.

    Args:
        model: A compiled functional model.
    """
    parts = [[_described(layer), _weights(layer)] for layer in model.layers]
    parts.append([_described(model.optimizer), _described(model.loss)])
    text = json.dumps(parts, sort_keys=True, default=lambda other: type(other).__name__)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _described(part: Any) -> list[Any]:
    if isinstance(part, str):
        return [part]
    try:
        config = _plain(part.get_config())
    except (Exception, SystemExit):  # a user's class may have no get_config
        config = None
    known = _EARLIER_NAMES.get(type(part), type(part).__name__)
    return [getattr(part, "__name__", known), config]  # a loss may be a function


def _weights(layer: Any) -> list[Any]:
    return [[list(weight.shape), str(weight.dtype)] for weight in layer.weights]


def _plain(config: Any) -> Any:
    """Returns a configuration without the keys that differ between builds of the same model."""
    if isinstance(config, Mapping):
        kept = {str(k): v for k, v in config.items() if k not in _LEFT_OUT}
        return {name: _plain(value) for name, value in kept.items()}
    if isinstance(config, list | tuple):
        return [_plain(each) for each in config]
    return config
