"""The public `compare`: runs side by side, as tables and a plot."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from recsearch.errors import UsageError
from recsearch.report.compare_tables import comparison_html, comparison_tables, comparison_text
from recsearch.report.sections.cells import Table
from recsearch.results import ComparedRuns, RunRecord, compare_runs, load_run
from recsearch.text.shown import shown

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure


def compare(runs: Sequence[RunRecord | str | Path]) -> "RunComparison":
    """Compares runs: best score so far at equal time, test metrics, winners and cost.

    Args:
        runs: Two or more runs or run directories.

    Returns:
        A comparison with `table()` (one row per run), `plot()` and `differences`: settings and data
        in which the runs differ. Printed, it is tables in text.

    Raises:
        UsageError: If there are fewer than two runs, or one is given twice.
        RunDirectoryError: If a directory is not a run directory.

    Example:
        >>> import recsearch
        >>> print(recsearch.compare(["runs/hyperband", "runs/random"]))  # doctest: +SKIP
    """
    if isinstance(runs, str | os.PathLike | RunRecord) or not isinstance(runs, Iterable):
        raise UsageError(f"runs={shown(runs)}: expected a list of two or more runs.")
    return RunComparison.of(
        compare_runs([run if isinstance(run, RunRecord) else load_run(run) for run in runs])
    )


@dataclass(frozen=True, repr=False)
class RunComparison(ComparedRuns):
    """Runs side by side: the attributes of `ComparedRuns`; printed, it is the tables in text."""

    @classmethod
    def of(cls, found: ComparedRuns) -> "RunComparison":
        """Returns compared runs with the methods of this class."""
        return cls(**{field.name: getattr(found, field.name) for field in fields(found)})

    def tables(self) -> dict[str, Table]:
        """Returns the tables by their titles, without those that have no rows."""
        return comparison_tables(self)

    def table(self) -> "pd.DataFrame":
        """Returns one row per run: name, settings, scores, cost; columns as in `to_json`."""
        import pandas as pd

        rows = self.to_json()["runs"]
        for row in rows:
            del row["best_so_far"]
            row |= {f"test {name}": value for name, value in (row.pop("test") or {}).items()}
        return pd.DataFrame(rows)

    def plot(self) -> "Figure":
        """Returns a plot of the best score so far of each run over the time of its search."""
        from recsearch.report.drawing.compared import draw_best_so_far

        return draw_best_so_far(self)

    def __str__(self) -> str:
        """Returns the differences and the tables for a terminal."""
        return comparison_text(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return comparison_html(self)
