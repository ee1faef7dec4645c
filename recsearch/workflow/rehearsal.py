"""Exports a tiny model of each user-defined family before the search, to find errors early."""

import logging
import tempfile
from pathlib import Path

import keras
import tensorflow as tf

from recsearch.data.task import Task
from recsearch.errors import RecsearchError, SpaceError
from recsearch.pipeline import Feed
from recsearch.scoring.model_scorer import ModelScorer
from recsearch.serving.saved_model import save_recommender
from recsearch.text.printable import error_text
from recsearch.tuning.engines.builders import Builders, SpaceSetup, loaded
from recsearch.tuning.engines.helper import CallError, Say
from recsearch.tuning.space.builtin import builtin_names
from recsearch.workflow.check import generated_data
from recsearch.workflow.final.retraining import restore

logger = logging.getLogger(__name__)

SECONDS = 600.0  # time limit per family


def rehearse_exports(builders: Builders, task: Task) -> None:
    """Exports the default model of each user-defined family; built-in families are tested.

    Raises:
        SpaceError: If an export fails; names the layer or the cause.
    """
    for family, reference in builders.references.items():
        if reference in builtin_names():
            continue
        try:
            builders.helper.call(_rehearse, builders.setup, family, task, seconds=SECONDS)
        except CallError as error:
            raise SpaceError(f"A model of {family} cannot be exported: {error}.") from error


def _rehearse(say: Say, setup: SpaceSetup, family: str, task: Task) -> None:
    data, vocabularies = generated_data(task)
    keras.utils.clear_session(free_memory=False)
    try:
        model = loaded(setup).build(family, {}, data.spec).recommender.model
        scorer = ModelScorer(model, Feed(data), data.spec)
    except Exception:  # it may need columns or sizes of the user's data
        logger.debug("%s does not build on generated data", family, exc_info=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            if getattr(model, "optimizer", None) is not None:
                model.optimizer.build(model.trainable_variables)  # as after training
            saved = Path(folder) / "model.keras"
            model.save(saved)
            restore(loaded(setup).build(family, {}, data.spec).recommender.model, saved)
            path = save_recommender(Path(folder), scorer, data, vocabularies)
            tf.saved_model.load(str(path))
        except RecsearchError as error:
            raise SpaceError(f"A model of {family} cannot be exported: {error}") from error
        except Exception as error:
            raise SpaceError(
                f"A model of {family} cannot be saved and exported: {error_text(error)}. "
                "The search was not started. Each layer needs a working get_config, and layers "
                "that contain a tf.Variable or a table must be attributes of the model."
            ) from error
