"""The bookkeeping cost per trial: thousands of trials without training, on real files.

    python benchmarks/study_overhead.py

Each trial is proposed, reports one epoch and ends; every event is on disk as in a real search.
Prints the milliseconds per trial for each thousand of 5,000 random trials, for each hundred
trainings of a Hyperband search of 243 epochs, and, in the same run, for each hundred trials of
Keras Tuner's `RandomSearchOracle` (create_trial, update_trial, end_trial), which writes more bytes
but never waits for the disk. On a slow disk, three waits per trial take most of the time of
recsearch; the milliseconds of one wait are printed first. On a busy machine, the processor time is
more reliable than the wall time.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from recsearch.system.tensorflow_import import import_tensorflow

import_tensorflow()

import keras_tuner  # noqa: E402  after TensorFlow's notes have been kept quiet

from recsearch.study.decision import Driver  # noqa: E402
from recsearch.study.study import Study  # noqa: E402
from recsearch.study.trial import (  # noqa: E402
    Assignment,
    Epoch,
    Objective,
    Outcome,
    TrialState,
)
from recsearch.tuning.drivers.hyperband import HyperbandDriver  # noqa: E402
from recsearch.tuning.drivers.random import RandomDriver  # noqa: E402

LOSS = Objective("loss", "min")
NUM_HYPERPARAMETERS = 6
HYPERBAND_EPOCHS = 243


def space(prefix: str = "") -> keras_tuner.HyperParameters:
    """Returns six continuous hyperparameters, in a family of recsearch if a prefix is given."""
    hp = keras_tuner.HyperParameters()
    if not prefix:
        for index in range(NUM_HYPERPARAMETERS):
            hp.Float(f"x{index}", 0.0, 1.0)
        return hp
    hp.Choice("space", [prefix])
    with hp.conditional_scope("space", [prefix]):
        for index in range(NUM_HYPERPARAMETERS):
            hp.Float(f"{prefix}/x{index}", 0.0, 1.0)
    return hp


def study_trainings(directory: Path, driver: Driver) -> Iterator[None]:
    """Yields after each training of a search by recsearch."""
    study = Study(directory, driver, LOSS, seed=0)
    try:
        while isinstance(assignment := study.ask(), Assignment):
            loss = sum(map(float, assignment.values.values()))
            for epoch in range(assignment.initial_epoch, assignment.epochs):
                if epoch + 1 == assignment.epochs:  # more would measure the epochs
                    study.tell_epoch(assignment.trial_id, Epoch(epoch + 1, {"loss": loss}, 0.1))
            _save(assignment)
            study.tell(
                assignment.trial_id,
                Outcome(
                    TrialState.COMPLETED,
                    values=assignment.values,
                    seconds=0.1,
                    checkpoint_saved=bool(assignment.save_checkpoint),
                ),
            )
            yield
    finally:
        study.close()


def _save(assignment: Assignment) -> None:
    """Writes an empty checkpoint if one is needed."""
    if assignment.save_checkpoint:
        path = Path(assignment.save_checkpoint)
        path.parent.mkdir(exist_ok=True)
        path.touch()


def oracle_trainings(directory: Path, num_trials: int) -> Iterator[None]:
    """Yields after each trial of Keras Tuner's random search."""
    oracle = keras_tuner.oracles.RandomSearchOracle(
        objective=keras_tuner.Objective("loss", "min"),
        max_trials=num_trials,
        hyperparameters=space(),
        seed=1,
    )
    oracle.verbose = 0
    oracle._set_project_dir(str(directory), "project")
    while (trial := oracle.create_trial("tuner0")).status == "RUNNING":
        oracle.update_trial(trial.trial_id, {"loss": sum(trial.hyperparameters.values.values())})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
        yield


def measure_disk(count: int = 100) -> None:
    """Prints the milliseconds until a line is on disk."""
    with tempfile.TemporaryFile() as file:
        started = time.perf_counter()
        for _ in range(count):
            file.write(b"x" * 200)
            file.flush()
            os.fsync(file.fileno())
        print(f"one wait for the disk: {1e3 * (time.perf_counter() - started) / count:.2f} ms")


def measure(name: str, trainings: Callable[[Path], Iterator[None]], block: int) -> None:
    """Prints the milliseconds per training of each complete block of trainings."""
    print(f"\n{name:32s}{'a training':>13s}{'processor':>13s}")
    with tempfile.TemporaryDirectory() as folder:
        clocks = time.perf_counter(), time.process_time()
        for number, _ in enumerate(trainings(Path(folder)), 1):
            if number % block == 0:
                now = time.perf_counter(), time.process_time()
                wall, processor = (1e3 * (a - b) / block for a, b in zip(now, clocks, strict=True))
                span = f"{number - block + 1:6d} to {number:5d}"
                print(f"{span:32s}{wall:10.2f} ms{processor:10.2f} ms", flush=True)
                clocks = now


def parse_arguments() -> argparse.Namespace:
    """Returns the parsed arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=5000, help="trials of the random search")
    parser.add_argument("--peer-trials", type=int, default=800, help="trials of Keras Tuner")
    return parser.parse_args()


def main() -> None:
    """Prints the tables."""
    given = parse_arguments()
    measure_disk()
    random = RandomDriver(space("f"), LOSS, 0, given.trials, 1)
    hyperband = HyperbandDriver(space("f"), LOSS, 0, HYPERBAND_EPOCHS)
    measure("recsearch, random", lambda folder: study_trainings(folder, random), 1000)
    measure("recsearch, hyperband", lambda folder: study_trainings(folder, hyperband), 100)
    measure(
        "Keras Tuner, RandomSearchOracle",
        lambda folder: oracle_trainings(folder, given.peer_trials),
        100,
    )


if __name__ == "__main__":
    main()
