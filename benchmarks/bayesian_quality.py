"""Compares Bayesian optimisation with random search at equal numbers of trials.

    python benchmarks/bayesian_quality.py
    python benchmarks/bayesian_quality.py --tabulate TABLE    # once, takes minutes: writes a table
    python benchmarks/bayesian_quality.py --table TABLE

Minimises three objectives: the functions of Branin (2 dimensions) and Hartmann (6 dimensions), and
a table of real results: `matrix_factorization` on the built-in data set, every configuration of a
grid of 288, the lowest validation RMSE of 3 epochs. Both drivers get the same number of trials for
each of several seeds. Prints the best scores after a quarter, half and all of the trials, and how
often the Bayesian search ends strictly below the random search.

Without `--table`, the table is computed again in a temporary folder.
"""

import argparse
import csv
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from recsearch.system.tensorflow_import import import_tensorflow

import_tensorflow()

import keras_tuner  # noqa: E402  after TensorFlow's notes have been kept quiet
import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

import recsearch  # noqa: E402
from recsearch.study.decision import Driver, Propose  # noqa: E402
from recsearch.study.trial import Objective, Scalar, Trial, TrialState  # noqa: E402
from recsearch.tuning.drivers.bayesian import BayesianDriver  # noqa: E402
from recsearch.tuning.drivers.random import RandomDriver  # noqa: E402
from recsearch.tuning.space.sampling import count_configurations  # noqa: E402

LOSS = Objective("loss", "min")
Score = Callable[[Mapping[str, Scalar]], float]

FAMILY = "matrix_factorization"
MAX_EPOCHS = 3
GRID: dict[str, list[Scalar]] = {
    "embedding_dim": [8, 32, 128],
    "l2": [0.001, 0.01, 0.03, 0.06, 0.1, 0.3],
    "dropout": [0.0, 0.25],
    "optimizer": ["adam", "sgd"],
    "learning_rate": [0.0003, 0.001, 0.003, 0.01, 0.03],
    "sgd_learning_rate": [0.03, 0.1, 0.3],
}
"""3 x 6 x 2 x (5 learning rates of adam + 3 of sgd) = 288 configurations."""
ACTIVE_FOR = {"learning_rate": "adam", "sgd_learning_rate": "sgd"}

# Hartmann's function of 6 dimensions: Dixon and Szego, "Towards Global Optimization 2" (1978).
HARTMANN_WEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
HARTMANN_SCALES = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
HARTMANN_CENTRES = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def cube(bounds: Mapping[str, tuple[float, float]]) -> keras_tuner.HyperParameters:
    """Returns a space of one family with continuous ranges."""
    hp = keras_tuner.HyperParameters()
    hp.Choice("space", ["f"])
    with hp.conditional_scope("space", ["f"]):
        for name, (low, high) in bounds.items():
            hp.Float(f"f/{name}", low, high)
    return hp


def branin(values: Mapping[str, Scalar]) -> float:
    """Returns Branin's function (Branin, 1972); its minimum is 0.397887."""
    x, y = float(values["x"]), float(values["y"])
    bowl = y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6
    return float(bowl**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10)


def hartmann(values: Mapping[str, Scalar]) -> float:
    """Returns Hartmann's function of 6 dimensions; its minimum is -3.32237."""
    point = np.array([float(values[f"x{i}"]) for i in range(6)])
    distances = (HARTMANN_SCALES * (point - HARTMANN_CENTRES) ** 2).sum(axis=1)
    return float(-HARTMANN_WEIGHTS @ np.exp(-distances))


def grid_space() -> keras_tuner.HyperParameters:
    """Returns the space of the table."""
    hp = keras_tuner.HyperParameters()
    hp.Choice("space", [FAMILY])
    with hp.conditional_scope("space", [FAMILY]):
        for name, choices in GRID.items():
            if name in ACTIVE_FOR:
                with hp.conditional_scope(f"{FAMILY}/optimizer", [ACTIVE_FOR[name]]):
                    hp.Choice(f"{FAMILY}/{name}", choices)
            else:
                hp.Choice(f"{FAMILY}/{name}", choices)
    return hp


