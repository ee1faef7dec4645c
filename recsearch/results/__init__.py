"""A run directory read as typed records and tables, and runs compared; no plots, no TensorFlow."""

from recsearch.results.comparison import ComparedRuns, Entry, compare_runs
from recsearch.results.reading import load_run
from recsearch.results.record import RunRecord, write_trials_csv
from recsearch.results.records import Measurement, Training, measure
from recsearch.results.stored import resumable_config, stored_config
from recsearch.results.tables import curves_table, trials_table

__all__ = [
    "ComparedRuns",
    "Entry",
    "Measurement",
    "RunRecord",
    "Training",
    "compare_runs",
    "curves_table",
    "load_run",
    "measure",
    "resumable_config",
    "stored_config",
    "trials_table",
    "write_trials_csv",
]
