"""All settings of a run: defaults, then a TOML file, then flags."""

import difflib
import importlib.util
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from recsearch.config.arguments import PATHS, plain
from recsearch.errors import ConfigError
from recsearch.text.shown import path_fault, shown

TASKS = ("rating", "implicit", "click")
SPLITS = ("random", "leave-last-out", "leave-one-out", "temporal", "cold-users", "cold-items")
TUNERS = ("random", "hyperband", "bayesian")
ENGINES = ("local", "ray", "inline")
DEFAULT_SPACES = ("matrix_factorization", "neural_cf")
MAX_INTEGER = 2**63 - 1


@dataclass(frozen=True)
class RunConfig:
    """The settings of one run, validated as a whole.

    Attributes:
        spaces: Search spaces by reference; several are one search over families.
        data: Interactions; None for the embedded, generated data set.
        users: Table of users.
        items: Table of items.
        test: Test interactions, if they are given rather than split off.
        validation: Validation interactions, likewise.
        test_candidates: Lists in which the test positives are ranked.
        user_column: Name of the user column, if it is not a usual one.
        item_column: Name of the item column, likewise.
        label_column: Name of the label column, likewise.
        timestamp_column: Name of the timestamp column, likewise.
        no_header: Whether the files of interactions have no header line.
        task: rating, implicit or click; None to detect it.
        positive_from: Labels from here up are positives (implicit).
        missing_label: A label that means "not rated".
        split: random, leave-last-out, leave-one-out, temporal, cold-users or cold-items; None for
            the task's default.
        tuner: random, hyperband or bayesian.
        objective: Metric to optimise; None for the task's default.
        max_trials: Configurations; None for 20, or for Hyperband's whole plan.
        max_epochs: Epochs of a fully trained trial.
        min_epochs: Hyperband: brackets whose first rung trains less are left out.
        validation_users: For how many users a trial ranks the catalogue after each epoch; None for
            as many as two thirds of an epoch pay for.
        max_parameters: Configurations whose model is larger are not trained; None for no limit.
        patience: Epochs without a better score after which a trial ends; None for no such limit.
        trial_minutes: How long a trial, or a rung of it, may take; None for ever.
        minutes: Of search; None for no limit.
        final_seeds: How often the winner is retrained, each time with another seed.
        keep_checkpoints: How many of the best trials keep the state after their last epoch.
        set: Overrides, NAME=VALUE, NAME=LOW:HIGH or NAME=A,B,C.
        enqueue: Configurations to try first, NAME=VALUE,... or a JSON file.
        workers: Worker processes.
        engine: local (worker processes), ray (workers of a Ray cluster) or inline (this process).
        address: Of a Ray cluster, HOST:PORT or auto; None for a Ray on this machine.
        cpus_per_trial: CPUs that Ray sets aside for each worker.
        gpus_per_trial: GPUs that Ray sets aside for each worker; a fraction shares one.
        seed: Seeds split, search and training.
        search_only: Whether the run ends after its search: without retraining, test and export.
        tensorboard: Whether TensorBoard's event files are written while the search runs.
        out: Run directory; None for runs/<date-time>-<spaces>.
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
            raise ConfigError("The settings do not fit together", faults)

    def to_json(self) -> dict[str, Any]:
        """Returns the settings as JSON holds them."""
        return asdict(self)


def make_config(*layers: Mapping[str, Any]) -> RunConfig:
    """Returns the settings of the layers, a later one over an earlier; None means "not given".

    Raises:
        ConfigError: If a name is unknown, a value is of the wrong type, or the whole does not fit.
    """
    given: dict[str, Any] = {}
    for layer in layers:
        given |= {name: value for name, value in layer.items() if value is not None}
    known = {field.name: _type_name(field.type) for field in fields(RunConfig)}
    faults, settings = [], {}
    for name, value in given.items():
        if name not in known:
            faults.append(_unknown(name, known))
            continue
        try:
            settings[name] = _converted(name, value, known[name])
        except ValueError as error:
            faults.append(f"{name}={error}")
    if faults:
        raise ConfigError("The settings cannot be read", faults)
    return RunConfig(**settings)


def read_toml(path: Path) -> dict[str, Any]:
    """Returns the settings of a TOML file; `-` and `_` are the same in names.

    Raises:
        ConfigError: If it cannot be read or is no TOML.
    """
    try:
        with path.open("rb") as file:
            settings = tomllib.load(file)
    except (OSError, ValueError) as error:
        raise ConfigError(f"The run file {path}", [str(error)]) from error
    return {name.replace("-", "_"): value for name, value in settings.items()}


def _unknown(name: str, known: Iterable[str]) -> str:
    longer = [k for k in known if k == f"max_{name}"]  # "epochs" also resembles min_epochs
    close = longer or difflib.get_close_matches(name, known)
    hint = f" Did you mean {close[0]}?" if close else ""
    return f"There is no setting {name!r}.{hint}"


def _type_name(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "tuple[str, ...]": "text or a list of texts",
}
"""Annotation of a setting -> its type in words."""


def _converted(name: str, value: Any, annotation: str) -> Any:
    """Returns a value from Python, TOML, JSON or a flag in the type of the setting.

    Raises:
        ValueError: If it has another type; the message begins with the value.
    """
    kind = annotation.removesuffix(" | None")
    ready = plain(name, value)
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
    allowed = {"task": TASKS, "split": SPLITS, "tuner": TUNERS, "engine": ENGINES}
    faults = []
    for name, choices in allowed.items():
        value = getattr(config, name)
        if value is not None and value not in choices:
            expected = ", ".join(choices)
            faults.append(f"--{name} must be one of {expected}. Received: {value!r}.")
    if not config.spaces:
        faults.append("At least one search space is needed. See `recsearch spaces`.")
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
        faults.append("--validation needs --test: without it both are split off the data.")
    if config.test_candidates is not None and config.test is None:
        faults.append("--test-candidates needs --test, whose rows hold the positives.")
    if config.test is not None and config.split is not None:
        faults.append("--split and --test exclude each other: with --test the parts are given.")
    return faults
