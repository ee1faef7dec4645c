"""The time of a recommendation by an exported model: 1,000,000 items, dimension 64, one user.

    python benchmarks/recommend_latency.py

Exports a `matrix_factorization` with random weights, loads the SavedModel, and requests the 10 best
items of one user at a time (each with 100 seen items) from its `recommend` signature. After each
request, it sums the matrix of the item vectors with `tf.reduce_sum`, which reads the matrix once: a
lower bound of the time to score every item. Prints the medians in milliseconds and their ratio.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recsearch.system.tensorflow_import import import_tensorflow

import_tensorflow()

import numpy as np  # noqa: E402  after TensorFlow's notes have been kept quiet
import pyarrow as pa  # noqa: E402
import tensorflow as tf  # noqa: E402

from recsearch.data.interactions import Interactions, Task  # noqa: E402
from recsearch.data.preparation import prepare  # noqa: E402
from recsearch.pipeline import Feed  # noqa: E402
from recsearch.scoring.model_scorer import ModelScorer  # noqa: E402
from recsearch.serving.saved_model import save_recommender  # noqa: E402
from recsearch.tuning.space.search_space import load_space  # noqa: E402

NUM_USERS, SEEN_PER_USER, K = 20_000, 100, 10


def export(folder: Path, num_items: int, dim: int) -> Path:
    """Writes the SavedModel and returns its path."""
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(NUM_USERS), SEEN_PER_USER)
    item = np.arange(len(user)) % num_items  # covers every item; no user has an item twice
    train = Interactions(pa.array(user), pa.array(item), np.ones(len(user), np.float32))
    held_out = train.take(rng.permutation(len(user))[:10])
    data, vocabularies = prepare(train, held_out, Task.IMPLICIT)
    values = {"embedding_dim": dim, "loss": "bpr"}
    space = load_space(["matrix_factorization"])
    model = space.build("matrix_factorization", values, data.spec).recommender.model
    return save_recommender(folder, ModelScorer(model, Feed(data), data.spec), data, vocabularies)


def milliseconds(call: Callable[[], Any]) -> float:
    """Returns the milliseconds of one call."""
    started = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - started)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--requests", type=int, default=30)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = export(Path(folder), arguments.items, arguments.dim)
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        recommend = tf.saved_model.load(str(path)).signatures["recommend"]
    matrix = tf.random.normal([arguments.items, arguments.dim])
    users, k = [tf.constant([user], tf.int64) for user in range(arguments.requests)], tf.constant(K)
    pairs = [
        (
            milliseconds(lambda user=user: recommend(user_id=user, k=k)["item_id"].numpy()),
            milliseconds(lambda: tf.reduce_sum(matrix).numpy()),
        )
        for user in [users[0], *users]
    ][1:]
    asked, summed = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"{arguments.items:,} items, dimension {arguments.dim}, {size / 1e6:,.0f} MB of model")
    print(f"recommend        {asked:8.1f} ms")
    print(f"tf.reduce_sum    {summed:8.1f} ms")
    print(f"ratio            {asked / summed:8.1f}")


if __name__ == "__main__":
    main()
