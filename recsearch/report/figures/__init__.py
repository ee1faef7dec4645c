"""What the plots of a run show: pure functions from records to numbers, drawn by `drawing`."""

from recsearch.report.figures.axes import Axis, Range
from recsearch.report.figures.hyperparameters import Line, Parallel, Slice, parallel, slices
from recsearch.report.figures.importance import Importances, importances
from recsearch.report.figures.points import Point, winner_name
from recsearch.report.figures.progress import (
    Curve,
    History,
    LearningCurves,
    history,
    learning_curves,
)
from recsearch.report.figures.rungs import Brackets, RungResult, RungTrial, brackets
from recsearch.report.figures.surface import Contour, Spot, contour
from recsearch.report.figures.tested import (
    Comparison,
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
    "Comparison",
    "Contour",
    "Curve",
    "History",
    "Importances",
    "LearningCurves",
    "Line",
    "Parallel",
    "Point",
    "Predictions",
    "Range",
    "RungResult",
    "RungTrial",
    "Slice",
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
    "slices",
    "timeline",
    "winner_name",
]
