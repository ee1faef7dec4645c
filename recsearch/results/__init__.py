"""Run directories as typed records and tables, and compared runs; no plots, no TensorFlow."""

from recsearch.results.comparison import ComparedRuns, Entry, compare_runs
from recsearch.results.measurements import Measurement, Stay, search_record
from recsearch.results.reading import load_run
from recsearch.results.record import RunRecord, write_trials_csv
from recsearch.results.stored import resumable_config, stored_config
from recsearch.results.trial_tables import curves_table, trials_table

__all__ = [
    "ComparedRuns",
    "Entry",
    "Measurement",
    "RunRecord",
    "Stay",
    "compare_runs",
    "curves_table",
    "load_run",
    "resumable_config",
    "search_record",
    "stored_config",
    "trials_table",
    "write_trials_csv",
]
