"""Retrains the winner on train + validation, with one or several seeds."""

from pathlib import Path
from typing import Any

import keras

from recsearch.data.preparation import PreparedData
from recsearch.pipeline import Feed, Pipeline
from recsearch.scoring.model_scorer import ModelScorer
from recsearch.study.study import trial_seed
from recsearch.system.files import make_directory
from recsearch.training.fit import LEARNING_RATE, Fitter
from recsearch.workflow.final.finalist import Finalist


def retrain(finalist: Finalist) -> dict[str, Any]:
    """Trains the winner on train + validation for its best epoch; saves best/model.keras.

    Callbacks have no validation metric to monitor here; the learning rates that they set during the
    search are applied again. Further seeds only measure the spread: the first model is exported.
    """
    pipeline = Pipeline(finalist.final_data())
    make_directory(finalist.best_dir)
    for number in range(finalist.num_seeds):
        if finalist.num_seeds > 1:
            finalist.announce(f"  seed {number + 1} of {finalist.num_seeds}")
        model = _train(finalist, pipeline, number)
        model.save(finalist.model_path(number))
    return {
        "epochs": _num_epochs(finalist),
        "num_parameters": model.count_params(),
        "num_seeds": finalist.num_seeds,
    }


def _num_epochs(finalist: Finalist) -> int:
    return finalist.winner.best_epoch or finalist.winner.epochs


def _train(finalist: Finalist, pipeline: Pipeline, number: int) -> keras.Model:
    """Returns the winner's model, trained with the seed of this retraining."""
    winner = finalist.winner
    name = f"{winner.trial_id}/final" + (f"/{number}" if number else "")
    seed = trial_seed(finalist.seed, name)
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(seed)
    built = finalist.space.build(winner.space, winner.values, pipeline.data.spec)
    fitter = Fitter(built.recommender, pipeline, seed)
    fitter.pretrain()
    for epoch in range(_num_epochs(finalist)):
        rate = winner.curve[epoch].metrics.get(LEARNING_RATE)
        if rate is not None:
            fitter.set_learning_rate(rate)
        fitter.run_epoch(epoch)
        finalist.announce(None)
    fitter.finish()
    return built.recommender.model


def load_scorer(finalist: Finalist, data: PreparedData, number: int = 0) -> ModelScorer:
    """Returns a scorer of the retrained model: built again, with the saved weights.

    Building again allows custom layers that are not registered with Keras.

    Args:
        finalist: The finalist.
        data: The data of the retraining.
        number: Number of the retraining.
    """
    winner = finalist.winner
    model = finalist.space.build(winner.space, winner.values, data.spec).recommender.model
    restore(model, finalist.model_path(number))
    return ModelScorer(model, Feed(data), data.spec)


def restore(model: keras.Model, path: Path) -> None:
    """Loads the weights of a saved model into a model that was built again."""
    if getattr(model, "optimizer", None) is not None:
        model.optimizer.build(model.trainable_variables)  # its state is in the file too
    model.load_weights(path)
