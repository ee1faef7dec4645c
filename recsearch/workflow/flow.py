"""The flow of a run, top to bottom: read, prepare, search, retrain, test, export, report."""

import errno
import json
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
from recsearch.study.decision import Finish, Propose
from recsearch.study.study import Study
from recsearch.study.trial import Policy, Scalar
from recsearch.system.files import disk_full, lock_directory, write_json
from recsearch.tuning.engines.builders import Builders
from recsearch.tuning.engines.engine import Message
from recsearch.tuning.engines.threads import use_one_thread
from recsearch.tuning.loop import Budget, search, stoppable
from recsearch.tuning.objective import make_objective, trial_metrics
from recsearch.tuning.space.description import describe_space
from recsearch.tuning.space.enqueue import parse_configuration
from recsearch.workflow.assembly import (
    describe_plan,
    describe_run,
    make_driver,
    make_engine,
    open_builders,
    require_engine,
    require_families,
)
from recsearch.workflow.dataset import Dataset, load_dataset
from recsearch.workflow.directory import new_directory, prepare_search, write_data
from recsearch.workflow.final.finalist import Finale
from recsearch.workflow.final.stages import run_stages
from recsearch.workflow.rehearsal import rehearse_exports


@dataclass(frozen=True)
class Session:
    """One process's work on a run: what is settled before the first trial.

    Attributes:
        directory: The run directory, owned by this process.
        config: The settings.
        builders: The builders of the families, called elsewhere.
        hyperparameters: What discovery found in them.
        observer: Is told what happens.
    """

    directory: Path
    config: RunConfig
    builders: Builders
    hyperparameters: Any
    observer: Observer

    @property
    def search_dir(self) -> Path:
        """Where the data of the search are."""
        return self.directory / "data" / "search"

    @cached_property
    def spec(self) -> DataSpec:
        """What builders know of the data of the search."""
        return read_spec(self.search_dir)

    def reads(self, family: str, values: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        """Returns those of a configuration's values that its builder reads."""
        outline = self.builders.outline(family, values, self.spec)
        return outline.values if outline else values


def run(
    config: RunConfig, dataset: Dataset, command: Sequence[str], observer: Observer
) -> RunRecord:
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
    # All that can be wrong with the settings shows itself before a directory is made.
    description = describe_run(config, command, dataset, prepared[0], hyperparameters)
    description["builders"] = builders.sources()
    _first_trials(config, hyperparameters)
    require_engine(config)
    rehearse_exports(builders, dataset.task)
    observer.say(f"each epoch is measured on {description['validation_protocol']}")
    directory = new_directory(config)
    with _told_if_full(directory), lock_directory(directory):
        write_json(directory / "run.json", description)
        write_data(directory, dataset, prepared)
        return _work(Session(directory, config, builders, hyperparameters, observer))


def resume(directory: Path, changes: dict[str, Any], observer: Observer) -> RunRecord:
    """Continues a run that was stopped or killed, with more trials, minutes or workers if asked.

    A finished run goes on if it may try more; its end stages are then run again. A run that was to
    end after its search is retrained, tested and exported.

    Raises:
        RunDirectoryError: If it is no run directory or another process owns it.
    """
    use_one_thread()
    stored = load_run(directory)
    description = stored.config
    config = make_config(resumable_config(stored).to_json(), {"search_only": False}, changes)
    with _told_if_full(directory), lock_directory(directory):
        if not (directory / "data").is_dir():
            _write_data_again(directory, config, description["data"]["fingerprint"])
        spec = read_spec(directory / "data" / "search")
        require_families(config)
        with open_builders(config, observer.say) as builders:
            hyperparameters = _discover(builders, spec, observer)
            _refuse_other_space(directory, description["space"], describe_space(hyperparameters))
            plan = describe_plan(config, hyperparameters, spec.task)
            changed = {"config": config.to_json(), "plan": plan}
            write_json(directory / "run.json", {**description, **changed})
            _warn_of_edits(description.get("builders", {}), builders, observer)
            more = not changes.keys().isdisjoint({"max_trials", "minutes"})
            return _work(Session(directory, config, builders, hyperparameters, observer), more=more)


def _discover(builders: Builders, spec: DataSpec, observer: Observer) -> Any:
    """Returns the hyperparameters; a configuration at which a builder fails is a note."""

    def on_lost(error: BuildError) -> None:
        observer.say(f"  note: {error} Trials of such a configuration will fail.")

    return builders.discover(spec, on_lost=on_lost)


def _warn_of_edits(before: Mapping[str, Any], builders: Builders, observer: Observer) -> None:
    """Says which builders were edited since the run began, where this is known."""
    for family, now in builders.sources().items():
        if before.get(family) not in (None, now):
            observer.say(
                f"warning: the file of {builders.references[family]} was edited since the run "
                "began; later trials may differ from earlier ones"
            )


def _refuse_other_space(directory: Path, before: list[Any], now: list[Any]) -> None:
    """Refuses to continue a search whose builders have other hyperparameters by now."""
    known = {json.dumps(entry, sort_keys=True) for entry in before}
    found = {json.dumps(entry, sort_keys=True) for entry in now}
    changed = sorted({json.loads(entry)["name"] for entry in known ^ found})
    if changed:
        raise RunDirectoryError(
            f"The search space of {directory} has changed since it was started, in "
            f"{', '.join(changed)}. Its trials cannot be compared with new ones: put the builder "
            "back as it was, or start a new run."
        )


def _write_data_again(directory: Path, config: RunConfig, fingerprint: str) -> None:
    """Writes data/ for a run that was killed before it had them."""
    dataset = load_dataset(config)
    if dataset.fingerprint != fingerprint:
        raise RunDirectoryError(
            f"The data of {directory} have changed since it was started, and its own copy was not "
            "finished. Start a new run."
        )
    write_data(directory, dataset, prepare_search(dataset))


def _work(session: Session, *, more: bool = False) -> RunRecord:
    """Searches, finishes and reports; takes up whatever the journal says is left."""
    directory, task = session.directory, session.spec.task
    objective = make_objective(session.config.objective, task)
    driver = make_driver(session.config, session.hyperparameters, objective)
    study = Study(
        directory,
        driver,
        objective,
        session.config.seed,
        session.reads,
        policy=Policy(session.config.keep_checkpoints, session.config.patience),
    )
    with _explained(directory, study):
        if more and _can_go_on(session, study):
            study.reopen()
            (directory / "best" / "metrics.json").unlink(missing_ok=True)  # no longer the verdict
        metrics = trial_metrics(objective, task)
        _search(session, study, metrics)
        if session.config.search_only:
            session.observer.say(f"retrain, test and export: recsearch resume {directory}")
        else:
            _finish(session, study, metrics)
    finished = load_run(directory)
    write_report(finished)
    return finished


def _can_go_on(session: Session, study: Study) -> bool:
    """Returns whether a search that was over has something left to try, and time for it."""
    if not study.state.stages or Budget(session.config.minutes).spent(study.state.seconds):
        return False
    return not isinstance(study.driver.propose(study.trials), Finish)


@contextmanager
def _explained(directory: Path, study: Study) -> Iterator[None]:
    """Turns an interruption into a message; closes the journal in any case."""
    try:
        yield
    except KeyboardInterrupt:
        study.interrupt()
        raise InterruptedRunError(
            f"Interrupted; what was finished is kept. Continue: recsearch resume {directory}"
        ) from None
    finally:
        study.close()
        with suppress(OSError):  # it can be made again, and must not hide why the run ended
            write_trials_csv(load_run(directory))


@contextmanager
def _told_if_full(directory: Path) -> Iterator[None]:
    """Turns the error of a full disk into a message, wherever it was met."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise disk_full(directory) from error


def _search(session: Session, study: Study, metrics: tuple[str, ...]) -> None:
    """Runs the trials that are left."""
    if "searched" in study.state.stages:
        return
    first = _first_trials(session.config, session.hyperparameters)
    for proposal in first[len(study.trials) :]:  # a kill may have left some of them out
        study.enqueue(proposal)
    observer = session.observer
    observer.begin_search(study.driver.plan(), study.state)
    engine = make_engine(session.config, session.search_dir, metrics)
    budget = Budget(session.config.minutes)
    if budget.minutes is not None:
        observer.say(
            f"the search ends after {budget.minutes:g} minutes; retraining, test and export "
            "come on top"
        )

    follow = _tensorboard(session)

    def on_news(message: Message) -> None:
        observer.news(study.state, message.trial_id)
        follow()

    try:
        with stoppable(engine, observer.say) as stopped:
            reason = search(study, engine, budget, on_news, stopped)
    finally:
        engine.close()
        follow()  # trials that end with the search are no news
    observer.end_search(reason, study.state)
    study.stage("searched", {"reason": reason, "seconds": round(study.state.seconds, 3)})


def _tensorboard(session: Session) -> Callable[[], None]:
    """Returns what brings TensorBoard's files up to date with the journal, if they are wanted."""
    if not session.config.tensorboard:
        return lambda: None
    from recsearch.exchange.tensorboard_log import TensorBoardLog

    log = TensorBoardLog(session.directory, describe_space(session.hyperparameters))
    session.observer.say(f"for TensorBoard: tensorboard --logdir {log.folder}")
    return log.update


def _finish(session: Session, study: Study, metrics: tuple[str, ...]) -> None:
    """Retrains, tests and exports the best trial."""
    ranked = study.state.ranked()
    if not ranked:
        raise SearchError("The search ended without a trial that has a score.")
    description = load_run(session.directory).config
    finale = Finale(
        session.directory.resolve(),
        session.builders.setup,
        study.objective,
        study.seed,
        ranked[0],
        metrics,
        description["data"]["split"],
        description["validation_protocol"],
        session.config.final_seeds,
        announce=lambda text: session.observer.say(text) if text else None,
    )
    helper = session.builders.helper
    helper.close()  # builders may have left anything behind in its process, such as limits
    run_stages(finale, study, helper)


def _first_trials(config: RunConfig, hyperparameters: Any) -> list[Propose]:
    """Returns the configurations that the user wants tried first, fully trained."""
    parsed = [parse_configuration(text, hyperparameters) for text in config.enqueue]
    return [Propose(family, values, config.max_epochs) for family, values in parsed]


def _describe(dataset: Dataset) -> str:
    split = dataset.split
    sizes = ", ".join(f"{len(getattr(split, n)):,} {n}" for n in ("train", "validation", "test"))
    return f"task {dataset.task}; split {split.description}: {sizes}"
