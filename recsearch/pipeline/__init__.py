"""The tf.data pipeline from prepared arrays to batches of training examples; no models."""

from recsearch.pipeline.feed import Feed
from recsearch.pipeline.negatives import NegativeSampler
from recsearch.pipeline.training import Pipeline, Training

__all__ = ["Feed", "NegativeSampler", "Pipeline", "Training"]
