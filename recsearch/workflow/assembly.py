"""Creates the parts of a search from the settings: space, driver, engine, description."""

import importlib
import importlib.metadata
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recsearch.config.run_config import RunConfig
from recsearch.data.preparation import PreparedData
from recsearch.data.task import Task
from recsearch.data.vocabulary import DataSpec
from recsearch.evaluation.protocol import trial_protocol
from recsearch.results.run_description import RUN_SCHEMA, Hyperparameter, RunDescription
from recsearch.study.decision import Driver
from recsearch.study.trial import Objective
from recsearch.system.files import json_safe
from recsearch.system.host import host_id
from recsearch.system.resources import memory_gb, num_cores
from recsearch.tuning.engines.builders import Builders, SpaceSetup, loaded
from recsearch.tuning.engines.cluster import Cluster, require_answer
from recsearch.tuning.engines.engine import BUILD_SECONDS, Engine
from recsearch.tuning.engines.helper import HelperProcess, InlineHelper
from recsearch.tuning.engines.inline import InlineEngine
from recsearch.tuning.engines.local import LocalEngine
from recsearch.tuning.engines.ray import RayEngine
from recsearch.tuning.engines.runner import RunnerSetup, TrialRunner
from recsearch.tuning.objective import make_objective, trial_metrics
from recsearch.tuning.space.description import describe_space
from recsearch.tuning.space.families import family_names
from recsearch.tuning.space.overrides import Override
from recsearch.workflow.dataset import Dataset


def require_families(config: RunConfig) -> None:
    """Refuses references that name no builder, without importing a builder.

    Raises:
        SpaceError: If a space or file does not exist, or two families have the same name.
    """
    family_names(config.spaces)


@contextmanager
def open_builders(config: RunConfig, say: Callable[[str], None]) -> Iterator[Builders]:
    """Yields the builders of the settings; their process ends with the block.

    Args:
        config: The settings.
        say: Receives the warning of `--engine inline`, with which builders run in this process.
    """
    setup = space_setup(config)
    if config.engine == "inline":
        say("builders run in this process: if a builder crashes or blocks, the run ends or hangs")
        loaded.cache_clear()  # the file may have been edited since an earlier run in this process
        yield Builders(setup, InlineHelper())
        return
    seconds = BUILD_SECONDS if config.trial_minutes is None else 60 * config.trial_minutes
    with HelperProcess() as helper:
        yield Builders(setup, helper, min(seconds, BUILD_SECONDS))


def space_setup(config: RunConfig) -> SpaceSetup:
    """Returns the search space of the settings."""
    return SpaceSetup(config.spaces, tuple(Override.parse(text) for text in config.set))


def make_driver(config: RunConfig, hyperparameters: Any, objective: Objective) -> Driver:
    """Returns the driver over the discovered hyperparameters.

    The driver NAME is `from_settings` of `recsearch/tuning/drivers/NAME.py`. Only this module is
    imported, because the Gaussian process of one driver imports scikit-learn, which takes a second.
    """
    module = importlib.import_module(f"recsearch.tuning.drivers.{config.tuner}")
    driver: Driver = module.from_settings(config, hyperparameters, objective)
    return driver


def require_engine(config: RunConfig) -> None:
    """Refuses the address of a Ray cluster that does not answer, before the engine starts.

    Raises:
        UsageError: If nothing answers at the address.
    """
    if config.address is not None:
        require_answer(config.address)


def make_engine(config: RunConfig, data_dir: Path, metrics: tuple[str, ...]) -> Engine:
    """Returns the engine and starts its workers."""
    setup = RunnerSetup(
        spaces=config.spaces,
        overrides=space_setup(config).overrides,
        data_dir=str(data_dir),
        metrics=metrics,
        seed=config.seed,
        max_parameters=config.max_parameters,
        validation_users=config.validation_users,
    )
    if config.engine == "inline":
        return InlineEngine(TrialRunner.of(setup))
    if config.engine == "ray":
        cluster = Cluster(config.address, config.cpus_per_trial, config.gpus_per_trial)
        return RayEngine(setup, config.workers, cluster, config.trial_minutes)
    return LocalEngine(setup, config.workers, config.trial_minutes)


def describe_run(
    config: RunConfig,
    command: Sequence[str],
    dataset: Dataset,
    searched: PreparedData,
    builders: Builders,
    hyperparameters: Any,
) -> RunDescription:
    """Returns the content of run.json."""
    objective = make_objective(config.objective, dataset.task)
    metrics = trial_metrics(objective, dataset.task)
    protocol = trial_protocol(searched, metrics, config.seed, config.validation_users)
    described = {
        "schema": RUN_SCHEMA,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": list(command),
        "config": config.to_json(),
        "versions": _versions(),
        "machine": _machine(),
        "data": _describe_data(config, dataset, searched.spec),
        "objective": asdict(objective),
        "plan": describe_plan(config, hyperparameters, dataset.task),
        "validation_protocol": protocol.description,
        "space": describe_space(hyperparameters),
        "builders": builders.sources(),
    }
    return RunDescription.from_json(json_safe(described))


def described_space(hyperparameters: Any) -> tuple[Hyperparameter, ...]:
    """Returns the hyperparameters as run.json describes them."""
    entries: list[dict[str, Any]] = json_safe(describe_space(hyperparameters))
    return tuple(map(Hyperparameter.from_json, entries))


def describe_plan(config: RunConfig, hyperparameters: Any, task: Task) -> dict[str, Any]:
    """Returns the plan of the search for run.json."""
    objective = make_objective(config.objective, task)
    return asdict(make_driver(config, hyperparameters, objective).plan())


def _versions() -> dict[str, str]:
    packages = ("recsearch", "tensorflow", "keras", "keras-tuner", "numpy")
    versions = {name: importlib.metadata.version(name) for name in packages}
    return {**versions, "python": platform.python_version()}


def _machine() -> dict[str, Any]:
    memory = memory_gb()
    return {
        "cores": num_cores(),
        "memory_gb": None if memory is None else round(memory, 1),
        "platform": f"{platform.system()} {platform.machine()}",
        "host": host_id(),
    }


def _describe_data(config: RunConfig, dataset: Dataset, spec: DataSpec) -> dict[str, Any]:
    split = dataset.split
    parts = {name: len(getattr(split, name)) for name in ("train", "validation", "test")}
    return {
        "path": config.data,
        "fingerprint": dataset.fingerprint,
        "task": str(dataset.task),
        "num_interactions": sum(parts.values()),
        "num_users": spec.num_users - 1,
        "num_items": spec.num_items - 1,
        "label_mean": spec.label_mean,
        "label_min": spec.label_min,
        "label_max": spec.label_max,
        "columns": dataset.columns,
        "features": [column.name for column in spec.columns],
        "notes": list(dataset.notes),
        "split": split.description,
        **parts,
    }
