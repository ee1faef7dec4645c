"""RMSE and MAE of a search on MovieLens-100K: the means over the five published folds.

    python benchmarks/ml100k_folds.py --data ../shared/data/ml-100k
    python benchmarks/ml100k_folds.py --data ../shared/data/ml-100k --folds 1,2 --workers 2

For each fold, writes the training and the test part to a temporary folder and runs `recsearch run
SPACE --data train --test test` in a separate process. recsearch splits off the validation part, a
random tenth of the training rows. It chooses by this part only, retrains the winner on all training
rows and evaluates it once on the test part. After each fold, prints the errors of the winner and of
the tuned bias model on the test part, and the winner; at the end, prints the means.

The default ranges were narrowed once, for all folds, with trials on validation parts of the
training rows. A row in the validation part of one fold is a test row of another fold: the choice on
a fold never uses the fold's test rows, but the common ranges are not independent of them.

`--data` names a folder with ratings.parquet (user_id, item_id, rating, fold) and, for `--tables`,
users.parquet and items.parquet. The published errors in Surprise's README are for five random
folds: biases .944/.748, SVD .934/.737, SVD++ .919/.721.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

FOLDS = (1, 2, 3, 4, 5)
INTERACTION_COLUMNS = ["user_id", "item_id", "rating"]
USER_COLUMNS = ["user_id", "age", "gender", "occupation"]
ITEM_COLUMNS = ["item_id", "year", "genres"]
SPACE = ["matrix_factorization"]
# SVD++ on complete bags of ratings: the search spends its trials here.
SETTINGS = (
    "loss=observed",
    "implicit_feedback=true",
    "embedding_dim=8,16",
    "l2=0.03:0.2",
    "dropout=0.25:0.5",
    "bag_dropout=0:0.375",
    "optimizer=adam",
    "learning_rate=0.002:0.006",
    "users_per_batch=64,128",
)
ROW = "{:>4}{:>9}{:>9}{:>11}{:>11}{:>12}{:>9}  {}"


@dataclass(frozen=True)
class Found:
    """The result of the search on one fold.

    Attributes:
        errors: RMSE and MAE of the winner, RMSE and MAE of the bias model, on the test part, and
            the winner's RMSE on the validation part.
        winner: Space, configuration and epochs of the winner, in words.
        seconds: Wall time of the complete command.
    """

    errors: tuple[float, ...]
    winner: str
    seconds: float


def write_parts(source: Path, fold: int, folder: Path) -> None:
    """Writes train.parquet and test.parquet of a fold, and the tables without free text."""
    ratings = pd.read_parquet(source / "ratings.parquet")
    is_test = ratings["fold"] == fold
    for name, rows in (("train", ratings[~is_test]), ("test", ratings[is_test])):
        rows[INTERACTION_COLUMNS].to_parquet(folder / f"{name}.parquet")
    for name, columns in (("users", USER_COLUMNS), ("items", ITEM_COLUMNS)):
        if (source / f"{name}.parquet").exists():
            pd.read_parquet(source / f"{name}.parquet")[columns].to_parquet(
                folder / f"{name}.parquet"
            )


def search_command(arguments: argparse.Namespace, folder: Path, out: Path) -> list[str]:
    """Returns the command that searches on the parts in a folder."""
    command = [sys.executable, "-m", "recsearch", "run", *arguments.space, "--task", "rating"]
    command += ["--data", str(folder / "train.parquet"), "--test", str(folder / "test.parquet")]
    if arguments.tables:
        for name in ("users", "items"):
            command += [f"--{name}", str(folder / f"{name}.parquet")]
    for name in ("tuner", "max_trials", "max_epochs", "min_epochs", "workers", "seed"):
        value = getattr(arguments, name)
        if value is not None:
            command += [f"--{name.replace('_', '-')}", str(value)]
    for setting in arguments.set or (SETTINGS if arguments.space == SPACE else ()):
        command += ["--set", setting]
    return [*command, "--out", str(out), "--quiet"]


def search(arguments: argparse.Namespace, fold: int, folder: Path) -> Found:
    """Searches on one fold in a separate process; returns the result."""
    write_parts(arguments.data, fold, folder)
    out = (arguments.out or folder) / f"fold-{fold}"
    started = time.perf_counter()
    ended = subprocess.run(
        search_command(arguments, folder, out), check=False, capture_output=True, text=True
    )
    if ended.returncode:
        raise SystemExit(f"The search on fold {fold} failed.\n{ended.stderr}")
    metrics = json.loads((out / "best" / "metrics.json").read_text(encoding="utf-8"))
    return found_in(metrics, time.perf_counter() - started)


def found_in(metrics: Mapping[str, Any], seconds: float) -> Found:
    """Returns the errors and the winner in a run's best/metrics.json."""
    parts = (metrics["test"], metrics["baselines"]["bias"])
    errors = [part[name] for part in parts for name in ("rmse", "mae")]
    winner = metrics["winner"]
    chosen = ", ".join(f"{key} {_short(value)}" for key, value in winner["hyperparameters"].items())
    words = f"{winner['space']}, {winner['epochs']} epochs: {chosen}"
    return Found((*errors, metrics["validation"]["rmse"]), words, seconds)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def print_row(name: str, errors: Sequence[float], seconds: float, words: str) -> None:
    """Prints one line of the table."""
    cells = (f"{error:.4f}" for error in errors)
    print(ROW.format(name, *cells, f"{seconds:.0f} s", words), flush=True)


