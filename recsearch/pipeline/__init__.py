"""The batches of an epoch and the model inputs of a batch, for every model.

Knowledge about a single kind of inputs or examples does not belong here, but in `contract/`.
"""

from recsearch.pipeline.feed import Feed
from recsearch.pipeline.training import Pipeline, Training

__all__ = ["Feed", "Pipeline", "Training"]
