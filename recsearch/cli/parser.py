"""The command line: parses, calls one function, prints. Results to stdout, the rest to stderr.

Exit codes: 0 done, 1 failed, 2 usage or bad input, 130 interrupted (resumable).
"""

import argparse
import io
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from recsearch.cli import commands
from recsearch.cli.flags import (
    add_data_flags,
    add_machine_flags,
    add_objective_flag,
    add_search_flags,
    add_seed_flag,
    add_tensorboard_flag,
)
from recsearch.config.run_config import DEFAULT_SPACES, TASKS
from recsearch.errors import RecsearchError
from recsearch.text.printable import printable
from recsearch.text.shown import path_fault, shown
from recsearch.version import __version__


def main(argv: Sequence[str]) -> int:
    """Runs one command; returns the exit code."""
    _accept_all_text()
    parser = make_parser()
    arguments = parser.parse_args(_with_joined_user(argv))
    arguments.argv = list(argv)  # a run records what was typed
    if getattr(arguments, "user", None) == []:  # argparse's reading of `--user=--`
        arguments.user = "--"
    command: Callable[[argparse.Namespace], None] = arguments.command
    try:
        command(arguments)
        sys.stdout.flush()  # a full disk behind a redirection shows itself here
    except RecsearchError as error:
        if not getattr(arguments, "quiet", False):
            for note in getattr(error, "__notes__", ()):
                print(printable(f"  note: {note}"), file=sys.stderr)
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _complain("interrupted")
        return 130
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        sys.stderr.close()
    except OSError as error:  # the system refuses: no room, no permission, a broken disk
        logging.getLogger(__name__).debug("the system refused", exc_info=True)
        place = f"{error.filename}: " if error.filename is not None else ""
        _complain(f"{place}{error.strerror or error}. Nothing that was finished is lost.")
        return 1
    return 0


def _complain(text: str) -> None:
    """Prints an error; commands to the terminal are shown as text."""
    print(f"recsearch: {printable(text)}", file=sys.stderr)


def _accept_all_text() -> None:
    """Makes the output show text that it cannot encode, such as half of a surrogate pair."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


_FLAGS_BESIDE_USER = ("-h", "--help", "-k", "--include-seen", "--format", "--user", "--")


def _with_joined_user(argv: Sequence[str]) -> list[str]:
    """Returns the arguments with `--user -0004Qz` as `--user=-0004Qz`: ids may begin with `-`.

    A flag of the command stays a flag; an id that is called like one is given as `--user=-k`.
    """
    joined: list[str] = []
    for text in argv:
        follows_user = argv[:1] == ["recommend"] and joined[-1:] == ["--user"]
        if follows_user and text.startswith("-") and text not in _FLAGS_BESIDE_USER:
            joined[-1] = f"--user={text}"
        else:
            joined.append(text)
    return joined


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
    """Makes a parser whose help ends with examples."""
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
        help="a name from `recsearch spaces`, ./file.py:build or package.module:build; several are "
        f"one search over families (default: {' '.join(DEFAULT_SPACES)})",
    )
    add_data_flags(parser.add_argument_group("data"))
    add_search_flags(parser.add_argument_group("search"))
    machine = parser.add_argument_group("machine and output")
    add_machine_flags(machine)
    _add_verbosity(machine)


def _add_verbosity(group: Any) -> None:
    either = group.add_mutually_exclusive_group()
    either.add_argument("--quiet", action="store_true", help="print nothing but the result")
    either.add_argument(
        "--verbose", action="store_true", help="print a line for each epoch, and the whole log"
    )


def _add_resume(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "resume",
        commands.resume,
        "Continue a run that was stopped or killed.",
        ["recsearch resume runs/night", "recsearch resume runs/night --max-trials 100"],
    )
    _add_directory(parser)
    parser.add_argument("--max-trials", type=int, metavar="N", help="raise the number of trials")
    parser.add_argument("--minutes", type=float, metavar="M", help="raise the time of search")
    parser.add_argument("--workers", type=int, metavar="N", help="worker processes from now on")
    parser.add_argument(
        "--address", metavar="HOST:PORT", help="for --engine ray: the cluster from now on"
    )
    add_tensorboard_flag(parser)
    _add_verbosity(parser)


def _add_spaces(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "spaces",
        commands.spaces,
        "List the search spaces, or the hyperparameters of one.",
        ["recsearch spaces", "recsearch spaces neumf --task implicit"],
    )
    parser.add_argument("space", nargs="?", metavar="SPACE", help="show its hyperparameters")
    parser.add_argument(
        "--task", choices=TASKS, help="the task that they are shown for (default: rating)"
    )


def _add_check(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "check",
        commands.check,
        "Build, train, save, export and reload a search space on small generated data.",
        ["recsearch check ./mine.py:build", "recsearch check neumf --task implicit"],
    )
    parser.add_argument("space", metavar="SPACE", help="a name, ./file.py:build or module:build")
    parser.add_argument("--task", choices=TASKS, help="task of the data (default: rating)")


def _add_trials(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "trials",
        commands.trials,
        "Show the trials of a run, the best first.",
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
        help="how to print them (default: table); parquet needs --out",
    )
    parser.add_argument(
        "--out", metavar="FILE", type=_path, help="write csv, json or parquet into a file"
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help="first show how a run in another process comes on, until it ends or Ctrl-C",
    )
    parser.add_argument("--best", type=int, metavar="K", help="only the K best")


def _add_report(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "report",
        commands.report,
        "Write report.html anew from the journal and the results of a run.",
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
    parser.add_argument("--user", required=True, metavar="ID", help="raw id of the user")
    parser.add_argument("-k", type=int, metavar="K", help="how many items (default: 10)")
    parser.add_argument(
        "--include-seen", action="store_true", help="also items that the user has in the data"
    )
    _add_format(parser)


def _add_baselines(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "baselines",
        commands.baselines,
        "Tune the baselines on the validation part and measure them on the test part, alone.",
        [
            "recsearch baselines --data ratings.csv",
            "recsearch baselines --data r.csv --format json",
        ],
    )
    add_data_flags(parser.add_argument_group("data"))
    add_objective_flag(parser)
    add_seed_flag(parser)
    _add_format(parser)
    _add_verbosity(parser)


def _add_compare(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "compare",
        commands.compare,
        "Compare runs: best so far at equal time, test metrics, winners and cost.",
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
        "--out", metavar="FILE.html", type=_path, help="also write a page with plots"
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
    parser.add_argument("--mlflow", required=True, metavar="URI", help="MLflow's tracking URI")
    parser.add_argument(
        "--experiment", metavar="NAME", help="MLflow's experiment (default: recsearch)"
    )


def _add_directory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", type=_path, help="the run directory")


def _path(text: str) -> Path:
    """Returns a path; argparse reports a text that cannot be one."""
    fault = path_fault(text)
    if fault is not None:
        raise argparse.ArgumentTypeError(f"{shown(text)}: {fault}")
    return Path(text)


def _add_format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format", choices=("table", "json"), help="how to print the result (default: table)"
    )
