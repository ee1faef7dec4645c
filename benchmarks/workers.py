"""The speed of two workers relative to one: the same 16 random trials, first start to last end.

    python benchmarks/workers.py
    python benchmarks/workers.py --data ratings.csv --epochs 5

Runs `recsearch run matrix_factorization --tuner random` with one worker and with two workers in
turn, on the built-in data set or on your own table. `--set` fixes all hyperparameters that affect
the time; trials differ only in learning rate and regularisation. The time is measured from the
first `trial_started` to the last `trial_ended` in the journal: it includes the start of the workers
but not the final stages. Prints the seconds of each run, the ratio of each pair, and the median
ratio.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from recsearch.study.journal import read_events

FIXED = ("embedding_dim=32", "dropout=0.0", "optimizer=adam", "batch_size=256")


def search_seconds(directory: Path, workers: int, arguments: argparse.Namespace) -> float:
    """Runs one search in a separate process; returns the seconds from first to last trial."""
    command = [sys.executable, "-m", "recsearch", "run", "matrix_factorization"]
    command += ["--tuner", "random", "--seed", "0", "--max-trials", str(arguments.trials)]
    command += ["--max-epochs", str(arguments.epochs), "--workers", str(workers)]
    command += ["--out", str(directory)]
    for override in FIXED:
        command += ["--set", override]
    if arguments.data:
        command += ["--data", str(arguments.data)]
    subprocess.run(command, check=True, capture_output=True)
    events = list(read_events(directory / "journal.jsonl"))
    ended = [event.time for event in events if event.kind == "trial_ended"]
    if len(ended) != arguments.trials:
        raise SystemExit(f"Expected {arguments.trials} trials to end. Received: {len(ended)}.")
    started = [event.time for event in events if event.kind == "trial_started"]
    return float(max(ended) - min(started))


def parse_arguments() -> argparse.Namespace:
    """Returns the parsed arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="interactions; default: the built-in data set")
    parser.add_argument("--trials", type=int, default=16, help="trials per search")
    parser.add_argument("--epochs", type=int, default=10, help="epochs per trial")
    parser.add_argument("--repeats", type=int, default=3, help="pairs of searches")
    return parser.parse_args()


def main() -> None:
    """Prints the table."""
    arguments = parse_arguments()
    ratios = []
    print("pair  one worker  two workers  ratio")
    with tempfile.TemporaryDirectory() as folder:
        for pair in range(1, arguments.repeats + 1):
            one, two = (
                search_seconds(Path(folder) / f"{pair}-{workers}", workers, arguments)
                for workers in (1, 2)
            )
            ratios.append(one / two)
            print(f"{pair:4d}  {one:8.1f} s  {two:9.1f} s  {ratios[-1]:5.2f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
