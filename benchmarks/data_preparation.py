"""Time and memory of converting a file of interactions to the arrays that workers map.

    python benchmarks/data_preparation.py
    python benchmarks/data_preparation.py --rows 2500000

Writes generated ratings as CSV (user, item, rating, timestamp; 162,541 users and 59,047 items as in
MovieLens-25M, distinct pairs, popular items more often) to a temporary folder. Then a separate
process reads, checks, splits, prepares and writes them with the functions of `recsearch run`: the
arrays of the search and those of the final stages. Prints the seconds of each step, their sum, and
the peak resident memory of this process. TensorFlow is not imported, because its memory is not part
of the data.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from recsearch.config.run_config import RunConfig
from recsearch.workflow.dataset import load_dataset
from recsearch.workflow.directory import prepare_search, write_data

NUM_ROWS = 25_000_000
NUM_USERS, NUM_ITEMS = 162_541, 59_047
CHUNK_ROWS = 2_500_000
FIRST_SECOND, LAST_SECOND = 789_652_004, 1_574_327_703


def write_ratings(path: Path, num_rows: int, seed: int = 0) -> None:
    """Writes `num_rows` generated ratings, user after user."""
    rng = np.random.default_rng(seed)
    pairs = draw_pairs(rng, num_rows)
    with pa.csv.CSVWriter(path, schema()) as writer:
        for begin in range(0, num_rows, CHUNK_ROWS):
            user, item = np.divmod(pairs[begin : begin + CHUNK_ROWS], NUM_ITEMS)
            rating = rng.integers(1, 11, len(user)) / 2
            moment = rng.integers(FIRST_SECOND, LAST_SECOND, len(user))
            columns = [user + 1, 3 * item + 1, rating, moment]
            writer.write_table(pa.table([pa.array(c) for c in columns], schema=schema()))


def schema() -> pa.Schema:
    """Returns the columns of the file."""
    whole = ("userId", "movieId", "timestamp")
    kinds = {name: pa.int64() for name in whole} | {"rating": pa.float64()}
    return pa.schema([(name, kinds[name]) for name in ("userId", "movieId", "rating", "timestamp")])


def draw_pairs(rng: np.random.Generator, num_rows: int) -> np.ndarray:
    """Returns `num_rows` distinct numbers user * NUM_ITEMS + item, ascending."""
    pairs = np.zeros(0, np.int64)
    while len(pairs) < num_rows:
        count = int(1.2 * (num_rows - len(pairs))) + 1000
        user = rng.integers(0, NUM_USERS, count)
        item = (NUM_ITEMS * rng.random(count) ** 2).astype(np.int64)
        pairs = np.unique(np.concatenate([pairs, user * NUM_ITEMS + item]))
    return np.sort(rng.choice(pairs, num_rows, replace=False, shuffle=False))


def measure(path: str, directory: str, answers: "multiprocessing.Queue[dict[str, float]]") -> None:
    """Puts the seconds of each step, and the peak memory in GB, into `answers`."""
    started = time.perf_counter()
    dataset = load_dataset(RunConfig(spaces=("matrix_factorization",), data=path))
    loaded = time.perf_counter()
    searched = prepare_search(dataset)
    prepared = time.perf_counter()
    write_data(Path(directory), dataset, searched)
    written = time.perf_counter()
    answers.put(
        {
            "read, check, split": loaded - started,
            "prepare the search": prepared - loaded,
            "prepare the final stage, write": written - prepared,
            "in all": written - started,
            "peak GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        }
    )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=NUM_ROWS, help="number of rows")
    num_rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        path, directory = Path(folder) / "ratings.csv", Path(folder) / "run"
        directory.mkdir()
        context = multiprocessing.get_context("spawn")  # a fork would inherit this memory
        writing = context.Process(target=write_ratings, args=(path, num_rows))
        writing.start()
        writing.join()
        answers = context.Queue()
        working = context.Process(target=measure, args=(str(path), str(directory), answers))
        working.start()
        result = answers.get()
        working.join()
        print(f"{num_rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB of CSV")
    memory = result.pop("peak GB")
    for step, seconds in result.items():
        print(f"{step:32}{seconds:8.2f} s")
    print(f"{'peak resident memory':32}{memory:8.2f} GB")


if __name__ == "__main__":
    main()
