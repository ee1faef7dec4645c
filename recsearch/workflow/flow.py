"""The flow of a run: read, prepare, search, retrain, test, export, report."""

import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from recsearch.config.run_config import RunConfig, make_config
from recsearch.console.progress import Observer
from recsearch.data.store import read_spec
from recsearch.data.vocabulary import DataSpec
from recsearch.errors import BuildError, InterruptedRunError, RunDirectoryError, SearchError
from recsearch.report.page import write_report
from recsearch.results import RunRecord, load_run, resumable_config, write_trials_csv
from recsearch.results.run_description import Hyperparameter
from recsearch.study.decision import Finish, Propose
from recsearch.study.study import Study
from recsearch.study.trial import Policy, Scalar
from recsearch.system.files import disk_full, lock_directory, write_json
from recsearch.tuning.engines.builders import Builders
from recsearch.tuning.engines.engine import Message
from recsearch.tuning.engines.threads import use_one_thread
from recsearch.tuning.loop import Budget, search, stoppable
from recsearch.tuning.objective import make_objective, trial_metrics
from recsearch.tuning.space.enqueue import parse_configuration
from recsearch.workflow.assembly import (
    describe_plan,
    describe_run,
    described_space,
    make_driver,
    make_engine,
    open_builders,
    require_engine,
    require_families,
)
from recsearch.workflow.dataset import Dataset, load_dataset
from recsearch.workflow.directory import new_directory, prepare_search, write_data
from recsearch.workflow.final.finalist import Finalist
from recsearch.workflow.final.stages import run_stages
from recsearch.workflow.rehearsal import rehearse_exports


