"""The commands and their flags, as an argparse parser; `cli/commands.py` runs them."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from recsearch.cli import commands
from recsearch.cli.flags import add_setting, add_settings, help_text
from recsearch.config.descriptions import DATA, MACHINE, SEARCH, TASKS
from recsearch.text.shown import path_fault, shown
from recsearch.version import __version__


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of all commands."""
    parser = _parser(
        argparse.ArgumentParser,
        prog="recsearch",
        description="Find the best recommender model for a table of interactions.",
        examples=[
            "recsearch run --tuner hyperband",
            "recsearch run neumf --data ratings.csv --task implicit --workers 2",
            "recsearch recommend runs/20260101-120000-neumf --user 42",
        ],
    )
    parser.add_argument("--version", action="version", version=f"recsearch {__version__}")
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for add in (_add_run, _add_resume, _add_spaces, _add_check, _add_trials, _add_report):
        add(subparsers)
    _add_recommend(subparsers)
    _add_baselines(subparsers)
    _add_compare(subparsers)
    _add_log(subparsers)
    return parser


def _parser(
    make: Callable[..., argparse.ArgumentParser],
    *names: str,
    examples: Sequence[str],
    **options: Any,
) -> argparse.ArgumentParser:
    """Creates a parser whose help ends with examples."""
    epilog = "examples:\n" + "\n".join(f"  {example}" for example in examples)
    return make(
        *names, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter, **options
    )


