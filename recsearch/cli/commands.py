"""The commands of the command line: each takes the parsed arguments and prints its result.

Each command imports its dependencies when it is called, so that help does not wait for TensorFlow.
"""

import argparse
import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsearch.config.run_config import make_config, read_toml
from recsearch.console.estimate import ONE_WORKER, Capacity
from recsearch.errors import UsageError
from recsearch.system.files import json_safe, whole_file, write_text
from recsearch.system.tensorflow_import import import_tensorflow
from recsearch.text.printable import printable_line
from recsearch.text.text_table import text_table
from recsearch.workflow.startup import import_tensorflow_for

if TYPE_CHECKING:
    from pandas import DataFrame

    from recsearch.console.progress import Observer
    from recsearch.results import RunRecord

_NOT_SETTINGS = ("argv", "command", "config", "quiet", "verbose", "directory", "format")


def run(arguments: argparse.Namespace) -> None:
    """Searches, retrains, tests, exports and reports."""
    from recsearch.tuning.space.references import require_references
    from recsearch.workflow.dataset import load_dataset
    from recsearch.workflow.directory import absolute_paths

    from_file = read_toml(Path(arguments.config)) if arguments.config else {}
    given = make_config(from_file, _settings(arguments))
    require_references(given.spaces)
    config = absolute_paths(given)
    dataset = load_dataset(config)  # report faults of the data before importing TensorFlow
    import_tensorflow_for(config.engine, lean=True)
    from recsearch.workflow.flow import run as run_search

    capacity = Capacity(config.workers, config.minutes)
    with _observer(arguments, capacity) as observer:
        finished = run_search(config, dataset, ["recsearch", *arguments.argv], observer)
    _print_result(finished)


def resume(arguments: argparse.Namespace) -> None:
    """Continues a run."""
    from recsearch.results import load_run, resumable_config

    stored, changes = resumable_config(load_run(arguments.directory)), _settings(arguments)
    now = make_config(stored.to_json(), changes)
    import_tensorflow_for(now.engine, lean=True)
    from recsearch.workflow.flow import resume as resume_search

    with _observer(arguments, Capacity(now.workers, now.minutes)) as observer:
        finished = resume_search(arguments.directory, changes, observer)
    _print_result(finished)


