"""The flow of a run, top to bottom: read, prepare, search, retrain, test, export, report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recsearch.assembly import (
    describe_run,
    make_driver,
    make_engine,
    make_objective,
    make_space,
    trial_metrics,
)
from recsearch.config import RunConfig, make_config
from recsearch.data.dataset import Dataset, load_dataset
from recsearch.data.store import read_spec
from recsearch.directory import new_directory, prepare_search, write_data
from recsearch.errors import RunDirectoryError, SearchError
from recsearch.files import lock_directory, write_json
from recsearch.final import Finale, run_stages
from recsearch.progress import Observer
from recsearch.report.page import write_report
from recsearch.results import Run, load_run, write_trials_csv
from recsearch.search.drivers.decision import Propose
from recsearch.search.enqueue import parse_configuration
from recsearch.search.loop import Budget, search
from recsearch.search.space import SearchSpace
from recsearch.search.study import Study
from recsearch.search.threads import use_one_thread


def run(config: RunConfig, dataset: Dataset, command: Sequence[str], observer: Observer) -> Run:
    """Runs everything that the settings ask for; returns the finished run.

    Args:
        config: The settings.
        dataset: What `load_dataset` read of them.
        command: What was typed, for the report.
        observer: Is told what happens.

    Raises:
        RecsearchError: With a message that a person can act on.
    """
    use_one_thread()
    observer.say(f"data: {_describe(dataset)}")
    for note in dataset.notes:
        observer.say(f"  note: {note}")
    space = make_space(config)
    prepared = prepare_search(dataset)
    hyperparameters = space.discover(prepared[0].spec)
    # All that can be wrong with the settings shows itself before a directory is made.
    description = describe_run(config, command, dataset, prepared[0], hyperparameters)
    _proposals(config, hyperparameters)
    directory = new_directory(config)
    with lock_directory(directory):
        write_json(directory / "run.json", description)
        write_data(directory, dataset, prepared)
        return _work(directory, config, space, hyperparameters, observer)


def resume(directory: Path, changes: dict[str, Any], observer: Observer) -> Run:
    """Continues a run that was stopped or killed, with more trials, minutes or workers if asked.

    Raises:
        RunDirectoryError: If it is no run directory or another process owns it.
    """
    use_one_thread()
    description = load_run(directory).config
    config = make_config(description["config"], changes)
    with lock_directory(directory):
        write_json(directory / "run.json", {**description, "config": config.to_json()})
        if not (directory / "data").is_dir():
            dataset = load_dataset(config)
            if dataset.fingerprint != description["data"]["fingerprint"]:
                raise RunDirectoryError(
                    f"The data of {directory} have changed since it was started, and its own copy "
                    "was not finished. Start a new run."
                )
            write_data(directory, dataset, prepare_search(dataset))
        space = make_space(config)
        hyperparameters = space.discover(read_spec(directory / "data" / "search"))
        more = any(name in changes for name in ("max_trials", "minutes"))
        return _work(directory, config, space, hyperparameters, observer, more=more)


def _work(
    directory: Path,
    config: RunConfig,
    space: SearchSpace,
    hyperparameters: Any,
    observer: Observer,
    *,
    more: bool = False,
) -> Run:
    """Searches, finishes and reports; takes up whatever the journal says is left.

    Args:
        directory: The run directory, owned by this process.
        config: The settings.
        space: The families.
        hyperparameters: What discovery found in them.
        observer: Is told what happens.
        more: Whether a search that is over goes on, with a larger budget.
    """
    spec = read_spec(directory / "data" / "search")
    objective = make_objective(config.objective, spec.task)
    metrics = trial_metrics(objective, spec.task)
    driver = make_driver(config, hyperparameters, objective)
    study = Study(directory, driver, objective, config.seed)
    try:
        if not study.trials:
            for proposal in _proposals(config, hyperparameters):
                study.enqueue(proposal)
        if more and study.state.stages:
            study.reopen()
            (directory / "best" / "metrics.json").unlink(missing_ok=True)  # no longer the verdict
        observer.begin_search(driver.plan(), study.state)
        reason = _search(study, directory, config, metrics, observer)
        observer.end_search(reason, study.state)
        ranked = study.state.ranked()
        if not ranked:
            raise SearchError("The search ended without a trial that has a score.")
        split = load_run(directory).config["data"]["split"]
        run_stages(Finale(directory, study, space, ranked[0], metrics, split), observer.say)
    finally:
        study.close()
        if study.trials:
            write_trials_csv(load_run(directory))
    finished = load_run(directory)
    write_report(finished)
    return finished


def _search(
    study: Study,
    directory: Path,
    config: RunConfig,
    metrics: tuple[str, ...],
    observer: Observer,
) -> str:
    """Runs the trials that are left; returns why the search ended."""
    if "searched" in study.state.stages:
        return str(study.state.stages["searched"]["reason"])
    engine = make_engine(config, directory / "data" / "search", metrics)
    try:
        reason = search(study, engine, Budget(config.minutes), lambda _: observer.news(study.state))
    finally:
        engine.close()
    study.stage("searched", {"reason": reason, "seconds": round(study.state.seconds, 3)})
    return reason


def _proposals(config: RunConfig, hyperparameters: Any) -> list[Propose]:
    """Returns the configurations that the user wants tried first, fully trained."""
    parsed = [parse_configuration(text, hyperparameters) for text in config.enqueue]
    return [Propose(family, values, config.max_epochs) for family, values in parsed]


def _describe(dataset: Dataset) -> str:
    split = dataset.split
    sizes = ", ".join(f"{len(getattr(split, n)):,} {n}" for n in ("train", "validation", "test"))
    return f"task {dataset.task}; split {split.description}: {sizes}"
