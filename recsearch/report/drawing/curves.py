"""Scores over time and learning curves, drawn."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from recsearch.report.drawing.style import NEUTRAL, colour, dots, new_figure, or_empty, plain
from recsearch.report.figures import Curve, LearningCurves, ScoreHistory


def draw_history(data: ScoreHistory) -> go.Figure:
    """Returns the scores over time as dots, and the best so far as a step line."""
    figure = new_figure(f"{data.unit} since the start of the run", data.objective)
    figure.add_trace(
        go.Scatter(
            x=[time for time, _ in data.best],
            y=[score for _, score in data.best],
            mode="lines",
            line={"color": NEUTRAL, "shape": "hv", "width": 2},
            name="best so far",
            hoverinfo="skip",
        )
    )
    for family in data.families:
        own = [point for point in data.points if point.family == family]
        figure.add_trace(dots(own, family, data.families))
    return or_empty(figure, data.points)


def draw_curves(data: LearningCurves) -> go.Figure:
    """Returns all learning curves: trials stopped early dotted, the best one thick, on top.

    Curves of one look share a trace with gaps between them, so that hundreds stay quick.
    """
    figure = new_figure("epoch", data.objective)
    figure.update_xaxes(tickformat=",d", dtick=1 if _last_epoch(data) <= 12 else None)
    for family in data.families:
        for stopped in (True, False):
            own = [c for c in data.curves if (c.family, c.stopped) == (family, stopped)]
            if own:
                name = f"{family}, stopped early" if stopped else family
                line = {"width": 1, "dash": "dot"} if stopped else {"width": 1.5}
                figure.add_trace(_lines(own, name, line | {"color": colour(family, data.families)}))
    for curve in data.curves:
        if curve.winner:
            look = {"width": 4, "color": colour(curve.family, data.families)}
            figure.add_trace(_lines([curve], f"{curve.family}, best trial", look))
    return or_empty(figure, data.curves)


def _lines(curves: Sequence[Curve], name: str, line: Mapping[str, Any]) -> go.Scatter:
    """Returns curves of one look as one trace, with a gap after each."""
    points = [point for curve in curves for point in (*curve.points, None)]
    return go.Scatter(
        x=[point.x if point else None for point in points],
        y=[point.score if point else None for point in points],
        mode="lines" if max(len(curve.points) for curve in curves) > 1 else "lines+markers",
        line=dict(line),
        name=plain(name),
        hovertext=[plain(point.label) if point else "" for point in points],
        hoverinfo="text",
    )


def _last_epoch(data: LearningCurves) -> int:
    return max((int(curve.points[-1].x) for curve in data.curves), default=0)
