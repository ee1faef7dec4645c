"""The time of ranking a complete catalogue: NDCG@10 and HR@10, one thread, every user once.

    python benchmarks/catalogue_evaluation.py
    python benchmarks/catalogue_evaluation.py --data interactions.parquet

Uses 6,040 users and 3,706 items, as in MovieLens-1M, with 165 generated interactions per user. With
`--data`, it uses a file of implicit interactions and holds out each user's last row. Three models
with random weights: `matrix_factorization`, and `neumf` with a tower of 64-32-16 at dimension 32
and at dimension 64. Prints the median seconds of the evaluations after the first, the seconds of
the first (it traces the graph), the seconds of scoring all pairs with the model itself
(extrapolated from a sample of users), and the peak resident memory so far.
"""

import argparse
import resource
import statistics
import time
from pathlib import Path
from typing import Any

from recsearch.system.tensorflow_import import import_tensorflow

import_tensorflow()

import numpy as np  # noqa: E402  after TensorFlow's notes have been kept quiet
import pyarrow as pa  # noqa: E402

from recsearch.data.columns import ColumnNames  # noqa: E402
from recsearch.data.interactions import Interactions, Task  # noqa: E402
from recsearch.data.preparation import PreparedData, prepare  # noqa: E402
from recsearch.data.readers import load_interactions  # noqa: E402
from recsearch.evaluation.protocol import evaluate, make_protocol  # noqa: E402
from recsearch.pipeline import Feed  # noqa: E402
from recsearch.scoring.model_scorer import ModelScorer  # noqa: E402
from recsearch.tuning.engines.threads import use_one_thread  # noqa: E402
from recsearch.tuning.space.search_space import load_space  # noqa: E402

NUM_USERS, NUM_ITEMS, ITEMS_PER_USER = 6040, 3706, 165
METRICS = ("ndcg@10", "hr@10")
SAMPLED_USERS = 32
TOWER = {"num_layers": 3, "units_1": 64, "units_2": 32, "units_3": 16}
MODELS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("matrix_factorization 32", "matrix_factorization", {"embedding_dim": 32, "loss": "bpr"}),
    ("neumf 32, 64-32-16", "neumf", {"embedding_dim": 32, "mlp_embedding_dim": 32, **TOWER}),
    ("neumf 64, 64-32-16", "neumf", {"embedding_dim": 64, "mlp_embedding_dim": 64, **TOWER}),
)


def generated() -> Interactions:
    """Returns distinct pairs, user after user, every item at least once."""
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(NUM_USERS), ITEMS_PER_USER)
    chosen = [rng.permutation(NUM_ITEMS)[:ITEMS_PER_USER] for _ in range(NUM_USERS)]
    item = np.concatenate(chosen)
    return Interactions(pa.array(user), pa.array(item), np.ones(len(user), np.float32))


def hold_out_last(interactions: Interactions) -> PreparedData:
    """Returns the data with each user's last row held out."""
    ids = interactions.user_id
    codes = ids if pa.types.is_dictionary(ids.type) else ids.dictionary_encode()
    user = codes.indices.to_numpy()
    _, from_the_end = np.unique(user[::-1], return_index=True)
    held_out = np.zeros(len(user), np.bool_)
    held_out[len(user) - 1 - from_the_end] = True
    return prepare(interactions.take(~held_out), interactions.take(held_out), Task.IMPLICIT)[0]


def seconds_of(scorer: ModelScorer, data: PreparedData, repeats: int) -> list[float]:
    """Returns the seconds of each evaluation; the first includes tracing."""
    protocol, seconds = make_protocol(data, METRICS), []
    for _ in range(1 + repeats):
        started = time.perf_counter()
        evaluate(scorer, data, protocol)
        seconds.append(time.perf_counter() - started)
    return seconds


def seconds_pair_by_pair(scorer: ModelScorer, data: PreparedData) -> float:
    """Returns the seconds that scoring the pairs of all users would take."""
    user = np.arange(1, 1 + SAMPLED_USERS, dtype=np.int32)
    item = np.arange(data.spec.num_items, dtype=np.int32)
    pairs = np.repeat(user, len(item)), np.tile(item, len(user))
    scorer.score_pairs(*pairs)
    started = time.perf_counter()
    scorer.score_pairs(*pairs)
    return (time.perf_counter() - started) * (data.spec.num_users - 1) / SAMPLED_USERS


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="file of interactions")
    parser.add_argument("--repeats", type=int, default=5, help="evaluations after the first")
    parser.add_argument(
        "--models", type=int, nargs="*", default=[0, 1, 2], help="numbers of the models to measure"
    )
    arguments = parser.parse_args()
    use_one_thread()
    interactions = generated()
    if arguments.data is not None:
        interactions = load_interactions(arguments.data, ColumnNames()).interactions
    data = hold_out_last(interactions)
    print(f"{data.spec.num_users - 1:,} users, {data.spec.num_items - 1:,} items")
    print(f"{'model':26}{'median':>9}{'first':>9}{'by pairs':>10}{'peak GB':>9}")
    for number in arguments.models:
        title, name, values = MODELS[number]
        model = load_space([name]).build(name, values, data.spec).recommender.model
        scorer = ModelScorer(model, Feed(data), data.spec)
        first, *later = seconds_of(scorer, data, arguments.repeats)
        pairs = seconds_pair_by_pair(scorer, data)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        median = statistics.median(later)
        print(f"{title:26}{median:7.2f} s{first:7.2f} s{pairs:8.2f} s{peak:9.2f}")


if __name__ == "__main__":
    main()
