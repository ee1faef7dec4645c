"""What was measured on the test part, drawn."""

from collections.abc import Sequence
from textwrap import wrap

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from recsearch.report.drawing.style import (
    COLOURS,
    NEUTRAL,
    TITLE_SIZE,
    colour_bar,
    new_figure,
    or_empty,
    plain,
    style,
)
from recsearch.report.figures import Contenders, Predictions
from recsearch.text.wording import number_text

TITLE_LETTERS = 36
"""Per line of a title, so that it fits the plot on a phone."""

GAP = 100
"""CSS pixels from one plot to the next: ticks, and three lines of a title."""


def draw_comparison(data: Contenders) -> go.Figure:
    """Returns one dot per row, the best on top; bars from zero would hide the differences."""
    names = [_label(name) for name, _ in data.rows]
    values = [value for _, value in data.rows]
    is_winner = [name == data.winner for name, _ in data.rows]
    figure = new_figure(data.objective, "", height=110 + 34 * len(names))
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
    return or_empty(figure, data.rows)


def draw_popularity(data: Sequence[Contenders]) -> go.Figure:
    """Returns one plot per metric of the recommended lists, with one dot per contender."""
    rows = max(1, len(data))
    names = max((len(each.rows) for each in data), default=0)
    titles = ["<br>".join(map(plain, wrap(each.objective, TITLE_LETTERS))) for each in data]
    inner = rows * 32 * names + (rows - 1) * GAP
    figure = make_subplots(rows, 1, subplot_titles=titles, vertical_spacing=GAP / max(inner, GAP))
    style(figure, inner + 120)
    figure.update_layout(margin={"t": 70})
    for number, each in enumerate(data, 1):
        won = [name == each.winner for name, _ in each.rows]
        figure.add_trace(
            go.Scatter(
                x=[value for _, value in each.rows],
                y=[_label(name) for name, _ in each.rows],
                mode="markers",
                marker={
                    "size": 11,
                    "color": [COLOURS[0] if own else NEUTRAL for own in won],
                    "symbol": ["diamond" if own else "circle" for own in won],
                },
                hoverinfo="x+y",
                showlegend=False,
            ),
            row=number,
            col=1,
        )
    figure.update_yaxes(autorange="reversed", type="category", ticklabelstandoff=8)
    figure.update_annotations(font={"size": 12}, align="left", x=0, xanchor="left", xref="paper")
    return or_empty(figure, data, "only rankings have recommended lists")


def _label(name: str) -> str:
    """Returns the name of a contender, with its trial on a separate line."""
    return plain(name.replace(", trial ", ",\ntrial "))


def draw_predictions(data: Predictions) -> go.Figure:
    """Returns predicted against actual ratings above, and the errors below."""
    titles = ["predicted against actual", "errors: predicted minus actual"]
    figure = make_subplots(2, 1, subplot_titles=titles, row_heights=[0.62, 0.38])
    style(figure, 720)
    figure.update_annotations(font={"size": TITLE_SIZE})
    if not data.num_rows:
        figure.layout.annotations = ()
        return or_empty(figure, (), "this run kept no predicted ratings")
    figure.add_trace(_density(data), row=1, col=1)
    for trace in _mean_lines(data):
        figure.add_trace(trace, row=1, col=1)
    figure.add_trace(_errors(data), row=2, col=1)
    figure.add_vline(x=0, line={"color": NEUTRAL, "width": 1, "dash": "dot"}, row=2, col=1)
    figure.update_xaxes(title_text="actual rating", tickvals=data.labels.tolist(), row=1, col=1)
    figure.update_yaxes(title_text="predicted rating", row=1, col=1)
    figure.update_xaxes(title_text=f"error (mean {number_text(data.mean_error)})", row=2, col=1)
    figure.update_yaxes(title_text="rows", row=2, col=1)
    figure.update_layout(legend={"y": 1.05})
    return figure


def _density(data: Predictions) -> go.Heatmap:
    """Returns the shares of the rows of each actual rating; empty cells stay clear."""
    shares = np.where(data.shares > 0, data.shares, np.nan)
    return go.Heatmap(
        x=data.labels.tolist(),
        y=((data.score_edges[:-1] + data.score_edges[1:]) / 2).tolist(),
        z=[[None if np.isnan(share) else share for share in row] for row in shares.tolist()],
        colorscale=[[0, "rgba(0, 114, 178, 0.05)"], [1, "rgba(0, 114, 178, 1)"]],
        colorbar=colour_bar(
            "share of the rating's rows", tickformat=".0%", y=1, yanchor="top", len=0.53
        ),
        xgap=2,
        hovertemplate="actual %{x}<br>predicted near %{y:.2f}<br>%{z:.1%}<extra></extra>",
    )


def _mean_lines(data: Predictions) -> tuple[go.Scatter, go.Scatter]:
    ends = [float(data.labels[0]), float(data.labels[-1])]
    perfect = go.Scatter(
        x=ends, y=ends, mode="lines", name="perfect", hoverinfo="skip",
        line={"color": NEUTRAL, "dash": "dot", "width": 1.5},
    )  # fmt: skip
    mean = go.Scatter(
        x=data.labels.tolist(),
        y=[None if np.isnan(mean) else mean for mean in data.means.tolist()],
        mode="lines+markers",
        name="mean prediction",
        line={"color": COLOURS[5], "width": 2},
        hovertemplate="actual %{x}<br>mean prediction %{y:.3f}<extra></extra>",
    )
    return perfect, mean


def _errors(data: Predictions) -> go.Bar:
    edges = data.error_edges
    return go.Bar(
        x=((edges[:-1] + edges[1:]) / 2).tolist(),
        y=data.error_counts.tolist(),
        marker={"color": COLOURS[0], "line": {"width": 0}},
        showlegend=False,
        hovertemplate="error %{x:.2f}<br>%{y} rows<extra></extra>",
    )