def baselines(arguments: argparse.Namespace) -> None:
    """Tunes and evaluates the baselines, without a search."""
    from recsearch.tuning.objective import make_objective
    from recsearch.workflow.baselines_only import baselines_table, measure_baselines
    from recsearch.workflow.dataset import load_dataset

    config = make_config(_settings(arguments))
    dataset = load_dataset(config)
    objective = make_objective(config.objective, dataset.task)
    with _observer(arguments) as observer:
        for note in dataset.notes:
            observer.say(f"  note: {note}")
        found = measure_baselines(dataset, objective, config.seed, observer.say)
    if arguments.format == "json":
        print(json.dumps(found, indent=2))
    else:
        print(text_table(baselines_table(found, objective), missing="-"))


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns the settings that were given as flags; the others are None in `arguments`."""
    given = vars(arguments).items()
    return {k: v for k, v in given if k not in _NOT_SETTINGS and v is not None and v != []}


@contextmanager
def _observer(
    arguments: argparse.Namespace, capacity: Capacity | None = None
) -> Iterator["Observer"]:
    """Yields the observer that shows the progress: tables on a terminal, lines elsewhere."""
    from recsearch.console.live_table import LiveTable
    from recsearch.console.progress import Lines, Silent

    capacity = capacity or ONE_WORKER
    if arguments.quiet:
        yield Silent()
    elif arguments.verbose:
        with _log_shown():
            yield Lines(capacity, verbose=True)
    elif sys.stderr.isatty():
        table = LiveTable(capacity)
        try:
            yield table
        finally:
            table.close()
    else:
        yield Lines(capacity)


@contextmanager
def _log_shown() -> Iterator[None]:
    """Shows the complete log of recsearch on standard error for the duration of the block."""
    logger, handler = logging.getLogger("recsearch"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


def _print_result(finished: "RunRecord") -> None:
    print("\n".join(map(printable_line, finished.summary().splitlines())))
    for what, path in (("report", "report.html"), ("model", "best/saved_model/1")):
        if (finished.directory / path).exists():
            print(f"{what + ':':<8} {finished.directory / path}")
    print(f"results: {finished.directory}")


def spaces(arguments: argparse.Namespace) -> None:
    """Lists the built-in spaces, or the hyperparameters of one space."""
    if arguments.space is None:
        from recsearch.tuning.space.builtin import builtin_names, summary

        for name in builtin_names():
            print(f"{name:<24}{summary(name)}")
        print("\nYour own space: ./file.py:build or package.module:build (see `recsearch check`).")
        return
    import_tensorflow_for("local")
    from recsearch.data.task import Task
    from recsearch.tuning.engines.builders import Builders, SpaceSetup
    from recsearch.tuning.engines.helper import HelperProcess
    from recsearch.tuning.space.description import describe_hyperparameter
    from recsearch.workflow.check import generated_data

    with HelperProcess() as helper:
        data, _ = generated_data(Task(arguments.task or "rating"))
        found = Builders(SpaceSetup((arguments.space,)), helper).discover(data.spec)
    for hyperparameter in found.space[1:]:
        print(describe_hyperparameter(hyperparameter))


def check(arguments: argparse.Namespace) -> None:
    """Checks a search space on small generated data."""
    import_tensorflow_for("local")
    from recsearch.data.task import Task
    from recsearch.workflow.check import check_elsewhere

    task = Task(arguments.task or "rating")
    check_elsewhere(arguments.space, task, print)
    print(f"{arguments.space} passed all checks for the task {task}")


def trials(arguments: argparse.Namespace) -> None:
    """Prints the trials of a run, best first; with `--watch`, follows the run before."""
    from recsearch.results import load_run

    if arguments.best is not None and arguments.best < 1:
        raise UsageError(f"--best must be at least 1. Received: {arguments.best}.")
    if arguments.format == "parquet" and arguments.out is None:
        raise UsageError("--format parquet needs --out FILE, because Parquet is not text.")
    if arguments.out is not None and arguments.format in (None, "table"):
        raise UsageError("--out needs --format csv, json or parquet.")
    if arguments.watch:
        _watch(arguments.directory)
    opened = load_run(arguments.directory)
    table = opened.trials()
    order = {trial.trial_id: place for place, trial in enumerate(opened.state.ranked())}
    place = table["trial_id"].map(order)
    table = table.loc[place.sort_values(na_position="last", kind="stable").index]
    if arguments.best is not None:
        table = table.head(arguments.best)
    _put(table, arguments.format or "table", arguments.out)


def _watch(directory: Path) -> None:
    """Follows a run in another process until it ends or the user presses Ctrl-C."""
    from recsearch.console.watching import watch
    from recsearch.results import load_run, stored_config

    settings = stored_config(load_run(directory))
    capacity = Capacity(settings.workers, settings.minutes)
    shown = argparse.Namespace(quiet=False, verbose=False)
    with suppress(KeyboardInterrupt), _observer(shown, capacity) as observer:
        watch(directory, observer)


def _put(table: "DataFrame", form: str, out: Path | None) -> None:
    """Prints a table in a format, or writes it to a file, completely or not at all."""
    texts: dict[str, Callable[[], str]] = {
        "table": lambda: text_table(table.dropna(axis="columns", how="all")) + "\n",
        "csv": lambda: table.to_csv(index=False),
        "json": lambda: f"{table.to_json(orient='records', indent=2)}\n",
    }
    if out is None:
        print(texts[form](), end="")
        return
    try:
        if form == "parquet":
            mixed = table.select_dtypes("object").columns  # columns with numbers and texts
            with whole_file(out) as file:
                table.astype(dict.fromkeys(mixed, "string")).to_parquet(file, index=False)
        else:
            write_text(out, texts[form]())
    except OSError as error:
        raise UsageError(f"--out {out} cannot be written: {error}. Choose another file.") from error
    print(out)


def report(arguments: argparse.Namespace) -> None:
    """Writes the report again."""
    from recsearch.report.page import write_report
    from recsearch.results import load_run

    print(write_report(load_run(arguments.directory)))


def recommend(arguments: argparse.Namespace) -> None:
    """Prints the best items for one user."""
    from recsearch.results import load_run
    from recsearch.serving.recommend import ExportedModel, ForeignModelWarning

    k = 10 if arguments.k is None else arguments.k
    if k < 1:
        raise UsageError(f"-k must be at least 1. Received: {k}.")
    model = ExportedModel(load_run(arguments.directory))
    if model.foreign is not None:
        print(f"recsearch: warning: {printable_line(model.foreign)}", file=sys.stderr)
    import_tensorflow()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ForeignModelWarning)  # already printed above
        table = model.recommend(arguments.user, k, include_seen=arguments.include_seen)
    if not table.attrs["known_user"]:
        print(
            f"recsearch: user {printable_line(arguments.user)} is not in the data; "
            "recommending popular items instead.",
            file=sys.stderr,
        )
    if arguments.format == "json":
        rows = json.loads(table.to_json(orient="records"))
        known = bool(table.attrs["known_user"])
        print(json.dumps({"user": arguments.user, "known_user": known, "items": rows}, indent=2))
    else:
        print(text_table(table))


def log(arguments: argparse.Namespace) -> None:
    """Logs a run to MLflow."""
    from recsearch.exchange.mlflow_log import EXPERIMENT, log_to_mlflow
    from recsearch.results import load_run

    experiment = arguments.experiment or EXPERIMENT
    print(log_to_mlflow(load_run(arguments.directory), arguments.mlflow, experiment))


def compare(arguments: argparse.Namespace) -> None:
    """Compares runs at equal time, and on their test parts."""
    from recsearch.report.compare_page import write_comparison
    from recsearch.report.compare_tables import comparison_text
    from recsearch.results import compare_runs, load_run

    found = compare_runs([load_run(directory) for directory in arguments.directories])
    if arguments.format == "json":
        print(json.dumps(json_safe(found.to_json()), indent=2))
    else:
        print(comparison_text(found))
    if arguments.out is not None:
        print(f"page: {write_comparison(found, arguments.out)}", file=sys.stderr)
