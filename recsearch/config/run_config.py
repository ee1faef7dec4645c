"""The settings of a run: types, defaults and checks. Flags override a TOML file."""

import difflib
import importlib.util
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from recsearch.config.arguments import PATHS, plain
from recsearch.config.descriptions import SETTINGS
from recsearch.errors import ConfigError
from recsearch.text.shown import path_fault, shown

DEFAULT_SPACES = ("matrix_factorization", "neural_cf")
MAX_INTEGER = 2**63 - 1


@dataclass(frozen=True)
class RunConfig:
    """The settings of one run, validated together.

    `recsearch.config.descriptions` describes each setting; `recsearch run --help` prints them.
    """

    spaces: tuple[str, ...] = DEFAULT_SPACES
    data: str | None = None
    users: str | None = None
    items: str | None = None
    test: str | None = None
    validation: str | None = None
    test_candidates: str | None = None
    user_column: str | None = None
    item_column: str | None = None
    label_column: str | None = None
    timestamp_column: str | None = None
    no_header: bool = False
    task: str | None = None
    positive_from: float | None = None
    missing_label: float | None = None
    split: str | None = None
    tuner: str = "hyperband"
    objective: str | None = None
    max_trials: int | None = None
    max_epochs: int = 9
    min_epochs: int = 1
    validation_users: int | None = None
    max_parameters: int | None = None
    patience: int | None = None
    trial_minutes: float | None = None
    minutes: float | None = None
    final_seeds: int = 1
    keep_checkpoints: int = 1
    set: tuple[str, ...] = ()
    enqueue: tuple[str, ...] = ()
    workers: int = 1
    engine: str = "local"
    address: str | None = None
    cpus_per_trial: float = 1.0
    gpus_per_trial: float = 0.0
    seed: int = 0
    search_only: bool = False
    tensorboard: bool = False
    out: str | None = None

    def __post_init__(self) -> None:
        faults = [
            *_choice_faults(self),
            *_number_faults(self),
            *_engine_faults(self),
            *_part_faults(self),
        ]
        if faults:
            raise ConfigError("The settings are not valid", faults)

    def to_json(self) -> dict[str, Any]:
        """Returns the settings as a JSON object."""
        return asdict(self)


def make_config(*layers: Mapping[str, Any]) -> RunConfig:
    """Returns the settings of several layers; later layers override, and None means "not given".

    Raises:
        ConfigError: If a name is unknown, or a value has the wrong type or is not valid.
    """
    given: dict[str, Any] = {}
    for layer in layers:
        given |= {name: value for name, value in layer.items() if value is not None}
    known = [field.name for field in fields(RunConfig)]
    faults, settings = [], {}
    for name, value in given.items():
        if name not in known:
            faults.append(_unknown(name, known))
            continue
        try:
            settings[name] = _converted(name, value)
        except ValueError as error:
            faults.append(f"{name}={error}")
    if faults:
        raise ConfigError("The settings cannot be read", faults)
    return RunConfig(**settings)


def read_toml(path: Path) -> dict[str, Any]:
    """Returns the settings in a TOML file; names may contain `-` or `_`.

    Raises:
        ConfigError: If the file cannot be read or is not valid TOML.
    """
    try:
        with path.open("rb") as file:
            settings = tomllib.load(file)
    except (OSError, ValueError) as error:
        raise ConfigError(f"The settings file {path} cannot be read", [str(error)]) from error
    return {name.replace("-", "_"): value for name, value in settings.items()}


def _unknown(name: str, known: Iterable[str]) -> str:
    longer = [k for k in known if k == f"max_{name}"]  # "epochs" also resembles min_epochs
    close = longer or difflib.get_close_matches(name, known)
    hint = f" Did you mean {close[0]}?" if close else ""
    return f"There is no setting {name!r}.{hint}"


def setting_type(name: str) -> str:
    """Returns the type of a setting as in its annotation, without None: "int"."""
    (annotation,) = (field.type for field in fields(RunConfig) if field.name == name)
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return text.removesuffix(" | None")


EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "tuple[str, ...]": "text or a list of texts",
}
"""Annotation of a setting -> its type in words."""