@dataclass(frozen=True)
class SearchParts:
    """The parts of a search, known before the first trial.

    Attributes:
        directory: The run directory, owned by this process.
        config: The settings.
        builders: The builders of the families, called in another process.
        hyperparameters: The discovered hyperparameters.
        observer: Receives the progress.
    """

    directory: Path
    config: RunConfig
    builders: Builders
    hyperparameters: Any
    observer: Observer

    @property
    def search_dir(self) -> Path:
        """The directory of the data of the search."""
        return self.directory / "data" / "search"

    @cached_property
    def spec(self) -> DataSpec:
        """The description of the data that builders receive."""
        return read_spec(self.search_dir)

    def reads(self, family: str, values: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        """Returns the values of a configuration that its builder reads."""
        outline = self.builders.outline(family, values, self.spec)
        return outline.values if outline else values


def run(
    config: RunConfig, dataset: Dataset, command: Sequence[str], observer: Observer
) -> RunRecord:
    """Searches, retrains, tests, exports and reports; returns the finished run.

    Args:
        config: The settings.
        dataset: The data, from `load_dataset`.
        command: The command line, for the report.
        observer: Receives the progress.

    Raises:
        RecsearchError: With a message that says what to do.
    """
    use_one_thread()
    for line in (f"data: {_describe(dataset)}", *(f"  note: {n}" for n in dataset.notes)):
        observer.say(line)
    require_families(config)
    with open_builders(config, observer.say) as builders:
        return _run(config, dataset, command, observer, builders)


def _run(
    config: RunConfig,
    dataset: Dataset,
    command: Sequence[str],
    observer: Observer,
    builders: Builders,
) -> RunRecord:
    prepared = prepare_search(dataset)
    hyperparameters = _discover(builders, prepared[0].spec, observer)
    # All faults of the settings are found before a directory is created.
    description = describe_run(config, command, dataset, prepared[0], builders, hyperparameters)
    _first_trials(config, hyperparameters)
    require_engine(config)
    rehearse_exports(builders, dataset.task)
    observer.say(f"validation after each epoch: {description.validation_protocol}")
    directory = new_directory(config)
    with explain_full_disk(directory), lock_directory(directory):
        write_json(directory / "run.json", description.json)
        write_data(directory, dataset, prepared)
        return _continue(SearchParts(directory, config, builders, hyperparameters, observer))


def resume(directory: Path, changes: dict[str, Any], observer: Observer) -> RunRecord:
    """Continues a run that was stopped or killed.

    `changes` contains new settings, such as max_trials, minutes or workers.
    A finished run continues if it may try more trials; its final stages then run again. A run with
    `search_only` is retrained, tested and exported.

    Raises:
        RunDirectoryError: If it is not a run directory or another process owns it.
    """
    use_one_thread()
    stored = load_run(directory)
    description = stored.description
    config = make_config(resumable_config(stored).to_json(), {"search_only": False}, changes)
    with explain_full_disk(directory), lock_directory(directory):
        if not (directory / "data").is_dir():
            _write_data_again(directory, config, description.data.fingerprint)
        spec = read_spec(directory / "data" / "search")
        require_families(config)
        with open_builders(config, observer.say) as builders:
            hyperparameters = _discover(builders, spec, observer)
            _refuse_other_space(directory, description.space, described_space(hyperparameters))
            plan = describe_plan(config, hyperparameters, spec.task)
            changed = {"config": config.to_json(), "plan": plan}
            write_json(directory / "run.json", {**description.json, **changed})
            _warn_of_edits(description.builders, builders, observer)
            more = not changes.keys().isdisjoint({"max_trials", "minutes"})
            return _continue(
                SearchParts(directory, config, builders, hyperparameters, observer), more=more
            )


def _discover(builders: Builders, spec: DataSpec, observer: Observer) -> Any:
    """Returns the hyperparameters; reports configurations with which a builder fails as notes."""

    def on_lost(error: BuildError) -> None:
        observer.say(f"  note: {error} Trials with this configuration will fail.")

    return builders.discover(spec, on_lost=on_lost)


def _warn_of_edits(before: Mapping[str, Any], builders: Builders, observer: Observer) -> None:
    """Warns of builders that were edited since the run started, where this is known."""
    for family, now in builders.sources().items():
        if before.get(family) not in (None, now):
            observer.say(
                f"warning: the file of {builders.references[family]} was edited since the run "
                "started; later trials may differ from earlier trials"
            )


def _refuse_other_space(
    directory: Path, before: Sequence[Hyperparameter], now: Sequence[Hyperparameter]
) -> None:
    """Refuses to continue a search whose hyperparameters have changed."""
    # In a text, True and 1 are two values.
    known, found = ({str(entry): entry.name for entry in space} for space in (before, now))
    changed = sorted({{**known, **found}[text] for text in known.keys() ^ found.keys()})
    if changed:
        raise RunDirectoryError(
            f"The search space of {directory} has changed since it was started, in "
            f"{', '.join(changed)}. Its trials cannot be compared with new trials: restore "
            "the builder, or start a new run."
        )


def _write_data_again(directory: Path, config: RunConfig, fingerprint: str | None) -> None:
    """Writes data/ for a run that was killed before it had written them."""
    dataset = load_dataset(config)
    if dataset.fingerprint != fingerprint:
        raise RunDirectoryError(
            f"The data of {directory} have changed since the run was started, and the copy in the "
            "run directory is incomplete. Start a new run."
        )
    write_data(directory, dataset, prepare_search(dataset))


def _continue(parts: SearchParts, *, more: bool = False) -> RunRecord:
    """Runs the parts of a run that the journal does not contain yet."""
    directory, task = parts.directory, parts.spec.task
    objective = make_objective(parts.config.objective, task)
    driver = make_driver(parts.config, parts.hyperparameters, objective)
    study = Study(
        directory,
        driver,
        objective,
        parts.config.seed,
        parts.reads,
        policy=Policy(parts.config.keep_checkpoints, parts.config.patience),
    )
    with _explain_interruption(directory, study):
        if more and _can_go_on(parts, study):
            study.reopen()
            (directory / "best" / "metrics.json").unlink(missing_ok=True)  # its verdict is outdated
        metrics = trial_metrics(objective, task)
        _search(parts, study, metrics)
        if parts.config.search_only:
            parts.observer.say(f"retrain, test and export: recsearch resume {directory}")
        else:
            _finish(parts, study, metrics)
    finished = load_run(directory)
    write_report(finished)
    return finished


def _can_go_on(parts: SearchParts, study: Study) -> bool:
    """Returns whether an ended search has trials left to try, and time for them."""
    if not study.state.stages or Budget(parts.config.minutes).spent(study.state.seconds):
        return False
    return not isinstance(study.driver.propose(study.trials), Finish)


@contextmanager
def _explain_interruption(directory: Path, study: Study) -> Iterator[None]:
    """Turns an interruption into a message, and closes the journal."""
    try:
        yield
    except KeyboardInterrupt:
        study.interrupt()
        raise InterruptedRunError(
            f"Interrupted; finished work is kept. Continue: recsearch resume {directory}"
        ) from None
    finally:
        study.close()
        with suppress(OSError):  # trials.csv can be written again; do not hide the cause
            write_trials_csv(load_run(directory))


@contextmanager
def explain_full_disk(directory: Path) -> Iterator[None]:
    """Turns the error of a full disk into a message."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise disk_full(directory) from error


def _search(parts: SearchParts, study: Study, metrics: tuple[str, ...]) -> None:
    """Runs the remaining trials."""
    if "searched" in study.state.stages:
        return
    first = _first_trials(parts.config, parts.hyperparameters)
    for proposal in first[len(study.trials) :]:  # some may be missing after a kill
        study.enqueue(proposal)
    observer = parts.observer
    observer.begin_search(study.driver.plan(), study.state)
    engine = make_engine(parts.config, parts.search_dir, metrics)
    budget = Budget(parts.config.minutes)
    if budget.minutes is not None:
        observer.say(
            f"the search ends after {budget.minutes:g} minutes; retraining, test and export "
            "take additional time"
        )

    follow = _tensorboard(parts)

    def on_news(message: Message) -> None:
        observer.news(study.state, message.trial_id)
        follow()

    try:
        with stoppable(engine, observer.say) as stopped:
            reason = search(study, engine, budget, on_news, stopped)
    finally:
        engine.close()
        follow()  # includes the trials that end with the search
    observer.end_search(reason, study.state)
    study.stage("searched", {"reason": reason, "seconds": round(study.state.seconds, 3)})


def _tensorboard(parts: SearchParts) -> Callable[[], None]:
    """Returns a function that updates the TensorBoard files, if there should be any."""
    if not parts.config.tensorboard:
        return lambda: None
    from recsearch.exchange.tensorboard_log import TensorBoardLog

    log = TensorBoardLog(parts.directory, described_space(parts.hyperparameters))
    parts.observer.say(f"view in TensorBoard: tensorboard --logdir {log.folder}")
    return log.update


def _finish(parts: SearchParts, study: Study, metrics: tuple[str, ...]) -> None:
    """Retrains, tests and exports the best trial."""
    ranked = study.state.ranked()
    if not ranked:
        raise SearchError(
            "The search ended, but no trial has a score. `recsearch trials DIR` shows why."
        )
    description = load_run(parts.directory).description
    finalist = Finalist(
        parts.directory.resolve(),
        parts.builders.setup,
        study.objective,
        study.seed,
        ranked[0],
        metrics,
        description.data.split or "",
        description.validation_protocol or "",
        parts.config.final_seeds,
        announce=lambda text: parts.observer.say(text) if text else None,
    )
    helper = parts.builders.helper
    helper.close()  # builders may have changed its process, for example its limits
    run_stages(finalist, study, helper)


def _first_trials(config: RunConfig, hyperparameters: Any) -> list[Propose]:
    """Returns the configurations to try first, fully trained."""
    parsed = [parse_configuration(text, hyperparameters) for text in config.enqueue]
    return [Propose(family, values, config.max_epochs) for family, values in parsed]


def _describe(dataset: Dataset) -> str:
    split = dataset.split
    sizes = ", ".join(f"{len(getattr(split, n)):,} {n}" for n in ("train", "validation", "test"))
    return f"task {dataset.task}; split {split.description}: {sizes}"
