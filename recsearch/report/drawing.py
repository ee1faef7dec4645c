"""The plots of a run, drawn: each function turns one value of `figures` into a Plotly figure.

Drawings have a transparent background and mid-grey text, so that they are readable on light and on
dark pages. A family keeps its colour and its symbol in all of them. Plotly reads some HTML in
texts, so every text that comes from a run is escaped here.
"""

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from recsearch.report.figures import Comparison, Curve, History, LearningCurves, Point, Slice
from recsearch.report.wording import number_text

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
"""Okabe and Ito, "Color Universal Design" (2008), without black and yellow, of which one vanishes
on a light page and one on a dark page."""

SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x")
NEUTRAL = "#808080"
GRID = "rgba(128, 128, 128, 0.25)"


def draw_history(data: History) -> go.Figure:
    """Returns the scores over time as dots, and the best so far as a step line."""
    figure = _figure(f"time since the start of the run ({data.unit})", data.objective)
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
        figure.add_trace(_dots(own, family, data.families))
    return _or_empty(figure, data.points)


def draw_curves(data: LearningCurves) -> go.Figure:
    """Returns all learning curves: trials stopped early dotted, the best one thick, on top.

    Curves of one look share a trace with gaps between them, so that hundreds stay quick.
    """
    figure = _figure("epoch", data.objective)
    figure.update_xaxes(tickformat=",d", dtick=1 if _last_epoch(data) <= 12 else None)
    for family in data.families:
        for stopped in (True, False):
            own = [c for c in data.curves if (c.family, c.stopped) == (family, stopped)]
            if own:
                name = f"{family}, stopped early" if stopped else family
                line = {"width": 1, "dash": "dot"} if stopped else {"width": 1.5}
                figure.add_trace(
                    _lines(own, name, line | {"color": _colour(family, data.families)})
                )
    for curve in data.curves:
        if curve.winner:
            look = {"width": 4, "color": _colour(curve.family, data.families)}
            figure.add_trace(_lines([curve], f"{curve.family}, best trial", look))
    return _or_empty(figure, data.curves)


def draw_slices(data: Sequence[Slice], columns: int = 3) -> go.Figure:
    """Returns one plot a hyperparameter, side by side in so many columns."""
    columns = min(columns, max(1, len(data)))
    rows = max(1, math.ceil(len(data) / columns))
    figure = make_subplots(rows, columns, shared_yaxes=True, vertical_spacing=0.3 / rows)
    _style(figure, height=60 + 270 * rows)
    for number, each in enumerate(data):
        place = {"row": number // columns + 1, "col": number % columns + 1}
        for family in each.families:
            own = [point for point in each.points if point.family == family]
            shown = number == 0 and len(each.families) > 1
            if own or shown:
                figure.add_trace(_dots(own, family, each.families, shown), **place)
        axis: dict[str, Any] = {"type": "log" if each.log else "linear"}
        if each.categories is not None:
            texts = [_plain(text) for text in each.categories]
            axis = {"type": "category", "categoryorder": "array", "categoryarray": texts}
        figure.update_xaxes(title=_plain(each.name), **axis, **place)
        if place["col"] == 1:
            figure.update_yaxes(title=_plain(each.objective), **place)
    return _or_empty(figure, data)


def draw_comparison(data: Comparison) -> go.Figure:
    """Returns one dot a row, the best on top; dots, as a bar from zero would hide differences."""
    names = [_plain(name) for name, _ in data.rows]
    values = [value for _, value in data.rows]
    is_winner = [name == data.winner for name, _ in data.rows]
    figure = _figure(data.objective, "", height=110 + 34 * len(names))
    figure.add_trace(
        go.Scatter(
            x=values,
            y=names,
            mode="markers+text",
            text=[number_text(value) for value in values],
            textposition="top center",
            textfont={"color": NEUTRAL},
            marker={
                "size": [15 if won else 10 for won in is_winner],
                "color": [COLOURS[0] if won else NEUTRAL for won in is_winner],
                "symbol": ["diamond" if won else "circle" for won in is_winner],
            },
            cliponaxis=False,
            hoverinfo="x+y",
            showlegend=False,
        )
    )
    figure.update_yaxes(autorange="reversed", type="category", ticklabelstandoff=8)
    return _or_empty(figure, data.rows)


def _dots(
    points: Sequence[Point], family: str, families: Sequence[str], in_legend: bool = True
) -> go.Scatter:
    """Returns the trials of one family as dots."""
    symbol = SYMBOLS[families.index(family) % len(SYMBOLS)]
    return go.Scatter(
        x=[_plain(point.x) if isinstance(point.x, str) else point.x for point in points],
        y=[point.score for point in points],
        mode="markers",
        marker={"color": _colour(family, families), "symbol": symbol, "size": 9, "opacity": 0.85},
        name=_plain(family),
        legendgroup=_plain(family),
        showlegend=in_legend,
        hovertext=[_plain(point.label) for point in points],
        hoverinfo="text",
    )


def _lines(curves: Sequence[Curve], name: str, line: Mapping[str, Any]) -> go.Scatter:
    """Returns curves of one look as one trace, with a gap after each."""
    points = [point for curve in curves for point in (*curve.points, None)]
    return go.Scatter(
        x=[point.x if point else None for point in points],
        y=[point.score if point else None for point in points],
        mode="lines" if max(len(curve.points) for curve in curves) > 1 else "lines+markers",
        line=dict(line),
        name=_plain(name),
        hovertext=[_plain(point.label) if point else "" for point in points],
        hoverinfo="text",
    )


def _colour(family: str, families: Sequence[str]) -> str:
    return COLOURS[families.index(family) % len(COLOURS)]


def _plain(text: str) -> str:
    """Returns text that Plotly shows letter by letter; newlines become its line breaks."""
    return html.escape(text).replace("\n", "<br>")


def _last_epoch(data: LearningCurves) -> int:
    return max((int(curve.points[-1].x) for curve in data.curves), default=0)


def _figure(x_title: str, y_title: str, height: int = 380) -> go.Figure:
    figure = go.Figure()
    _style(figure, height)
    figure.update_xaxes(title=_plain(x_title))
    figure.update_yaxes(title=_plain(y_title))
    return figure


def _style(figure: go.Figure, height: int) -> None:
    """Gives a figure the look that all share."""
    figure.update_layout(
        template="none",
        height=height,
        paper_bgcolor="rgba(0, 0, 0, 0)",
        plot_bgcolor="rgba(0, 0, 0, 0)",
        font={"color": NEUTRAL, "size": 13, "family": "system-ui, sans-serif"},
        margin={"l": 10, "r": 15, "t": 40, "b": 10},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        hovermode="closest",
        hoverlabel={"align": "left"},
    )
    for update_axes in (figure.update_xaxes, figure.update_yaxes):
        update_axes(
            gridcolor=GRID, linecolor=GRID, zeroline=False, automargin=True, exponentformat="power"
        )


def _or_empty(figure: go.Figure, shown: Sequence[Any]) -> go.Figure:
    """Returns the figure; with a remark in it if there is nothing to show."""
    if not shown:
        figure.add_annotation(
            text="nothing to show yet", showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper"
        )
    return figure
