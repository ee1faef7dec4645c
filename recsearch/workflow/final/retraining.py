"""Retrains the winner on train + validation, with as many seeds as were asked for."""

from pathlib import Path
from typing import Any

import keras

from recsearch.data.preparation import PreparedData
from recsearch.pipeline import Feed, Pipeline
from recsearch.scoring.model_scorer import ModelScorer
from recsearch.study.study import trial_seed
from recsearch.system.files import make_directory
from recsearch.training.fit import LEARNING_RATE, Fitter
from recsearch.workflow.final.finalist import Finale


def retrain(finale: Finale) -> dict[str, Any]:
    """Trains the winner on train + validation for its best epoch; saves best/model.keras.

    Callbacks would have nothing to monitor; the learning rates that they set are repeated. Further
    seeds tell how much of a result is luck: which model is exported was settled before, it is the
    first.
    """
    pipeline = Pipeline(finale.final_data())
    make_directory(finale.best_dir)
    for number in range(finale.num_seeds):
        if finale.num_seeds > 1:
            finale.announce(f"  seed {number + 1} of {finale.num_seeds}")
        model = _train(finale, pipeline, number)
        model.save(finale.model_path(number))
    return {
        "epochs": _num_epochs(finale),
        "num_parameters": model.count_params(),
        "num_seeds": finale.num_seeds,
    }


def _num_epochs(finale: Finale) -> int:
    return finale.winner.best_epoch or finale.winner.epochs


def _train(finale: Finale, pipeline: Pipeline, number: int) -> keras.Model:
    """Returns the winner's model, trained with the seed of that number."""
    winner = finale.winner
    name = f"{winner.trial_id}/final" + (f"/{number}" if number else "")
    seed = trial_seed(finale.seed, name)
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(seed)
    built = finale.space.build(winner.space, winner.values, pipeline.data.spec)
    fitter = Fitter(built.recommender, pipeline, seed)
    fitter.pretrain()
    for epoch in range(_num_epochs(finale)):
        rate = winner.curve[epoch].metrics.get(LEARNING_RATE)
        if rate is not None:
            fitter.set_learning_rate(rate)
        fitter.run_epoch(epoch)
        finale.announce(None)
    fitter.finish()
    return built.recommender.model


def load_scorer(finale: Finale, data: PreparedData, number: int = 0) -> ModelScorer:
    """Returns the finalist as a scorer: built anew, with the weights that were saved.

    So a builder may use layers of its own that it has not registered with Keras.

    Args:
        finale: The run.
        data: What the model was retrained on.
        number: Of the retraining.
    """
    winner = finale.winner
    model = finale.space.build(winner.space, winner.values, data.spec).recommender.model
    restore(model, finale.model_path(number))
    return ModelScorer(model, Feed(data), data.spec)


def restore(model: keras.Model, path: Path) -> None:
    """Reads the weights of a saved model into one that was built again."""
    if getattr(model, "optimizer", None) is not None:
        model.optimizer.build(model.trainable_variables)  # its state is in the file too
    model.load_weights(path)
