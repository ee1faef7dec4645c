"""A complete Hyperband search, compared with the script of a Keras Tuner user.

    python benchmarks/against_keras_tuner.py --rival plain_keras_tuner.py --ratings ratings.parquet
    python benchmarks/against_keras_tuner.py ... --max-epochs 27 --repeats 3

Both use the same ratings, parts, space, batch size and brackets. They run in turn, each in its own
process. The time is measured from the start of the process to the end of the last trial, plus one
evaluation of the test part, as in the rival script. (The further steps of recsearch, retraining,
baselines, export and report, are not included.) Prints seconds, the best validation RMSE, and the
speed relative to the rival with one and with two workers.

The rival is called as `RIVAL hyperband MAX_EPOCHS --ratings PATH` and must print one JSON line with
total_s, epochs, best_val_rmse. Ratings: Parquet with user_id, item_id, rating.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from recsearch.study.events import EpochTrained, StageDone
from recsearch.study.journal import read_events

SPACE = Path(__file__).with_name("rival_space.py")


@dataclass(frozen=True)
class Timing:
    """One search: seconds as above, epochs over all trials, best validation RMSE."""

    seconds: float
    epochs: int
    rmse: float


def write_parts(ratings: Path, folder: Path) -> None:
    """Writes the same parts as the rival: a permutation with seed 0, split 80/10/10."""
    table = pd.read_parquet(ratings)
    order = np.random.default_rng(0).permutation(len(table))
    cuts = [int(0.8 * len(order)), int(0.9 * len(order))]
    for name, rows in zip(("train", "validation", "test"), np.split(order, cuts), strict=True):
        table.iloc[rows].to_parquet(folder / f"{name}.parquet")


def run_rival(given: argparse.Namespace) -> Timing:
    """Runs the script of the rival; returns the measurements that it prints."""
    command = [sys.executable, given.rival, "hyperband", str(given.max_epochs)]
    command += ["--ratings", given.ratings]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    result = json.loads(told.splitlines()[-1])
    return Timing(result["total_s"], result["epochs"], result["best_val_rmse"])


def run_recsearch(given: argparse.Namespace, folder: Path, workers: int) -> Timing:
    """Runs recsearch on the same parts; returns the measurements from its journal."""
    parts = [f"--{flag}={folder / name}.parquet" for flag, name in
             (("data", "train"), ("validation", "validation"), ("test", "test"))]  # fmt: skip
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "recsearch", "run", f"{SPACE}:build", *parts]
        command += ["--task=rating", "--tuner=hyperband", f"--max-epochs={given.max_epochs}"]
        command += [f"--workers={workers}", f"--out={out}/run", "--quiet"]
        started = time.time()
        subprocess.run(command, check=True, capture_output=True)
        events = list(read_events(Path(out) / "run" / "journal.jsonl"))
    stages = {event.stage: event for event in events if isinstance(event, StageDone)}
    epochs = [event for event in events if isinstance(event, EpochTrained)]
    return Timing(
        seconds=stages["searched"].time - started + stages["tested"].result["model_seconds"],
        epochs=len(epochs),
        rmse=min(event.metrics["rmse"] for event in epochs),
    )


def main() -> None:
    """Runs both in turn and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rival", required=True, help="script that uses plain Keras Tuner")
    parser.add_argument("--ratings", required=True, help="Parquet file")
    parser.add_argument(
        "--max-epochs", type=int, default=9, help="maximum epochs of Hyperband (default: 9)"
    )
    parser.add_argument("--repeats", type=int, default=1, help="rounds (default: 1)")
    given = parser.parse_args()
    timings: dict[str, list[Timing]] = {"rival": [], "1 worker": [], "2 workers": []}
    with tempfile.TemporaryDirectory() as name:
        write_parts(Path(given.ratings), Path(name))
        for _ in range(given.repeats):
            timings["1 worker"].append(run_recsearch(given, Path(name), 1))
            timings["rival"].append(run_rival(given))
            timings["2 workers"].append(run_recsearch(given, Path(name), 2))
    rival = statistics.median(timing.seconds for timing in timings["rival"])
    print("             seconds  epochs  best validation RMSE  times as fast")
    for name, found in timings.items():
        seconds = statistics.median(timing.seconds for timing in found)
        best = ", ".join(f"{timing.rmse:.4f}" for timing in found)
        print(f"{name:10} {seconds:9.1f} {found[0].epochs:7d}  {best:20}  {rival / seconds:.1f}")


if __name__ == "__main__":
    main()
