"""A finished or unfinished run, read from its directory: tables, plots and the model it left.

Reading needs no TensorFlow; only `Run.recommender` and `Run.recommend` import it.
"""

from recsearch.results.reading import load_run
from recsearch.results.record import ForeignModelWarning, Run
from recsearch.results.records import Measurement, Training, measure
from recsearch.results.stored import resumable_config, stored_config
from recsearch.results.tables import curves_table, trials_table, write_trials_csv

__all__ = [
    "ForeignModelWarning",
    "Measurement",
    "Run",
    "Training",
    "curves_table",
    "load_run",
    "measure",
    "resumable_config",
    "stored_config",
    "trials_table",
    "write_trials_csv",
]
