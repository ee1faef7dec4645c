"""The score against the hyperparameters, drawn."""

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from recsearch.report.drawing.style import (
    COLOURS,
    NEUTRAL,
    colour_bar,
    dots,
    new_figure,
    or_empty,
    plain,
    style,
)
from recsearch.report.figures import Axis, Contour, Importances, Line, Parallel, SlicePlot
from recsearch.text.wording import number_text

MISSING_PLACE = -0.14
"""Where a line crosses an axis whose hyperparameter its trial does not have."""

NUM_TENTHS = 10

LONGEST_TICK = 12
"""Letters of a choice that fit between two axes of parallel coordinates."""

MOST_DECADES = 2
"""A longer logarithmic axis has ticks only at powers of ten."""


def draw_slices(data: Sequence[SlicePlot], columns: int = 3) -> go.Figure:
    """Returns one plot per hyperparameter, side by side in `columns` columns."""
    columns = min(columns, max(1, len(data)))
    rows = max(1, math.ceil(len(data) / columns))
    figure = make_subplots(rows, columns, shared_yaxes=True, vertical_spacing=0.3 / rows)
    style(figure, height=60 + 270 * rows)
    for number, each in enumerate(data):
        place = {"row": number // columns + 1, "col": number % columns + 1}
        for family in each.families:
            own = [point for point in each.points if point.family == family]
            shown = number == 0 and len(each.families) > 1
            if own or shown:
                figure.add_trace(dots(own, family, each.families, shown), **place)
        axis: dict[str, Any] = _log_axis(each) if each.log else {"type": "linear"}
        if each.categories is not None:
            texts = [plain(text) for text in each.categories]
            axis = {"type": "category", "categoryorder": "array", "categoryarray": texts}
        figure.update_xaxes(title_text=plain(each.name), **axis, **place)
        if place["col"] == 1:
            figure.update_yaxes(title_text=plain(each.objective), **place)
    return or_empty(figure, data)


def _log_axis(data: SlicePlot) -> dict[str, Any]:
    """Returns a logarithmic axis with round numbers: 1, 2 and 5 of each decade, if two of them fit.

    Plotly's own ticks there leave out the exponent of all but the powers of ten.
    """
    values = [point.x for point in data.points if not isinstance(point.x, str)]
    first, last = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    digits = (1,) if last - first > MOST_DECADES else (1, 2, 5)
    ticks = [digit * 10.0**power for power in range(first, last + 1) for digit in digits]
    if sum(min(values) <= tick <= max(values) for tick in ticks) < 2:
        return {"type": "log", "nticks": 5}
    return {"type": "log", "tickvals": ticks, "ticktext": [*map(number_text, ticks)]}


def draw_parallel(data: Parallel) -> go.Figure:
    """Returns one line per trial across the axes; the better the trial, the stronger its colour.

    Tenths of the trials share a trace with gaps between its lines, so that hundreds stay quick. A
    trial that lacks a hyperparameter crosses its axis below, at a dash.
    """
    figure = new_figure("", "", height=460)
    any_missing = any(None in line.places for line in data.lines)
    low = MISSING_PLACE if any_missing else 0
    figure.update_layout(
        shapes=[_axis_line(number, low) for number in range(len(data.axes))],
        annotations=[
            text
            for number, axis in enumerate(data.axes)
            for text in _axis_texts(number, axis, any_missing)
        ],
    )
    for tenth in reversed(range(NUM_TENTHS)):
        own = [line for line in data.lines if _tenth(line) == tenth]
        if own:
            figure.add_trace(_parallel_lines(own, tenth))
    names = [plain(axis.name) for axis in data.axes]
    figure.update_xaxes(
        tickvals=list(range(len(names))), ticktext=names, tickangle=-25, side="top",
        range=[-0.35, max(1, len(names) - 1) + 0.35], showgrid=False, fixedrange=True,
    )  # fmt: skip
    figure.update_yaxes(visible=False, range=[low - 0.06, 1.06], fixedrange=True)
    figure.update_layout(
        margin={"t": 80, "r": 70}, legend={"y": -0.02, "yanchor": "top", "traceorder": "reversed"}
    )
    return or_empty(figure, data.lines)


def _axis_line(number: int, low: float) -> dict[str, Any]:
    line = {"color": NEUTRAL, "width": 1}
    return {"type": "line", "x0": number, "x1": number, "y0": low, "y1": 1, "line": line}


def _axis_texts(number: int, axis: Axis, any_missing: bool) -> list[dict[str, Any]]:
    """Returns the texts of the ticks of one axis."""
    ticks = [*axis.ticks(), *([(MISSING_PLACE, "-")] if any_missing else [])]
    shared = {"showarrow": False, "xanchor": "left", "xshift": 4, "font": {"size": 11}}
    shown = [(place, _shortened(text)) for place, text in ticks]
    return [{"x": number, "y": place, "text": plain(text), **shared} for place, text in shown]


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_TICK else f"{text[: LONGEST_TICK - 1]}…"


def _tenth(line: Line) -> int:
    return min(NUM_TENTHS - 1, int(line.standing * NUM_TENTHS))


def _parallel_lines(lines: Sequence[Line], tenth: int) -> go.Scatter:
    """Returns the lines of one tenth of the trials, with a gap after each."""
    strength = 1 - tenth / (NUM_TENTHS - 1)
    shown = {0: "best tenth", NUM_TENTHS - 1: "worst tenth"}
    x: list[int | None] = []
    y: list[float | None] = []
    labels: list[str] = []
    for line in reversed(lines):
        x += [*range(len(line.places)), None]
        y += [*(MISSING_PLACE if place is None else place for place in line.places), None]
        labels += [*[plain(line.label)] * len(line.places), ""]
    return go.Scatter(
        x=x,
        y=y,
        mode="lines+markers",
        line={"color": _mixed(strength), "width": 1 + strength**2},
        marker={"size": 3 + 2 * strength},
        name=shown.get(tenth, ""),
        showlegend=tenth in shown,
        hovertext=labels,
        hoverinfo="text",
    )


def _mixed(strength: float) -> str:
    """Returns a colour between a faint grey, 0, and a strong vermilion, 1."""
    grey, strong = (128, 128, 128), (213, 94, 0)
    red, green, blue = (round(a + (b - a) * strength) for a, b in zip(grey, strong, strict=True))
    return f"rgba({red}, {green}, {blue}, {0.12 + 0.7 * strength**2:.2f})"


def draw_importance(data: Importances) -> go.Figure:
    """Returns one bar a hyperparameter, the most important on top."""
    names = [plain(name) for name, _ in data.shares]
    shares = [share for _, share in data.shares]
    figure = new_figure("share of the importance", "", height=110 + 30 * len(names))
    figure.add_trace(
        go.Bar(
            x=shares,
            y=names,
            orientation="h",
            marker={"color": COLOURS[0]},
            text=[f"{share:.0%}" for share in shares],
            textposition="outside",
            textfont={"color": NEUTRAL},
            cliponaxis=False,
            hoverinfo="skip",
        )
    )
    figure.update_yaxes(autorange="reversed", type="category", ticklabelstandoff=8)
    # Room for the text after the longest bar.
    figure.update_xaxes(tickformat=".0%", range=[0, 1.12 * max(shares, default=1)])
    few = f"{data.num_trials} trials with a score are too few for importances"
    return or_empty(figure, data.shares, few if data.num_trials else "nothing to show yet")


def draw_contour(data: Contour) -> go.Figure:
    """Returns a surface of scores over two hyperparameters, with one dot per trial."""
    if data.x is None or data.y is None:
        remark = "no two hyperparameters varied together"
        return or_empty(new_figure("", ""), (), remark)
    figure = new_figure(data.x.name, data.y.name, height=460)
    figure.add_trace(_surface(data))
    figure.add_trace(
        go.Scatter(
            x=[spot.x for spot in data.spots],
            y=[spot.y for spot in data.spots],
            mode="markers",
            marker={"size": 7, "color": "#ffffff", "line": {"color": "#000000", "width": 1}},
            hovertext=[plain(spot.label) for spot in data.spots],
            hoverinfo="text",
            showlegend=False,
        )
    )
    for update, axis in ((figure.update_xaxes, data.x), (figure.update_yaxes, data.y)):
        places, texts = zip(*axis.ticks(), strict=True)
        margin = 0.5 / max(1, len(places) - 1) if axis.categories is not None else 0.04
        update(tickvals=places, ticktext=[*map(plain, texts)], range=[-margin, 1 + margin])
    return figure


def _surface(data: Contour) -> go.Contour | go.Heatmap:
    """Returns contours; cells where one axis has choices, as there is nothing between them."""
    gaps = [2 if axis is not None and axis.categories else 0 for axis in (data.x, data.y)]
    shared: dict[str, Any] = {
        "x": data.grid_x.tolist(),
        "y": data.grid_y.tolist(),
        "z": [[None if math.isnan(z) else z for z in row] for row in data.surface.tolist()],
        "colorscale": "Viridis",
        "reversescale": data.lower_is_better,
        "colorbar": colour_bar(data.objective),
        "hoverinfo": "skip",
    }
    if any(gaps):
        return go.Heatmap(**shared, xgap=gaps[0], ygap=gaps[1])
    return go.Contour(**shared, contours={"coloring": "heatmap"}, line={"width": 0.5})
