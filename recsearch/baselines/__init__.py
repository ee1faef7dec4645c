"""Simple models in NumPy and SciPy that a search must beat, each tuned in about a minute.

TensorFlow does not belong here, nor does the evaluation of the models. Each baseline is a
`recsearch.evaluation.scorer.Scorer`. `applicable` lists the baselines of a task, `tune` chooses the
parameters of one on the validation part, and `fit` fits it.
"""

from recsearch.baselines.grid_search import Tuned, fit, tune
from recsearch.baselines.matrices import TooLargeError
from recsearch.baselines.registry import applicable
from recsearch.baselines.tfidf import item_vectors

__all__ = ["TooLargeError", "Tuned", "applicable", "fit", "item_vectors", "tune"]
