"""What a builder returns: a compiled Keras model, and the examples that it is trained on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import keras

from recsearch.contract.kinds import Arrays, BoundExamples
from recsearch.data.vocabulary import DataSpec

DEFAULT_BATCH_SIZE = 512


@runtime_checkable
class ExampleKind(Protocol):
    """One way to produce training examples: a frozen dataclass, which a builder returns."""

    @classmethod
    def implied(cls, model: keras.Model, spec: DataSpec, values: Mapping[str, Any]) -> Self | None:
        """Returns the examples of a bare model, or None if the kind does not fit the model.

        Args:
            model: A compiled functional model.
            spec: The data.
            values: Bare name -> value of the hyperparameters that the builder read.
        """

    def misfit(self, recommender: "Recommender", spec: DataSpec) -> str | None:
        """Returns the reason why the model or the data cannot be used with these examples.

        Returns None if they can.
        """

    def bind(self, arrays: Arrays) -> BoundExamples:
        """Returns the examples of a run. Called eagerly, before a graph is traced."""


@dataclass(frozen=True)
class Pretraining:
    """Models that are trained before the recommender, and the function that joins them.

    Attributes:
        models: Compiled models that share layers with the recommender; each is trained in turn.
        epochs: Epochs of each.
        join: Called once afterwards; sets the recommender's own weights from the trained models.
    """

    models: tuple[keras.Model, ...]
    epochs: int
    join: Callable[[], None]


@dataclass(frozen=True)
class Recommender:
    """A model and how it is trained.

    Attributes:
        model: A functional Keras model that scores; compiled, unless there is `trained`. Its inputs
            are named after the data: `user_id`, `item_id`, `user_<column>`... (README has a table).
            Output [B] or [B, 1], or without an item input [B, num_items]: a score per item of the
            catalogue. For clicks the output is a probability, for ratings it is in the unit of the
            label.
        examples: How training examples are produced; `recsearch.contract.examples` has the kinds.
        batch_size: Interactions (positives), or users, per step.
        pretraining: What is trained first, or None.
        callbacks: Keras callbacks of a trial, created again by each build. Called at the beginning
            and end of training and of each epoch; batch hooks are never called, because an epoch is
            one call of the graph. `logs` contains the training metrics ("loss") and the validation
            metrics ("val_rmse"). Their state continues over promotions and resumes. A callback that
            sets `model.stop_training` ends its trial there, with the score so far. `on_train_end`
            runs after the state is saved, so `EarlyStopping(restore_best_weights=True)` has no
            effect; the score is always that of the best epoch. The pre-training runs without
            callbacks, and so does the final retraining, which has no validation part: it repeats
            the learning rates of the trial.
        trained: The compiled functional model that is trained on the examples, if it is not the
            model that scores. All trainable weights of `model` must be weights of `trained` too.
    """

    model: keras.Model
    examples: ExampleKind
    batch_size: int = DEFAULT_BATCH_SIZE
    pretraining: Pretraining | None = None
    callbacks: tuple[keras.callbacks.Callback, ...] = ()
    trained: keras.Model | None = None

    @property
    def to_train(self) -> keras.Model:
        """The model that is trained: `trained`, or `model` if there is none."""
        return self.model if self.trained is None else self.trained
