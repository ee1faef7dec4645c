"""Simple models that a search has to beat, tuned in a minute each and without TensorFlow.

Each is a `recsearch.evaluation.scorer.Scorer`. `applicable` lists the baselines of a task, `tune`
chooses the parameters of one on the validation part, `fit` builds it.
"""

from recsearch.baselines.grid_search import Tuned, fit, tune
from recsearch.baselines.matrices import TooLargeError
from recsearch.baselines.registry import applicable
from recsearch.baselines.tfidf import item_vectors

__all__ = ["TooLargeError", "Tuned", "applicable", "fit", "item_vectors", "tune"]