def parse_folds(text: str) -> tuple[int, ...]:
    """Returns the folds in a text such as "1,2"; argparse reports other texts."""
    folds = tuple(int(part) for part in text.split(","))
    if not set(folds) <= set(FOLDS):
        raise argparse.ArgumentTypeError(f"folds are 1 to 5, such as 1,2. Received {text!r}.")
    return folds


def parse_arguments() -> argparse.Namespace:
    """Returns the parsed arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of ml-100k as Parquet")
    parser.add_argument(
        "--folds", type=parse_folds, default=FOLDS, help="folds to run, such as 1,2 (default: all)"
    )
    parser.add_argument("--tables", action="store_true", help="use the tables of users and items")
    parser.add_argument(
        "--out", type=Path, help="keep the run directories in this folder, as fold-<number>"
    )
    parser.add_argument(
        "--space", nargs="+", default=SPACE, help="search spaces (default: matrix_factorization)"
    )
    parser.add_argument(
        "--tuner", default="hyperband", help="random, hyperband (default) or bayesian"
    )
    parser.add_argument(
        "--max-trials", type=int, help="number of trials (default: the complete plan)"
    )
    parser.add_argument(
        "--max-epochs", type=int, default=135, help="epochs of a fully trained trial (default: 135)"
    )
    parser.add_argument(
        "--min-epochs", type=int, default=45, help="epochs of the first rungs (default: 45)"
    )
    parser.add_argument("--workers", type=int, default=1, help="worker processes (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="seed of each search (default: 0)")
    parser.add_argument(
        "--set",
        action="append",
        metavar="NAME=VALUE",
        help="as in `recsearch run`; can be repeated; replaces the flags of the default space: "
        + " ".join(SETTINGS),
    )
    return parser.parse_args()


def main() -> None:
    """Prints the table."""
    arguments = parse_arguments()
    header = ("RMSE", "MAE", "bias RMSE", "bias MAE", "validation", "time", "winner")
    print(ROW.format("fold", *header), flush=True)
    results = []
    for fold in arguments.folds:
        with tempfile.TemporaryDirectory() as folder:
            found = search(arguments, fold, Path(folder))
        print_row(str(fold), found.errors, found.seconds, found.winner)
        results.append(found)
    means = [
        sum(column) / len(results) for column in zip(*(r.errors for r in results), strict=True)
    ]
    print_row("mean", means, sum(result.seconds for result in results) / len(results), "")


if __name__ == "__main__":
    main()
