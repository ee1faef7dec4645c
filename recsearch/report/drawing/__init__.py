"""The plots of a run: each function draws one value of `figures` with Plotly, nothing else."""

from recsearch.report.drawing.curves import draw_curves, draw_history
from recsearch.report.drawing.hyperparameters import (
    draw_contour,
    draw_importance,
    draw_parallel,
    draw_slices,
)
from recsearch.report.drawing.schedule import ENDINGS, draw_brackets, draw_timeline
from recsearch.report.drawing.tested import draw_comparison, draw_popularity, draw_predictions

__all__ = [
    "ENDINGS",
    "draw_brackets",
    "draw_comparison",
    "draw_contour",
    "draw_curves",
    "draw_history",
    "draw_importance",
    "draw_parallel",
    "draw_popularity",
    "draw_predictions",
    "draw_slices",
    "draw_timeline",
]
