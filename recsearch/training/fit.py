"""Fits one recommender: an epoch is one call into the graph.

The loop over batches stands inside `tf.function` and calls `model.train_step`, so that a user's
override, compiled losses and metrics all count.
"""

from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

from recsearch.nn.recommender import Recommender
from recsearch.pipeline import Pipeline, Training
from recsearch.training.checkpoint import load_checkpoint, save_checkpoint


def _epoch_function(model: keras.Model, training: Training) -> Callable[..., None]:
    """Returns a graph function (order, epoch) that trains the model over all batches once."""
    feed = training.pipeline.feed

    def run(order: tf.Tensor, epoch: tf.Tensor) -> None:
        for chunk in training.chunks(order, epoch):
            for step in tf.range(training.num_steps(chunk)):
                user, item, target = training.batch(chunk, step)
                model.train_step((feed.inputs(model, user, item), target))

    signature = [tf.TensorSpec([None], tf.int64), tf.TensorSpec([], tf.int32)]
    compiled: Callable[..., None] = tf.function(run, input_signature=signature)
    return compiled


class ModelFitter:
    """Trains one model on one way of making examples, epoch by epoch.

    Args:
        model: A compiled functional model.
        training: Its examples.
    """

    def __init__(self, model: keras.Model, training: Training) -> None:
        self.model = model
        self.training = training
        model.optimizer.build(model.trainable_variables)
        self._run = _epoch_function(model, training)

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Trains one epoch (from 0); returns the model's own metrics as `train_<name>`."""
        self.model.reset_metrics()
        order = tf.constant(self.training.order(epoch), tf.int64)
        self._run(order, tf.constant(epoch, tf.int32))
        logs = self.model.get_metrics_result()
        return {f"train_{name}": float(value) for name, value in logs.items()}


class Fitter:
    """Trains a recommender, its pre-training included, from the start or from a checkpoint.

    Args:
        recommender: What to train.
        pipeline: The arrays.
        seed: Seeds order and negatives. Initialisation is the caller's: it builds the model.
    """

    def __init__(self, recommender: Recommender, pipeline: Pipeline, seed: int) -> None:
        self.recommender = recommender
        self.training = pipeline.training(recommender.examples, recommender.batch_size, seed)
        self._fitter = ModelFitter(recommender.model, self.training)

    def pretrain(self) -> None:
        """Trains the parts that are to be trained before the whole, if there are any."""
        pretraining = self.recommender.pretraining
        if pretraining is None:
            return
        for model in pretraining.models:
            part = ModelFitter(model, self.training)
            for epoch in range(pretraining.epochs):
                part.run_epoch(epoch)
        pretraining.join()

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Trains one epoch (from 0); returns the model's own metrics as `train_<name>`."""
        return self._fitter.run_epoch(epoch)

    def save(self, path: Path) -> None:
        """Writes weights, optimizer and random state."""
        save_checkpoint(path, self.recommender.model)

    def load(self, path: Path) -> None:
        """Continues from what `save` wrote."""
        load_checkpoint(path, self.recommender.model)
