"""Speed and memory of training on 25 million ratings, compared with a hundredth of them.

    python benchmarks/large_training.py
    python benchmarks/large_training.py --rows 2500000 --epochs 3

Writes generated ratings as in `benchmarks/data_preparation.py`, once `--rows` and once a hundredth
of them, and prepares both as `recsearch run` does. Then it trains the defaults of the space
`matrix_factorization` on each, in a separate process with one thread, with the prepared arrays
mapped into memory. Prints the thousands of examples per second of each epoch after the first, which
includes tracing, and the resident memory after each epoch. The larger data also have larger
embedding tables, which are slower to access: `benchmarks/embedding_tables.py` measures this effect
separately.
"""

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from multiprocessing.queues import Queue
from pathlib import Path

from data_preparation import NUM_ROWS, write_ratings

from recsearch.config.run_config import RunConfig
from recsearch.workflow.dataset import load_dataset
from recsearch.workflow.directory import prepare_search, write_data

SMALLER = 100


def prepare(num_rows: int, folder: str) -> None:
    """Writes the ratings and the arrays of a run on them."""
    path = Path(folder) / "ratings.csv"
    write_ratings(path, num_rows)
    dataset = load_dataset(RunConfig(spaces=("matrix_factorization",), data=str(path)))
    write_data(Path(folder), dataset, prepare_search(dataset))


def train(folder: str, num_epochs: int, answers: "Queue[tuple[float, int]]") -> None:
    """Puts (thousands of examples per second, resident bytes) of each epoch into `answers`."""
    from recsearch.system.tensorflow_import import import_tensorflow

    import_tensorflow(lean=True)
    from recsearch.data.store import open_prepared
    from recsearch.pipeline import Pipeline
    from recsearch.training.fit import Fitter
    from recsearch.tuning.engines.threads import use_one_thread
    from recsearch.tuning.space.search_space import load_space

    use_one_thread()
    data = open_prepared(Path(folder) / "data" / "search")
    built = load_space(["matrix_factorization"]).build("matrix_factorization", {}, data.spec)
    fitter = Fitter(built.recommender, Pipeline(data), seed=0)
    for epoch in range(num_epochs):
        started = time.perf_counter()
        fitter.run_epoch(epoch)
        rate = len(data.train) / (time.perf_counter() - started) / 1000
        answers.put((rate, _resident_bytes()))


def _resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=NUM_ROWS, help="rows of the large file")
    parser.add_argument("--epochs", type=int, default=4, help="epochs per training (default: 4)")
    given = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    rates = []
    print("      rows  thousand examples/s       resident memory after each epoch, GB")
    for num_rows in (given.rows, given.rows // SMALLER):
        with tempfile.TemporaryDirectory() as folder:
            preparing = context.Process(target=prepare, args=(num_rows, folder))
            preparing.start()
            preparing.join()
            answers: Queue[tuple[float, int]] = context.Queue()
            training = context.Process(target=train, args=(folder, given.epochs, answers))
            training.start()
            found = [answers.get() for _ in range(given.epochs)]
            training.join()
        each = [rate for rate, _ in found[1:]]
        rates.append(statistics.median(each))
        shown = ", ".join(f"{rate:.0f}" for rate in each)
        memory = ", ".join(f"{size / 1e9:.2f}" for _, size in found)
        print(f"{num_rows:10,}  {shown:24}  {memory}")
    print(f"large against small: {rates[0] / rates[1]:.2f}")


if __name__ == "__main__":
    main()