def _converted(name: str, value: Any) -> Any:
    """Converts a value from Python, TOML, JSON or a flag to the type of the setting.

    Raises:
        ValueError: If the value has another type; the message begins with the value.
    """
    kind, ready = setting_type(name), plain(name, value)
    if not _fits(ready, kind):
        raise ValueError(f"{shown(value)}: expected {EXPECTED[kind]}.")
    if isinstance(ready, int) and abs(ready) > MAX_INTEGER:
        raise ValueError(f"{shown(value)}: expected a number up to {MAX_INTEGER}.")
    for fault in filter(None, map(path_fault, _paths(name, ready))):
        raise ValueError(f"{shown(value)}: {fault}.")
    return tuple(ready) if isinstance(ready, list) else ready


def _paths(name: str, value: Any) -> list[str]:
    """Returns the paths in the value of a setting."""
    if name == "enqueue":
        return [text for text in value if text.endswith(".json")]
    return [value] if name in PATHS else []


def _fits(value: Any, kind: str) -> bool:
    if kind.startswith("tuple"):
        return isinstance(value, list | tuple) and all(isinstance(v, str) for v in value)
    kinds: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,)}
    if kind == "bool" or isinstance(value, bool):
        return kind == "bool" and isinstance(value, bool)
    return isinstance(value, kinds[kind])


def _choice_faults(config: RunConfig) -> list[str]:
    faults = []
    for name, setting in SETTINGS.items():
        value = getattr(config, name)
        if setting.choices and value is not None and value not in setting.choices:
            expected = ", ".join(setting.choices)
            faults.append(f"--{name} must be one of {expected}. Received: {value!r}.")
    if not config.spaces:
        faults.append("Expected at least one search space. `recsearch spaces` lists them.")
    return faults


COUNTS = (
    "max_trials", "max_epochs", "min_epochs", "validation_users", "max_parameters", "patience",
    "final_seeds", "workers",
)  # fmt: skip


def _number_faults(config: RunConfig) -> list[str]:
    faults = []
    for name in COUNTS:
        value = getattr(config, name)
        if value is not None and value < 1:
            faults.append(f"--{name.replace('_', '-')} must be at least 1. Received: {value}.")
    for name in ("minutes", "trial_minutes"):
        value = getattr(config, name)
        if value is not None and not value > 0:
            faults.append(f"--{name.replace('_', '-')} must be above 0. Received: {value:g}.")
    if 1 <= config.max_epochs < config.min_epochs:
        faults.append(
            f"--min-epochs must be at most --max-epochs, {config.max_epochs}. "
            f"Received: {config.min_epochs}."
        )
    for name in ("seed", "keep_checkpoints"):
        value = getattr(config, name)
        if value < 0:
            faults.append(f"--{name.replace('_', '-')} must not be negative. Received: {value}.")
    return faults


def _engine_faults(config: RunConfig) -> list[str]:
    if config.engine == "ray":
        return _ray_faults(config)
    faults = [
        f"--{name.replace('_', '-')} needs --engine ray."
        for name in ("address", "cpus_per_trial", "gpus_per_trial")
        if getattr(config, name) != getattr(RunConfig, name)
    ]
    if config.engine == "inline" and config.trial_minutes is not None:
        faults.append("--trial-minutes needs --engine local or ray, whose workers can be stopped.")
    if config.engine == "inline" and config.workers > 1:
        faults.append(f"--engine inline has one worker. Received: --workers {config.workers}.")
    return faults


def _ray_faults(config: RunConfig) -> list[str]:
    faults = []
    if importlib.util.find_spec("ray") is None:
        faults.append(
            "--engine ray needs the package ray, which is not installed. "
            "Install it: pip install 'recsearch[ray]'"
        )
    cpus, gpus = config.cpus_per_trial, config.gpus_per_trial
    if not 0 < cpus < math.inf:
        faults.append(f"--cpus-per-trial must be above 0. Received: {cpus:g}.")
    if not 0 <= gpus < math.inf or (gpus > 1 and gpus % 1):
        faults.append(
            "--gpus-per-trial must be 0, a fraction of one GPU, or a whole number. "
            f"Received: {gpus:g}."
        )
    return faults


def _part_faults(config: RunConfig) -> list[str]:
    faults = []
    if config.data is None:
        for name in ("users", "items", "test", "validation", "test_candidates", "missing_label"):
            if getattr(config, name) is not None:
                faults.append(f"--{name.replace('_', '-')} needs --data.")
    if config.validation is not None and config.test is None:
        faults.append(
            "--validation needs --test. Without --test, both parts are split off the data."
        )
    if config.test_candidates is not None and config.test is None:
        faults.append("--test-candidates needs --test, whose rows are the positives.")
    if config.test is not None and config.split is not None:
        faults.append(
            "--split and --test cannot be combined: with --test the data are already split."
        )
    return faults