def _command(
    subparsers: Any, name: str, call: Callable[..., None], help: str, examples: Sequence[str]
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = _parser(
        subparsers.add_parser, name, help=help, description=help, examples=examples
    )
    parser.set_defaults(command=call)
    return parser


def _add_run(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "run",
        commands.run,
        "Search for the best model, retrain it, test it once, export it and write a report.",
        [
            "recsearch run --tuner hyperband",
            "recsearch run neural_cf matrix_factorization --data ratings.parquet --task rating",
            "recsearch run neumf --data clicks.csv --task implicit --set embedding_dim=16:64",
            "recsearch run ./mine.py:build --data ratings.csv --tuner random --max-trials 10",
        ],
    )
    parser.add_argument(
        "spaces",
        nargs="*",
        metavar="SPACE",
        help=help_text("spaces"),
    )
    add_settings(parser.add_argument_group("data"), DATA)
    add_settings(parser.add_argument_group("search"), SEARCH)
    machine = parser.add_argument_group("machine and output")
    add_settings(machine, MACHINE)
    machine.add_argument(
        "--config", metavar="FILE.toml", help="read settings from a file; flags take precedence"
    )
    _add_verbosity(machine)


def _add_verbosity(
    group: Any, verbose: str = "print one line per epoch, and the complete log"
) -> None:
    either = group.add_mutually_exclusive_group()
    either.add_argument("--quiet", action="store_true", help="print only the result")
    either.add_argument("--verbose", action="store_true", help=verbose)


def _add_resume(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "resume",
        commands.resume,
        "Continue a run that was stopped or killed.",
        ["recsearch resume runs/night", "recsearch resume runs/night --max-trials 100"],
    )
    _add_directory(parser)
    add_setting(parser, "max_trials", "new total number of configurations to try")
    add_setting(
        parser, "minutes", "new limit for the total search time of all sessions, in minutes"
    )
    add_setting(parser, "workers", "number of worker processes from now on")
    add_setting(parser, "address", "for runs started with --engine ray: new address of the cluster")
    add_setting(parser, "tensorboard")
    _add_verbosity(parser)


def _add_spaces(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "spaces",
        commands.spaces,
        "List the search spaces, or the hyperparameters of one space.",
        ["recsearch spaces", "recsearch spaces neumf --task implicit"],
    )
    parser.add_argument(
        "space", nargs="?", metavar="SPACE", help="show the hyperparameters of this space"
    )
    parser.add_argument(
        "--task", choices=TASKS, help="show the hyperparameters for this task (default: rating)"
    )


def _add_check(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "check",
        commands.check,
        "Check a search space: build, train, save, export and reload its models on small "
        "generated data.",
        ["recsearch check ./mine.py:build", "recsearch check neumf --task implicit"],
    )
    parser.add_argument("space", metavar="SPACE", help="name, ./file.py:build or module:build")
    parser.add_argument(
        "--task", choices=TASKS, help="prediction task of the data (default: rating)"
    )


def _add_trials(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "trials",
        commands.trials,
        "Show the trials of a run, best first.",
        [
            "recsearch trials runs/night --best 5",
            "recsearch trials runs/night --format csv",
            "recsearch trials runs/night --format parquet --out trials.parquet",
            "recsearch trials runs/night --watch",
        ],
    )
    _add_directory(parser)
    parser.add_argument(
        "--format",
        choices=("table", "csv", "json", "parquet"),
        help="output format (default: table); parquet needs --out",
    )
    parser.add_argument(
        "--out", metavar="FILE", type=_path, help="write csv, json or parquet to a file"
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help="show the progress of a run that is still running, until it ends or you press Ctrl-C; "
        "then show the trials",
    )
    parser.add_argument("--best", type=int, metavar="K", help="show only the K best trials")


def _add_report(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "report",
        commands.report,
        "Write report.html again from the journal and the results of a run.",
        ["recsearch report runs/night"],
    )
    _add_directory(parser)


def _add_recommend(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "recommend",
        commands.recommend,
        "Recommend items to a user with the exported model of a run.",
        ["recsearch recommend runs/night --user 42 -k 5"],
    )
    _add_directory(parser)
    parser.add_argument(
        "--user", required=True, metavar="ID", help="id of the user, as in your data"
    )
    parser.add_argument("-k", type=int, metavar="K", help="number of items (default: 10)")
    parser.add_argument(
        "--include-seen",
        action="store_true",
        help="also recommend items that the user has interacted with",
    )
    _add_format(parser)


def _add_baselines(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "baselines",
        commands.baselines,
        "Tune the baselines on the validation part and evaluate them on the test part; no search.",
        [
            "recsearch baselines --data ratings.csv",
            "recsearch baselines --data r.csv --format json",
        ],
    )
    add_settings(parser.add_argument_group("data"), DATA)
    add_setting(parser, "objective")
    add_setting(
        parser, "seed", "random seed of the split and of the confidence intervals (default: 0)"
    )
    _add_format(parser)
    _add_verbosity(parser, "print the complete log")


def _add_compare(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "compare",
        commands.compare,
        "Compare runs: best validation score after the same search time, test metrics, winners "
        "and cost.",
        [
            "recsearch compare runs/hyperband runs/random",
            "recsearch compare runs/* --out compare.html",
            "recsearch compare runs/a runs/b --format json",
        ],
    )
    parser.add_argument(
        "directories", nargs="+", metavar="RUN", type=_path, help="run directories, two or more"
    )
    parser.add_argument(
        "--out", metavar="FILE.html", type=_path, help="also write an HTML page with plots"
    )
    _add_format(parser)


def _add_log(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "log",
        commands.log,
        "Log a run and its trials to an MLflow tracking server.",
        [
            "recsearch log runs/night --mlflow http://localhost:5000",
            "recsearch log runs/night --mlflow sqlite:///mlflow.db --experiment films",
        ],
    )
    _add_directory(parser)
    parser.add_argument("--mlflow", required=True, metavar="URI", help="tracking URI of MLflow")
    parser.add_argument(
        "--experiment", metavar="NAME", help="name of the MLflow experiment (default: recsearch)"
    )


def _add_directory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", type=_path, help="run directory")


def _path(text: str) -> Path:
    """Returns a path; argparse reports a text that is not a valid path."""
    fault = path_fault(text)
    if fault is not None:
        raise argparse.ArgumentTypeError(f"{shown(text)}: {fault}")
    return Path(text)


def _add_format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format", choices=("table", "json"), help="output format (default: table)"
    )
