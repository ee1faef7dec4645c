"""Simple models that a search has to beat, tuned in a minute each and without TensorFlow.

Each is a `recsearch.evaluation.scorer.Scorer`. `applicable` lists the baselines of a task, `tune`
chooses the parameters of one on the validation part, `fit` builds it.
"""

from recsearch.baselines.content import item_vectors
from recsearch.baselines.matrices import TooLargeError
from recsearch.baselines.table import applicable
from recsearch.baselines.tuning import Tuned, fit, tune

__all__ = ["TooLargeError", "Tuned", "applicable", "fit", "item_vectors", "tune"]