def tabulate(path: Path, workers: int) -> None:
    """Trains every configuration of the grid and writes one row per configuration."""
    overrides = [f"{name}={','.join(map(str, values))}" for name, values in GRID.items()]
    with tempfile.TemporaryDirectory() as folder:
        run = recsearch.search(
            FAMILY,
            set=[*overrides, "batch_size=1024"],
            tuner="random",
            max_trials=1000,
            max_epochs=MAX_EPOCHS,
            workers=workers,
            out=str(Path(folder) / "run"),
        )
    trials = run.trials()
    path.parent.mkdir(parents=True, exist_ok=True)
    trials[trials["state"] == "COMPLETED"][[*GRID, "score"]].to_csv(path, index=False)


def read_table(path: Path) -> Score:
    """Returns a function that looks up the score of a configuration."""
    names = list(GRID)
    with path.open(newline="", encoding="utf-8") as file:
        scores = {
            tuple(_number(row[name]) for name in names): float(row["score"])
            for row in csv.DictReader(file)
        }
    expected = count_configurations(grid_space(), limit=1000)
    if len(scores) != expected:
        raise SystemExit(
            f"{path}: expected {expected} configurations, received {len(scores)}. "
            "Make the table again with --tabulate."
        )
    return lambda values: scores[tuple(_number(values.get(name, "")) for name in names)]


def _number(value: Scalar) -> Scalar:
    """Returns a number or the text of a number as a float, and other text unchanged."""
    try:
        return float(value)
    except ValueError:
        return value


def best_so_far(driver: Driver, score: Score) -> NDArray[np.float64]:
    """Returns the lowest score after each trial of a search."""
    trials: list[Trial] = []
    while isinstance(decision := driver.propose(trials), Propose):
        trials.append(
            Trial(
                trial_id=f"{len(trials):04d}",
                space=decision.space,
                values=decision.values,
                epochs=1,
                state=TrialState.COMPLETED,
                score=score(decision.values),
            )
        )
    return np.minimum.accumulate([trial.score for trial in trials])


def compare(
    name: str, space: keras_tuner.HyperParameters, score: Score, num_trials: int, num_seeds: int
) -> None:
    """Prints one table: one line per seed, and the number of wins."""
    marks = [max(1, num_trials // 4), max(1, num_trials // 2), num_trials]
    header = "".join(f"{f'after {mark}':>11s}" for mark in marks)
    print(f"\n{name}\n{'':6s}{'bayesian':>33s} | {'random':>32s}\nseed  {header} |{header}")
    wins = 0
    for seed in range(num_seeds):
        curves = [
            best_so_far(kind(space, LOSS, seed, num_trials, 1), score)
            for kind in (BayesianDriver, RandomDriver)
        ]
        wins += bool(curves[0][-1] < curves[1][-1])
        cells = ["".join(f"{curve[mark - 1]:11.4f}" for mark in marks) for curve in curves]
        print(f"{seed:4d}  {cells[0]} |{cells[1]}", flush=True)
    print(f"bayesian wins {wins} of {num_seeds}", flush=True)


def parse_arguments() -> argparse.Namespace:
    """Returns the parsed arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=40, help="trials of each search")
    parser.add_argument("--seeds", type=int, default=5, help="searches: seeds 0, 1, ...")
    parser.add_argument("--workers", type=int, default=2, help="worker processes for the table")
    parser.add_argument("--table", type=Path, help="CSV file; created if it does not exist")
    parser.add_argument("--tabulate", type=Path, help="only write the table to this CSV file")
    return parser.parse_args()


def main() -> None:
    """Prints the tables."""
    arguments = parse_arguments()
    if arguments.tabulate:
        tabulate(arguments.tabulate, arguments.workers)
        return
    sizes = arguments.trials, arguments.seeds
    compare("Branin", cube({"x": (-5.0, 10.0), "y": (0.0, 15.0)}), branin, *sizes)
    compare(
        "Hartmann, 6 dimensions", cube({f"x{i}": (0.0, 1.0) for i in range(6)}), hartmann, *sizes
    )
    with tempfile.TemporaryDirectory() as folder:
        table = arguments.table or Path(folder) / "table.csv"
        if not table.exists():
            tabulate(table, arguments.workers)
        compare(f"{FAMILY}, tabulated", grid_space(), read_table(table), *sizes)


if __name__ == "__main__":
    main()
