"""The cost of one more trial with almost no training, split into its parts.

    python benchmarks/trial_overhead.py

Trials of two epochs of matrix factorisation on 1,200 ratings, one thread, each recorded in a study
with a journal and a checkpoint. Prints the seconds of building the model, tracing (the first epoch
minus the second), validation, the checkpoint, the journal and the rest. In turn, it measures a
trial of plain Keras Tuner's `RandomSearch` with a model of the same kind on the same ratings,
including its checkpoint and files. Medians, without the first trial of each, which also initialises
TensorFlow.
"""

import argparse
import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recsearch.system.tensorflow_import import import_tensorflow

import_tensorflow()

import keras  # noqa: E402  after TensorFlow's notes have been kept quiet
import keras_tuner  # noqa: E402
import numpy as np  # noqa: E402

from recsearch.data.interactions import Task  # noqa: E402
from recsearch.data.preparation import PreparedData, Vocabularies, prepare  # noqa: E402
from recsearch.data.store import write_prepared  # noqa: E402
from recsearch.data.synthetic import generate  # noqa: E402
from recsearch.study.study import Study  # noqa: E402
from recsearch.study.trial import Assignment, Objective  # noqa: E402
from recsearch.training.fit import Fitter, ModelFitter  # noqa: E402
from recsearch.tuning import runner as trial  # noqa: E402
from recsearch.tuning.drivers.random import RandomDriver  # noqa: E402
from recsearch.tuning.engines.threads import use_one_thread  # noqa: E402
from recsearch.tuning.space.search_space import SearchSpace, load_space  # noqa: E402

FAMILY = "matrix_factorization"
EPOCHS = 2


