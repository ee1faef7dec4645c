"""The cost of long embedding tables: examples per second, by the number of rows.

    python benchmarks/embedding_tables.py

Two tables and a dot product, uniform ids, Adam, one thread. Measures three variants in turn,
several times: recsearch's training with long tables, the same training with tables of 2,600 rows in
total, and plain Keras (`Embedding`, `Adam`, `fit`) with the long tables, for few steps, because
each step updates every row. Prints the median milliseconds per step, the examples per second, and
the ratios. An epoch that is not measured comes first, to exclude tracing and the first access to
the memory.
"""

import argparse
import statistics
import time
from collections.abc import Callable

from recsearch.system.tensorflow_import import import_tensorflow

import_tensorflow()

import keras  # noqa: E402  after TensorFlow's notes have been kept quiet
import numpy as np  # noqa: E402

from recsearch.data.interactions import Encoded, Task  # noqa: E402
from recsearch.data.preparation import PreparedData, SeenItems  # noqa: E402
from recsearch.data.vocabulary import DataSpec  # noqa: E402
from recsearch.nn import Embedding, Pairs, Recommender, id_inputs, make_optimizer  # noqa: E402
from recsearch.pipeline import Pipeline  # noqa: E402
from recsearch.training.fit import Fitter  # noqa: E402
from recsearch.tuning.engines.threads import use_one_thread  # noqa: E402

SMALL_TABLES = (1_600, 1_000)  # users, items: as in MovieLens-100K
KERAS_STEPS = 5


def random_pairs(num_users: int, num_items: int, count: int) -> Encoded:
    """Returns pairs of uniform indices with random labels."""
    rng = np.random.default_rng(0)
    return Encoded(
        user=rng.integers(num_users, size=count, dtype=np.int32),
        item=rng.integers(num_items, size=count, dtype=np.int32),
        label=rng.normal(size=count).astype(np.float32),
    )


def dot_product(layer: type, optimizer: keras.optimizers.Optimizer, *sizes: int) -> keras.Model:
    """Returns the compiled model; `sizes`: users, items, dimension."""
    user, item = id_inputs()
    vectors = [layer(sizes[0], sizes[2])(user), layer(sizes[1], sizes[2])(item)]
    model = keras.Model([user, item], keras.layers.Dot(axes=-1)(vectors))
    model.compile(optimizer, "mse")
    return model


def recsearch_steps(
    num_users: int, num_items: int, dimension: int, batch_size: int, steps: int
) -> Callable[[], float]:
    """Returns a function that trains `steps` steps and returns the seconds per step."""
    pairs = random_pairs(num_users, num_items, steps * batch_size)
    seen = SeenItems(np.zeros(num_users + 1, np.int64), np.zeros(0, np.int32))
    spec = DataSpec(Task.RATING, num_users, num_items, len(pairs), 0.0, -1.0, 1.0)
    model = dot_product(Embedding, make_optimizer("adam", 1e-3), num_users, num_items, dimension)
    pipeline = Pipeline(PreparedData(spec, pairs, pairs, seen, {}))
    fitter = Fitter(Recommender(model, Pairs(), batch_size), pipeline, seed=0)

    def measure() -> float:
        started = time.perf_counter()
        fitter.run_epoch(0)
        return (time.perf_counter() - started) / steps

    return measure


def keras_steps(
    num_users: int, num_items: int, dimension: int, batch_size: int
) -> Callable[[], float]:
    """Returns a function that trains with plain Keras and returns the seconds per step."""
    pairs = random_pairs(num_users, num_items, KERAS_STEPS * batch_size)
    adam = keras.optimizers.Adam(1e-3)
    model = dot_product(keras.layers.Embedding, adam, num_users, num_items, dimension)

    def measure() -> float:
        started = time.perf_counter()
        model.fit([pairs.user, pairs.item], pairs.label, batch_size=batch_size, verbose=0)
        return (time.perf_counter() - started) / KERAS_STEPS

    return measure


def parse_arguments() -> argparse.Namespace:
    """Returns the parsed arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=2_000_000, help="rows of the first table")
    parser.add_argument("--items", type=int, default=1_000_000, help="rows of the second table")
    parser.add_argument("--dimension", type=int, default=32, help="dimension of both tables")
    parser.add_argument("--batch-size", type=int, default=1024, help="examples per step")
    parser.add_argument("--steps", type=int, default=500, help="steps of recsearch per repeat")
    parser.add_argument("--repeats", type=int, default=5, help="measurements of each variant")
    return parser.parse_args()


def main() -> None:
    """Prints the table."""
    given = parse_arguments()
    use_one_thread()
    long, rest = (given.users, given.items), (given.dimension, given.batch_size)
    measures = {
        "recsearch": recsearch_steps(*long, *rest, given.steps),
        "recsearch, small tables": recsearch_steps(*SMALL_TABLES, *rest, given.steps),
        "plain Keras": keras_steps(*long, *rest),
    }
    seconds: dict[str, list[float]] = {name: [] for name in measures}
    for repeat in range(given.repeats + 1):
        for name, measure in measures.items():
            duration = measure()
            if repeat > 0:
                seconds[name].append(duration)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"tables of {given.users:,} and {given.items:,} rows, dimension {given.dimension}")
    print(f"{'':26s}{'a step':>12s}{'examples a second':>20s}")
    for name, step in median.items():
        print(f"{name:26s}{1e3 * step:9.2f} ms{given.batch_size / step:20,.0f}")
    slower = median["recsearch"] / median["recsearch, small tables"]
    faster = median["plain Keras"] / median["recsearch"]
    print(f"a step against that of small tables: {slower:.1f} times as long")
    print(f"against plain Keras: {faster:.0f} times as fast")


if __name__ == "__main__":
    main()
