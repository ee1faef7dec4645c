"""Results of the baselines on published splits, compared with the published results.

MovieLens-1M as split by He et al. (WWW 2017): HR@10 and NDCG@10 of each test item among 99 given
negatives; a positive loses ties. MovieLens-100K: RMSE and MAE, the means over the five folds that
are published with it. Each line uses the parameters of the publication; nothing is chosen here.
With --tuned, the implicit baselines are tuned first, one minute per baseline, on every user's last
training item among 99 random items that the user has not interacted with (seed 0).

    python benchmarks/published_baselines.py --data ../shared/data

Run it with OMP_NUM_THREADS=1 to get the seconds of one core. Sources: Ferrari Dacrema et al. 2021
(TOIS) for popularity, EASE and PureSVD (.6937/.4303 there; .696/.431 with an exact decomposition),
Rendle et al. 2021 (arXiv 2110.14037; mean of ten runs) for iALS, Surprise's README for biases.
"""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from recsearch.baselines import applicable, fit, tune
from recsearch.data.interactions import Candidates, Interactions
from recsearch.data.preparation import PreparedData, prepare
from recsearch.data.task import Task
from recsearch.evaluation.protocol import evaluate, make_protocol

RANKING = ("hr@10", "ndcg@10")
ERRORS = ("rmse", "mae")
PUBLISHED = (
    ("popularity", {}, (0.4531, 0.2541)),
    ("ease", {"l2": 1320.0}, (0.7192, 0.4494)),
    ("pure_svd", {"factors": 52}, (0.696, 0.431)),
    (
        "ials",
        {"factors": 192, "l2": 0.007, "unobserved_weight": 0.3, "sweeps": 12},
        (0.731, 0.452),
    ),
)
NUM_NEGATIVES = 99
ROW = "{:12}{:>9}{:>9}{:>11}{:>11}{:>9}"


def interactions(rows: pd.DataFrame, columns: list[str]) -> Interactions:
    """Returns rows as interactions; the columns are user, item and, for ratings, the label."""
    user, item = (pa.array(rows[name].to_numpy(np.int64)) for name in columns[:2])
    label = rows[columns[2]].to_numpy() if len(columns) > 2 else np.ones(len(rows))
    return Interactions(user, item, label.astype(np.float32))


def ncf_test(folder: Path) -> PreparedData:
    """Returns the published training part, with the published lists held out."""
    train, test = (pd.read_parquet(folder / f"{part}.parquet") for part in ("train", "test"))
    lists = pd.read_parquet(folder / "test_negatives.parquet").to_numpy(np.int64)
    negatives = pa.array(lists[:, 2:].ravel())
    candidates = Candidates(
        pa.array(lists[:, 0]), pa.array(lists[:, 1]), negatives, lists.shape[1] - 2
    )
    parts = (interactions(rows, ["user", "item"]) for rows in (train, test))
    return prepare(*parts, Task.IMPLICIT, candidates=candidates)[0]


def ncf_validation(folder: Path) -> PreparedData:
    """Returns the training part with each user's last item held out, in candidate lists."""
    rows = pd.read_parquet(folder / "train.parquet")  # in time order within a user
    is_last = ~rows.duplicated("user", keep="last").to_numpy()
    train, last = rows[~is_last], rows[is_last]
    met = rows.groupby("user")["item"].agg(list)
    items = rows["item"].unique()
    rng = np.random.default_rng(0)
    negatives = [
        rng.choice(np.setdiff1d(items, met[user]), NUM_NEGATIVES, replace=False)
        for user in last["user"]
    ]
    held_out = interactions(last, ["user", "item"])
    candidates = Candidates(
        held_out.user_id, held_out.item_id, pa.array(np.concatenate(negatives)), NUM_NEGATIVES
    )
    whole = interactions(train, ["user", "item"])
    return prepare(whole, held_out, Task.IMPLICIT, candidates=candidates)[0]


def print_line(
    name: str, found: tuple[float, ...], published: tuple[float, ...], seconds: float
) -> None:
    """Prints one line of a table."""
    cells = (f"{value:.4f}" for value in (*found, *published))
    print(ROW.format(name, *cells, f"{seconds:.1f} s"), flush=True)


def measured(
    name: str, data: PreparedData, parameters: Mapping[str, int | float | str | bool]
) -> tuple[tuple[float, ...], float]:
    """Returns the metrics of a baseline on the held-out part, and the seconds of its fitting."""
    metrics = RANKING if data.spec.task is Task.IMPLICIT else ERRORS
    started = time.perf_counter()
    scorer = fit(name, data, parameters)
    seconds = time.perf_counter() - started
    found = evaluate(scorer, data, make_protocol(data, metrics))
    return tuple(found[metric] for metric in metrics), seconds


def print_tuned(validation: PreparedData, test: PreparedData) -> None:
    """Prints the tuned configuration of each baseline and its test metrics."""
    protocol = make_protocol(validation, ["ndcg@10"])
    print(f"\ntuned on validation\n{'':12}{'HR@10':>9}{'NDCG@10':>9}{'tuning':>11}  chosen")
    for name in applicable(Task.IMPLICIT, validation.spec):
        tuned = tune(
            name, validation, lambda scorer: evaluate(scorer, validation, protocol)["ndcg@10"]
        )
        (hit_rate, ndcg), _ = measured(name, test, tuned.parameters)
        chosen = ", ".join(f"{key} {value}" for key, value in tuned.parameters.items())
        print(
            f"{name:12}{hit_rate:9.4f}{ndcg:9.4f}{tuned.seconds:9.1f} s  {chosen or '-'}"
            f" ({tuned.note})",
            flush=True,
        )


def print_folds(path: Path) -> None:
    """Prints the biases' errors, the mean over the five folds of MovieLens-100K."""
    ratings = pd.read_parquet(path)
    columns = ["user_id", "item_id", "rating"]
    found, seconds = np.zeros(2), 0.0
    for fold in range(1, 6):
        is_test = ratings["fold"] == fold
        parts = (interactions(ratings[rows], columns) for rows in (~is_test, is_test))
        data, _ = prepare(*parts, Task.RATING)
        errors, spent = measured("bias", data, {})
        found, seconds = found + np.array(errors) / 5, seconds + spent / 5
    print_line("bias", tuple(found), (0.944, 0.748), seconds)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with ml-1m/ncf and ml-100k as Parquet"
    )
    parser.add_argument("--tuned", action="store_true", help="also tune the implicit baselines")
    arguments = parser.parse_args()
    folder = arguments.data / "ml-1m" / "ncf"
    test = ncf_test(folder)
    print(ROW.format("ML-1M, NCF", "HR@10", "NDCG@10", "published", "published", "fitting"))
    for name, parameters, published in PUBLISHED:
        found, seconds = measured(name, test, parameters)
        print_line(name, found, published, seconds)
    print("\n" + ROW.format("ML-100K", "RMSE", "MAE", "published", "published", "fitting"))
    print_folds(arguments.data / "ml-100k" / "ratings.parquet")
    if arguments.tuned:
        print_tuned(ncf_validation(folder), test)


if __name__ == "__main__":
    main()
