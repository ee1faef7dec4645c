"""The page of compared runs, in the style of the report."""

from pathlib import Path

from recsearch.errors import UsageError
from recsearch.report.compare_tables import comparison_tables
from recsearch.report.drawing.compared import draw_best_so_far
from recsearch.report.gallery import as_plot
from recsearch.report.page import render_page
from recsearch.results import ComparedRuns
from recsearch.system.files import write_text


def write_comparison(found: ComparedRuns, path: Path) -> Path:
    """Writes a comparison as one HTML file that opens without a network; returns its path.

    Raises:
        UsageError: If the file cannot be written.
    """
    try:
        return write_text(path, render_comparison(found))
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error}. Give another file.") from error


def render_comparison(found: ComparedRuns) -> str:
    """Returns the page of a comparison."""
    drawn = found.objective is not None and any(entry.best_so_far for entry in found.entries)
    note = (
        "The dotted line marks the end of the shortest search: to the left of it, all searches "
        "have had the same time."
    )
    plot = as_plot("best-so-far", "Best so far", note, draw_best_so_far(found)) if drawn else None
    return render_page(
        "compare.html.jinja",
        with_plots=drawn,
        found=found,
        tables=comparison_tables(found),
        plot=plot,
    )
