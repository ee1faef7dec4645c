"""Imports for the fork server, before it forks workers: code only, without running TensorFlow.

TensorFlow starts its threads with its first operation, and a process with threads must not be
forked. The import takes seconds; here it is done once for all workers.
"""

import gc

from recsearch.system.tensorflow_import import import_tensorflow
from recsearch.tuning.engines.leftovers import remove_with_owner

remove_with_owner()
import_tensorflow(lean=True)

import recsearch.tuning.engines.runner  # noqa: E402, F401  the import is the purpose

# Imported objects are never garbage: workers need not scan them, and so never copy their pages.
gc.collect()
gc.freeze()
