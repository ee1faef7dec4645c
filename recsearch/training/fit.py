"""Fits one recommender: an epoch is one call into the graph.

The loop over batches is inside `tf.function` and takes the steps of `model.fit`, so that a user's
own `train_step`, compiled losses and metrics all count.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from recsearch.contract.kinds import Batch
from recsearch.contract.recommender import Recommender
from recsearch.pipeline import Pipeline, Training
from recsearch.training.callbacks import EpochCallbacks
from recsearch.training.checkpoint import load_checkpoint, save_checkpoint
from recsearch.training.graph_errors import explained
from recsearch.training.step import training_step

LEARNING_RATE = "learning_rate"
"""Where a curve has the rate that an epoch was trained with, if there are callbacks."""


def _epoch_function(model: keras.Model, training: Training) -> Any:
    """Returns a graph function (order, epoch) that trains the model over all batches once."""
    feed = training.feed
    train = training_step(model)

    def step(batch: Batch) -> None:
        train(feed.inputs(model, batch.rows, batch.replaced), batch.target)

    def run(order: tf.Tensor, epoch: tf.Tensor) -> None:
        training.for_each_batch(order, epoch, step)

    if model.run_eagerly:  # compile(run_eagerly=True): each step is to run as Python code
        return run
    signature = [tf.TensorSpec([None], tf.int64), tf.TensorSpec([], tf.int32)]
    # Keras does not convert a step by AutoGraph either.
    return tf.function(run, input_signature=signature, autograph=False)


class ModelFitter:
    """Trains one model on examples of one kind, epoch by epoch.

    Args:
        model: A compiled functional model.
        training: Its examples.
    """

    def __init__(self, model: keras.Model, training: Training) -> None:
        self.model = model
        self.training = training
        model.optimizer.build(model.trainable_variables)
        self._run = _epoch_function(model, training)

    def operations(self) -> frozenset[str]:
        """Returns the kinds of operations that an epoch consists of ("MatMul"); none if eager."""
        if self.model.run_eagerly:
            return frozenset()
        library = self._run.get_concrete_function().graph.as_graph_def().library
        return frozenset(node.op for function in library.function for node in function.node_def)

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Trains one epoch (from 0); returns the model's own metrics as `train_<name>`.

        Raises:
            SpaceError: If a layer fails, as for an index outside its table.
        """
        self.model.reset_metrics()
        order = tf.constant(self.training.order(epoch), tf.int64)
        with explained(self.model):
            self._run(order, tf.constant(epoch, tf.int32))
        logs = self.model.get_metrics_result()
        return {f"train_{name}": float(value) for name, value in logs.items()}

    def finish(self) -> None:
        """Does what `fit` does after its last epoch: averages of `use_ema` become the weights."""
        self.model.optimizer.finalize_variable_values(self.model.trainable_weights)

    @contextmanager
    def finished(self) -> Iterator[None]:
        """Lets the model be inside as `finish` would leave it, and as it was after that."""
        if not _has_averages(self.model.optimizer):
            yield
            return
        weights = self.model.get_weights()
        self.finish()
        try:
            yield
        finally:
            self.model.set_weights(weights)


def _has_averages(optimizer: keras.optimizers.Optimizer) -> bool:
    # Mixed precision wraps the optimizer that the builder asked for.
    return bool(getattr(optimizer, "inner_optimizer", optimizer).use_ema)


class Fitter:
    """Trains a recommender, its pre-training included, from the start or from a checkpoint.

    Args:
        recommender: What to train.
        pipeline: The arrays.
        seed: Seeds order, negatives and cuts. Initialisation is the caller's: it builds the model.
    """

    def __init__(self, recommender: Recommender, pipeline: Pipeline, seed: int) -> None:
        self.recommender = recommender
        self.training = pipeline.training(recommender.examples, recommender.batch_size, seed)
        self.callbacks = EpochCallbacks(recommender)
        self._fitter = ModelFitter(recommender.to_train, self.training)

    def pretrain(self) -> None:
        """Trains the parts that are to be trained before the whole, if there are any."""
        pretraining = self.recommender.pretraining
        if pretraining is None:
            return
        for model in pretraining.models:
            part = ModelFitter(model, self.training)
            for epoch in range(pretraining.epochs):
                part.run_epoch(epoch)
            part.finish()
        pretraining.join()

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Trains one epoch (from 0); returns the model's own metrics as `train_<name>`."""
        return self._fitter.run_epoch(epoch)

    def finish(self) -> None:
        """Ends the training of a model that is kept; `fit` does the same after its last epoch."""
        self._fitter.finish()

    def operations(self) -> frozenset[str]:
        """Returns the kinds of operations that an epoch consists of ("MatMul"); none if eager."""
        return self._fitter.operations()

    def run_measured_epoch(
        self, epoch: int, measure: Callable[[], dict[str, float]]
    ) -> dict[str, float]:
        """Trains one epoch (from 0) and measures it, with the callbacks around it.

        The model is measured as it would be if this were the last epoch: with the averages of an
        optimizer that has `use_ema`. The next epoch continues with the weights themselves.

        Args:
            epoch: Counted across rungs.
            measure: Returns the validation metrics of the model as it is.

        Returns:
            The model's own metrics as `train_<name>`, the validation metrics, and `learning_rate`
            if there are callbacks and the rate is a number that they can set.

        Raises:
            SpaceError: If a callback monitors a metric that is not measured.
        """
        self.callbacks.begin_epoch(epoch)
        rate = self._learning_rate()
        trained = self.run_epoch(epoch)
        with self._fitter.finished():
            measured = measure()
        own = {name.removeprefix("train_"): value for name, value in trained.items()}
        self.callbacks.end_epoch(epoch, own, measured)
        return trained | measured | rate

    def _learning_rate(self) -> dict[str, float]:
        """Returns the learning rate by its name, or nothing if no callback can set it."""
        rate = self.recommender.to_train.optimizer.learning_rate
        # A schedule of the optimizer follows its own count of steps, wherever it is trained.
        settable = len(self.callbacks) > 0 and isinstance(rate, keras.Variable)
        return {LEARNING_RATE: float(rate)} if settable else {}

    def set_learning_rate(self, rate: float) -> None:
        """Sets the learning rate from the next epoch on."""
        self.recommender.to_train.optimizer.learning_rate = rate

    def save(self, path: Path) -> None:
        """Writes weights, optimizer, random state and the state of the callbacks."""
        save_checkpoint(path, self.recommender.to_train, self.callbacks.state())

    def load(self, path: Path) -> None:
        """Continues from the file that `save` wrote; the callbacks must have started before."""
        self.callbacks.restore(load_checkpoint(path, self.recommender.to_train))
