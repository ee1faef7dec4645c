"""`recsearch check`: builds, trains, saves, exports and reloads a search space on small data."""

import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from recsearch.data.cleaning import prepare_task
from recsearch.data.preparation import PreparedData, Vocabularies, prepare
from recsearch.data.readers import Loaded
from recsearch.data.splitting import split_interactions
from recsearch.data.synthetic import generate
from recsearch.data.task import Task
from recsearch.errors import RecsearchError, SpaceError
from recsearch.evaluation.protocol import evaluate, make_protocol
from recsearch.metrics import metrics_for
from recsearch.pipeline import Feed, Pipeline
from recsearch.scoring.model_scorer import ModelScorer
from recsearch.serving.saved_model import save_recommender
from recsearch.serving.verify import verify_export
from recsearch.study.trial import Scalar
from recsearch.training.fit import Fitter
from recsearch.tuning.engines.builders import SpaceSetup, loaded
from recsearch.tuning.engines.helper import CallError, HelperProcess, Say
from recsearch.tuning.engines.threads import use_one_thread
from recsearch.tuning.space.families import family_names
from recsearch.tuning.space.sampling import sample
from recsearch.tuning.space.search_space import SearchSpace

NUM_SAMPLES = 5
CHECK_SECONDS = 600.0  # time limit per step


def generated_data(task: Task) -> tuple[PreparedData, Vocabularies]:
    """Returns small generated data (60 users, 40 items, 900 ratings, with tables) for a task.

    They are smaller than the tables of a builder that contains fixed sizes.
    """
    made = generate(num_users=60, num_items=40, num_ratings=900, seed=0)
    labels = made.interactions.label
    positive_from = float(np.median(labels)) if task is Task.IMPLICIT else None
    loaded = Loaded(made.interactions, {}, True, ())
    if task is Task.CLICK:
        clicks = (labels >= np.median(labels)).astype(np.float32)
        loaded = Loaded(replace(made.interactions, label=clicks), {}, True, ())
    data = prepare_task(loaded, task, positive_from, None)
    split = split_interactions(data.interactions, "random", task, seed=0)
    return prepare(split.train, split.validation, task, users=made.users, items=made.items)


def check_space(space: SearchSpace, task: Task, say: Callable[[str], None]) -> None:
    """Builds, trains, saves, exports and reloads every family; reports each step that passes.

    Raises:
        RecsearchError: At the first step that fails, with the hyperparameters.
    """
    use_one_thread()
    data, vocabularies = generated_data(task)
    hyperparameters = space.discover(data.spec)
    say(f"discovered {len(hyperparameters.space) - 1} hyperparameters")
    pipeline = Pipeline(data)
    for family in space.families:
        for number in range(NUM_SAMPLES + 1):
            values = _sampled(hyperparameters, family, number) if number else {}
            _train(space, family, values, pipeline)
        say(f"{family}: builds and trains with defaults and {NUM_SAMPLES} random configurations")
        scorer = _train(space, family, {}, pipeline)
        say(f"{family}: {_check_reload(scorer, data)}")
        with tempfile.TemporaryDirectory() as folder:
            path = save_recommender(Path(folder), scorer, data, vocabularies)
            verification = verify_export(path, scorer, data, vocabularies)
        say(
            f"{family}: in a process without recsearch, the SavedModel gives the same scores "
            f"(largest difference {verification.max_difference:.1e}) and recommends no seen item"
        )


def check_elsewhere(reference: str, task: Task, say: Callable[[str], None]) -> None:
    """Checks a space in another process, because a builder may crash or block.

    Raises:
        RecsearchError: As in `check_space`, or if the process dies.
    """
    setup = SpaceSetup((reference,))
    family_names(setup.spaces)
    with HelperProcess() as helper:
        try:
            helper.call(
                _check, setup, task, seconds=CHECK_SECONDS, say=lambda t: say(t) if t else None
            )
        except CallError as error:
            raise SpaceError(f"The check of {reference} did not finish: {error}.") from error


def _check(say: Say, setup: SpaceSetup, task: Task) -> None:
    check_space(loaded(setup), task, say)


def _sampled(hyperparameters: object, family: str, seed: int) -> dict[str, Scalar]:
    """Returns the values of the first random configuration of the family."""
    rng = np.random.default_rng(seed)
    while True:
        drawn, values = sample(hyperparameters, rng)
        if drawn == family:
            return values


def _train(
    space: SearchSpace, family: str, values: dict[str, Scalar], pipeline: Pipeline
) -> ModelScorer:
    """Trains and evaluates one configuration for an epoch; returns its scorer."""
    data = pipeline.data
    try:
        keras.utils.set_random_seed(0)
        built = space.build(family, values, data.spec)
        fitter = Fitter(built.recommender, pipeline, seed=0)
        fitter.pretrain()
        scorer = ModelScorer(built.recommender.model, pipeline.feed, data.spec)
        protocol = make_protocol(data, metrics_for(data.spec.task))
        fitter.callbacks.begin(1)
        logs = fitter.run_measured_epoch(0, lambda: evaluate(scorer, data, protocol))
        fitter.finish()
        fitter.callbacks.state()
        fitter.callbacks.end()
    except RecsearchError:
        raise
    except Exception as error:  # the model of a builder may raise anything
        shown = ", ".join(f"{k}={v}" for k, v in values.items()) or "its default values"
        raise SpaceError(f"{family} fails with {shown}: {type(error).__name__}: {error}") from error
    if not np.isfinite(logs["train_loss"]):
        raise SpaceError(
            f"{family}: the loss is {logs['train_loss']} after one epoch with {values}."
        )
    return scorer


def _check_reload(scorer: ModelScorer, data: PreparedData) -> str:
    """Returns whether a saved .keras file can be loaded without the builder, in words."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        scorer.model.save(path)
        try:
            model = keras.models.load_model(path, compile=False)
        except (TypeError, ValueError) as error:  # classes or functions that are not registered
            missing = re.search(r"Could not locate \w+ '\w+'", str(error))
            reason = missing[0] if missing else type(error).__name__
            return (
                "a saved .keras file loads only in programs that register your custom classes "
                f"({reason}). To load it elsewhere, decorate the classes with "
                "@keras.saving.register_keras_serializable(). Runs and SavedModels do not need it"
            )
    reloaded = ModelScorer(model, Feed(data), data.spec)
    pairs = data.holdout.user, data.holdout.item
    if not np.allclose(scorer.score_pairs(*pairs), reloaded.score_pairs(*pairs), atol=1e-5):
        raise SpaceError(
            f"{scorer.model.name}: after reloading from a .keras file, its scores differ."
        )
    return "a saved .keras file gives the same scores"
