"""The commands behind the command line: each takes the parsed arguments and prints.

Each imports what it needs when it is called: TensorFlow takes seconds, and help must not wait.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsearch.config import make_config, read_toml
from recsearch.errors import UsageError
from recsearch.quiet import import_tensorflow
from recsearch.start import import_tensorflow_for

if TYPE_CHECKING:
    from recsearch.progress import Observer
    from recsearch.results import Run

_NOT_SETTINGS = ("argv", "command", "config", "quiet", "directory", "format")


def run(arguments: argparse.Namespace) -> None:
    """Searches, finishes and reports."""
    from recsearch.data.dataset import load_dataset
    from recsearch.directory import absolute_paths

    from_file = read_toml(Path(arguments.config)) if arguments.config else {}
    config = absolute_paths(make_config(from_file, _settings(arguments)))
    dataset = load_dataset(config)  # a fault of the data must not wait for TensorFlow
    import_tensorflow_for(config.engine, lean=True)
    from recsearch.run import run as run_search

    with _observer(arguments.quiet) as observer:
        finished = run_search(config, dataset, ["recsearch", *arguments.argv], observer)
    _print_result(finished)


def resume(arguments: argparse.Namespace) -> None:
    """Continues a run."""
    from recsearch.results import load_run

    settings = load_run(arguments.directory).config["config"]
    import_tensorflow_for(settings["engine"], lean=True)
    from recsearch.run import resume as resume_search

    with _observer(arguments.quiet) as observer:
        finished = resume_search(arguments.directory, _settings(arguments), observer)
    _print_result(finished)


def baselines(arguments: argparse.Namespace) -> None:
    """Tunes and measures the baselines alone."""
    from recsearch.data.dataset import load_dataset
    from recsearch.final.alone import baselines_table, measure_baselines
    from recsearch.tuning.objective import make_objective

    config = make_config(_settings(arguments))
    dataset = load_dataset(config)
    objective = make_objective(config.objective, dataset.task)
    with _observer(arguments.quiet) as observer:
        found = measure_baselines(dataset, objective, config.seed, observer.say)
    if arguments.format == "json":
        print(json.dumps(found, indent=2))
    else:
        print(baselines_table(found, objective).to_string(index=False, na_rep="-"))


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns the settings that were given as flags; a flag that was not is None."""
    given = vars(arguments).items()
    return {k: v for k, v in given if k not in _NOT_SETTINGS and v is not None and v != []}


@contextmanager
def _observer(quiet: bool) -> Iterator["Observer"]:
    """Yields what shows the progress: a live table on a terminal, plain lines elsewhere."""
    from recsearch.progress import Lines, LiveTable, Silent

    if quiet:
        yield Silent()
    elif sys.stderr.isatty():
        table = LiveTable()
        try:
            yield table
        finally:
            table.close()
    else:
        yield Lines()


def _print_result(finished: "Run") -> None:
    print(finished.summary())
    print(f"results: {finished.directory}")


def spaces(arguments: argparse.Namespace) -> None:
    """Lists the built-in spaces, or one space's hyperparameters."""
    if arguments.space is None:
        from recsearch.tuning.builtin import builtin_names, summary

        for name in builtin_names():
            print(f"{name:<24}{summary(name)}")
        print("\nYour own: ./file.py:build or package.module:build (see `recsearch check`).")
        return
    import_tensorflow()
    from recsearch.check import generated_data
    from recsearch.data.interactions import Task
    from recsearch.tuning.description import describe_hyperparameter
    from recsearch.tuning.space import load_space

    data, _ = generated_data(Task(arguments.task or "rating"))
    found = load_space([arguments.space]).discover(data.spec)
    for hyperparameter in found.space[1:]:
        print(describe_hyperparameter(hyperparameter))


def check(arguments: argparse.Namespace) -> None:
    """Proves a space's contract on small generated data."""
    import_tensorflow()
    from recsearch.check import check_space
    from recsearch.data.interactions import Task
    from recsearch.tuning.space import load_space

    task = Task(arguments.task or "rating")
    check_space(load_space([arguments.space]), task, print)
    print(f"{arguments.space} keeps the contract for the task {task}")


def trials(arguments: argparse.Namespace) -> None:
    """Prints the trials of a run, the best first."""
    from recsearch.results import load_run

    if arguments.best is not None and arguments.best < 1:
        raise UsageError(f"--best must be at least 1. Received: {arguments.best}.")
    opened = load_run(arguments.directory)
    table = opened.trials()
    order = {trial.trial_id: place for place, trial in enumerate(opened.state.ranked())}
    place = table["trial_id"].map(order)
    table = table.loc[place.sort_values(na_position="last", kind="stable").index]
    if arguments.best is not None:
        table = table.head(arguments.best)
    if arguments.format == "csv":
        print(table.to_csv(index=False), end="")
    elif arguments.format == "json":
        print(table.to_json(orient="records", indent=2))
    else:
        print(table.dropna(axis="columns", how="all").to_string(index=False, na_rep=""))


def report(arguments: argparse.Namespace) -> None:
    """Writes the report anew."""
    from recsearch.report.page import write_report
    from recsearch.results import load_run

    print(write_report(load_run(arguments.directory)))


def recommend(arguments: argparse.Namespace) -> None:
    """Prints the best items for one user."""
    from recsearch.results import load_run

    k = 10 if arguments.k is None else arguments.k
    if k < 1:
        raise UsageError(f"-k must be at least 1. Received: {k}.")
    opened = load_run(arguments.directory)
    import_tensorflow()
    table = opened.recommend(arguments.user, k, include_seen=arguments.include_seen)
    if not table.attrs["known_user"]:
        print(
            f"recsearch: user {arguments.user} is not in the data; these are the popular items.",
            file=sys.stderr,
        )
    if arguments.format == "json":
        rows = json.loads(table.to_json(orient="records"))
        known = bool(table.attrs["known_user"])
        print(json.dumps({"user": arguments.user, "known_user": known, "items": rows}, indent=2))
    else:
        print(table.to_string(index=False))
