"""The look that all plots share.

Drawings have a transparent background and mid-grey text, so that they are readable on light and on
dark pages. A family keeps its colour and its symbol in all of them. Plotly reads some HTML in
texts, so every text that comes from a run goes through `plain`.
"""

import html
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from recsearch.report.figures import Point

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
"""Okabe and Ito, "Color Universal Design" (2008), without black and yellow, of which one vanishes
on a light page and one on a dark page."""

SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x")
NEUTRAL = "#808080"
GRID = "rgba(128, 128, 128, 0.25)"
TITLE_SIZE = 13


def new_figure(x_title: str, y_title: str, height: int = 380) -> go.Figure:
    """Returns a figure without traces, in the shared look; its titles are plain text."""
    figure = go.Figure()
    style(figure, height)
    figure.update_xaxes(title_text=plain(x_title))
    figure.update_yaxes(title_text=plain(y_title))
    return figure


def style(figure: go.Figure, height: int) -> None:
    """Gives a figure the look that all share."""
    figure.update_layout(
        template="none",
        height=height,
        paper_bgcolor="rgba(0, 0, 0, 0)",
        plot_bgcolor="rgba(0, 0, 0, 0)",
        font={"color": NEUTRAL, "size": TITLE_SIZE, "family": "system-ui, sans-serif"},
        margin={"l": 10, "r": 15, "t": 40, "b": 10},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        hovermode="closest",
        hoverlabel={"align": "left"},
    )
    for update_axes in (figure.update_xaxes, figure.update_yaxes):
        update_axes(
            gridcolor=GRID,
            linecolor=GRID,
            zeroline=False,
            automargin=True,
            exponentformat="power",
            title_font_size=TITLE_SIZE,
            title_standoff=10,
        )


def or_empty(
    figure: go.Figure, shown: Sequence[Any], remark: str = "nothing to show yet"
) -> go.Figure:
    """Returns the figure; with a remark in it if there is nothing to show."""
    if not shown:
        figure.add_annotation(
            text=remark, showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper"
        )
        figure.update_xaxes(visible=False)
        figure.update_yaxes(visible=False)
    return figure


def dots(
    points: Sequence[Point], family: str, families: Sequence[str], in_legend: bool = True
) -> go.Scatter:
    """Returns the trials of one family as dots."""
    symbol = SYMBOLS[families.index(family) % len(SYMBOLS)]
    return go.Scatter(
        x=[plain(point.x) if isinstance(point.x, str) else point.x for point in points],
        y=[point.score for point in points],
        mode="markers",
        marker={"color": colour(family, families), "symbol": symbol, "size": 9, "opacity": 0.85},
        name=plain(family),
        legendgroup=plain(family),
        showlegend=in_legend,
        hovertext=[plain(point.label) for point in points],
        hoverinfo="text",
    )


def colour_bar(title: str, **changes: Any) -> dict[str, Any]:
    """Returns a colour bar with its title along it."""
    text = {"text": plain(title), "side": "right", "font": {"size": TITLE_SIZE}}
    return {"title": text, "thickness": 14, **changes}


def colour(family: str, families: Sequence[str]) -> str:
    """Returns the colour of a family."""
    return COLOURS[families.index(family) % len(COLOURS)]


def plain(text: str) -> str:
    """Returns text that Plotly shows letter by letter; newlines become its line breaks."""
    return html.escape(text).replace("\n", "<br>")
