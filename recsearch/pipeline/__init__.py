"""The shared tf.data pipeline: from prepared arrays to batches, for every model and driver."""

from recsearch.pipeline.feed import Feed
from recsearch.pipeline.negatives import NegativeSampler
from recsearch.pipeline.training import Pipeline, Training

__all__ = ["Feed", "NegativeSampler", "Pipeline", "Training"]
