"""What a fork server imports before it forks workers: code, but nothing that has run.

TensorFlow starts its threads when it first runs an operation, and a process with threads must not
be forked. Importing it is what costs seconds, and that is done here once for all workers.
"""

import gc

from recsearch.system.tensorflow_import import import_tensorflow
from recsearch.tuning.engines.leftovers import remove_with_owner

remove_with_owner()
import_tensorflow(lean=True)

import recsearch.tuning.engines.runner  # noqa: E402, F401  the import is the purpose

# What was imported stays: workers need neither search it for garbage, nor copy its pages for that.
gc.collect()
gc.freeze()