class Clock:
    """Adds up the seconds inside functions, by name.

    Attributes:
        seconds: Name -> seconds of each call since the last `reset`.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    def reset(self) -> None:
        """Deletes the measurements."""
        self.seconds.clear()

    def total(self, name: str) -> float:
        """Returns the seconds of all calls."""
        return sum(self.seconds.get(name, []))

    def watch(self, owner: Any, attribute: str, name: str) -> None:
        """Measures each call of `owner.attribute` from now on."""
        function = getattr(owner, attribute)

        def measured(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds.setdefault(name, []).append(time.perf_counter() - started)

        setattr(owner, attribute, measured)


def tiny_data() -> tuple[PreparedData, Vocabularies]:
    """Returns 1,200 ratings to train on and 300 to validate with."""
    ratings = generate(num_users=80, num_items=60, num_ratings=1_500).interactions
    parts = ratings.take(np.arange(1_200)), ratings.take(np.arange(1_200, 1_500))
    return prepare(*parts, Task.RATING)


def parts_of_a_trial(clock: Clock, seconds: float) -> dict[str, float]:
    """Returns the seconds of the parts of a trial; `seconds` is the total."""
    first, second = clock.seconds["epoch"]
    parts = {
        "build": clock.total("build"),
        "optimizer, examples": clock.total("fitter"),
        "split of the graph": clock.total("scorer"),
        "trace": first - second,
        "train": 2 * second,
        "validate": clock.total("validate"),
        "checkpoint": clock.total("checkpoint"),
        "record": clock.total("record"),
        "clear_session": clock.total("clear"),
    }
    return {"trial": seconds} | parts | {"other": seconds - sum(parts.values())}


def recsearch_trials(
    folder: Path, data: PreparedData, vocabularies: Vocabularies
) -> Callable[[], dict[str, float]]:
    """Returns a function that runs one more random trial and returns the seconds of its parts."""
    write_prepared(folder / "data", data, vocabularies)
    setup = trial.RunnerSetup((FAMILY,), (), str(folder / "data"), ("rmse",), seed=0)
    runner = trial.TrialRunner.of(setup)
    found = load_space([FAMILY]).discover(data.spec)
    objective = Objective("rmse", "min")
    study = Study(folder, RandomDriver(found, objective, 0, 1_000, EPOCHS), objective, seed=0)
    clock = Clock()
    clock.watch(SearchSpace, "build", "build")
    clock.watch(ModelFitter, "run_epoch", "epoch")
    clock.watch(Fitter, "save", "checkpoint")
    clock.watch(trial, "Fitter", "fitter")
    clock.watch(trial, "ModelScorer", "scorer")
    clock.watch(trial, "evaluate", "validate")
    clock.watch(keras.utils, "clear_session", "clear")
    for method in ("ask", "tell_epoch", "tell"):
        clock.watch(study, method, "record")

    def run() -> dict[str, float]:
        clock.reset()
        started = time.perf_counter()
        given = study.ask()
        if not isinstance(given, Assignment):
            raise SystemExit("The search is over: lower --trials.")
        outcome = runner.run(given, lambda epoch: study.tell_epoch(given.trial_id, epoch))
        study.tell(given.trial_id, outcome)
        return parts_of_a_trial(clock, time.perf_counter() - started)

    return run


def keras_tuner_trials(folder: Path, data: PreparedData) -> Callable[[], float]:
    """Returns a function that runs one more trial of Keras Tuner and returns its seconds."""
    spec = data.spec

    def build(hp: keras_tuner.HyperParameters) -> keras.Model:
        inputs = [keras.Input((), name=name) for name in ("user_id", "item_id")]
        width = hp.Int("embedding_dim", 8, 128, step=2, sampling="log", default=32)
        penalty = keras.regularizers.L2(hp.Float("l2", 1e-8, 1e-4, sampling="log"))
        sizes = (spec.num_users, spec.num_items)

        def look_up(columns: int) -> list[Any]:
            return [
                keras.layers.Embedding(size, columns, embeddings_regularizer=penalty)(tensor)
                for size, tensor in zip(sizes, inputs, strict=True)
            ]

        user_vector, item_vector = look_up(width)
        user_vector = keras.layers.Dropout(hp.Float("dropout", 0.0, 0.5))(user_vector)
        product = keras.layers.Dot(axes=-1)([user_vector, item_vector])
        model = keras.Model(inputs, keras.layers.Add()([product, *look_up(1)]))
        rate = hp.Float("learning_rate", 1e-4, 3e-2, sampling="log")
        model.compile(keras.optimizers.Adam(rate), "mse", metrics=["root_mean_squared_error"])
        return model

    objective = keras_tuner.Objective("val_root_mean_squared_error", "min")
    tuner = keras_tuner.RandomSearch(build, objective, max_trials=1, seed=0, directory=folder)
    train, held_out = (
        ([part.user, part.item], part.label - spec.label_mean)
        for part in (data.train, data.holdout)
    )

    def run() -> float:
        started = time.perf_counter()
        tuner.search(*train, validation_data=held_out, epochs=EPOCHS, batch_size=256, verbose=0)
        tuner.oracle.max_trials += 1
        return time.perf_counter() - started

    return run


def parse_arguments() -> argparse.Namespace:
    """Returns the parsed arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=10, help="trials per system")
    return parser.parse_args()


def main() -> None:
    """Prints the table."""
    given = parse_arguments()
    use_one_thread()
    data, vocabularies = tiny_data()
    with tempfile.TemporaryDirectory() as ours, tempfile.TemporaryDirectory() as theirs:
        run = recsearch_trials(Path(ours), data, vocabularies)
        run_peer = keras_tuner_trials(Path(theirs), data)
        rows, peer = [], []
        for number in range(given.trials + 1):
            row = run()
            gc.unfreeze()  # workers of recsearch start frozen; Keras Tuner does not freeze
            seconds = run_peer()
            gc.collect()
            gc.freeze()
            if number > 0:
                rows.append(row)
                peer.append(seconds)
    for name in rows[0]:
        print(f"{name:24s}{statistics.median(row[name] for row in rows):8.3f} s")
    print(f"{'plain Keras Tuner, trial':24s}{statistics.median(peer):8.3f} s")


if __name__ == "__main__":
    main()
