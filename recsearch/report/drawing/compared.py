"""Several runs in one drawing."""

import plotly.graph_objects as go

from recsearch.report.drawing.style import COLOURS, NEUTRAL, new_figure, or_empty, plain
from recsearch.report.figures.points import score_title, time_unit
from recsearch.results import ComparedRuns, Entry
from recsearch.text.wording import duration_text, number_text

DASHES = ("solid", "dash", "dot", "dashdot")


def draw_best_so_far(data: ComparedRuns) -> go.Figure:
    """Returns the best score of each run so far over its time, and where the shortest one ends."""
    longest = max((entry.seconds for entry in data.entries), default=0.0)
    divisor, unit = time_unit(longest)
    figure = new_figure(f"time of search ({unit})", score_title(data.objective))
    figure.update_xaxes(rangemode="tozero")
    shown = [entry for entry in data.entries if entry.best_so_far] if data.objective else []
    for number, entry in enumerate(shown):
        points = [*entry.best_so_far, (entry.seconds, entry.best_so_far[-1][1])]
        figure.add_trace(
            go.Scatter(
                x=[seconds / divisor for seconds, _ in points],
                y=[score for _, score in points],
                mode="lines",
                line={
                    "color": COLOURS[number % len(COLOURS)],
                    "dash": DASHES[number // len(COLOURS) % len(DASHES)],
                    "shape": "hv",
                    "width": 2,
                },
                name=plain(entry.name),
                hovertext=[plain(_label(entry, *point)) for point in points],
                hoverinfo="text",
            )
        )
    if shown and data.equal_seconds is not None:
        figure.add_vline(data.equal_seconds / divisor, line={"color": NEUTRAL, "dash": "dot"})
    return or_empty(figure, shown, "these runs have no scores that can be compared")


def _label(entry: Entry, seconds: float, score: float) -> str:
    return f"{entry.name}\n{number_text(score)} after {duration_text(seconds)}"
