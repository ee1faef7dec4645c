"""What was tried when: Hyperband's brackets and the timeline, drawn."""

from typing import Any

import plotly.graph_objects as go

from recsearch.report.drawing.style import COLOURS, NEUTRAL, new_figure, or_empty, plain
from recsearch.report.figures import Brackets, RungResult, Timeline

ENDINGS = {
    "completed": COLOURS[2],
    "promoted": COLOURS[0],
    "stopped early": COLOURS[1],
    "paused": COLOURS[4],
    "running": COLOURS[3],
    "failed": COLOURS[5],
    "infeasible": "#b0b0b0",
    "interrupted": NEUTRAL,
}
"""The ways in which a training ends, in the order of the legend, and their colours."""

BAR_HEIGHT = 34


def draw_brackets(data: Brackets) -> go.Figure:
    """Returns one column per rung with one dot per trial, filled if it went on to the next rung."""
    figure = new_figure("", data.objective, height=420)
    for went_on, name in ((False, "ended here"), (True, "went on")):
        figure.add_trace(_rung_dots(data, went_on, name))
    columns = [_column(rung) for rung in data.rungs]
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=columns)
    figure.update_layout(
        annotations=[_counts(rung) for rung in data.rungs],
        margin={"t": 80},
        legend={"y": 1.16},
    )
    return or_empty(figure, data.rungs, "only Hyperband has brackets")


def _rung_dots(data: Brackets, went_on: bool, name: str) -> go.Scatter:
    shown = [
        (rung, trial)
        for rung in data.rungs
        for trial in rung.trials
        if trial.went_on is went_on and trial.score is not None
    ]
    return go.Scatter(
        x=[_column(rung) for rung, _ in shown],
        y=[trial.score for _, trial in shown],
        mode="markers",
        marker={
            "color": COLOURS[5] if went_on else NEUTRAL,
            "symbol": "circle" if went_on else "circle-open",
            "size": 9,
        },
        name=name,
        hovertext=[plain(trial.label) for _, trial in shown],
        hoverinfo="text",
    )


def _column(rung: RungResult) -> str:
    noun = "epoch" if rung.epochs == 1 else "epochs"
    return f"bracket {rung.bracket}<br>{rung.epochs} {noun}"


def _counts(rung: RungResult) -> dict[str, Any]:
    """Returns how many trials a rung had, as a text above its column."""
    text = f"{len(rung.trials)} trial{'' if len(rung.trials) == 1 else 's'}"
    if rung.num_promoted:
        text += f",<br>{rung.num_promoted} went on"
    place = {"x": _column(rung), "y": 1, "yref": "paper", "yanchor": "bottom"}
    return {**place, "text": text, "showarrow": False, "font": {"size": 11}}


def draw_timeline(data: Timeline) -> go.Figure:
    """Returns a lane a worker with a bar a training, coloured by how it ended."""
    title = f"{data.unit} since the start of the run"
    figure = new_figure(title, "", height=130 + BAR_HEIGHT * data.num_lanes)
    for ending, colour in ENDINGS.items():
        own = [bar for bar in data.bars if bar.ending == ending]
        if own:
            figure.add_trace(
                go.Bar(
                    base=[bar.start for bar in own],
                    x=[bar.end - bar.start for bar in own],
                    y=[f"lane {bar.lane + 1}" for bar in own],
                    orientation="h",
                    marker={"color": colour, "line": {"width": 0}},
                    name=ending,
                    hovertext=[plain(bar.label) for bar in own],
                    hoverinfo="text",
                )
            )
    figure.update_layout(barmode="overlay", bargap=0.25)
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False)
    return or_empty(figure, data.bars)
