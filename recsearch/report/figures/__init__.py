"""The numbers of a run's plots: pure functions of records; no Plotly (see `drawing`)."""

from recsearch.report.figures.axes import Axis
from recsearch.report.figures.curves import (
    Curve,
    LearningCurves,
    ScoreHistory,
    history,
    learning_curves,
)
from recsearch.report.figures.hyperparameters import (
    Line,
    Parallel,
    SlicePlot,
    parallel,
    slice_plots,
)
from recsearch.report.figures.importance import Importances, importances
from recsearch.report.figures.points import Point
from recsearch.report.figures.rungs import Brackets, RungResult, RungTrial, brackets
from recsearch.report.figures.surface import Contour, Spot, contour
from recsearch.report.figures.tested import (
    Contenders,
    Predictions,
    comparison,
    popularity,
    predictions,
)
from recsearch.report.figures.timeline import Bar, Timeline, timeline

__all__ = [
    "Axis",
    "Bar",
    "Brackets",
    "Contenders",
    "Contour",
    "Curve",
    "Importances",
    "LearningCurves",
    "Line",
    "Parallel",
    "Point",
    "Predictions",
    "RungResult",
    "RungTrial",
    "ScoreHistory",
    "SlicePlot",
    "Spot",
    "Timeline",
    "brackets",
    "comparison",
    "contour",
    "history",
    "importances",
    "learning_curves",
    "parallel",
    "popularity",
    "predictions",
    "slice_plots",
    "timeline",
]
