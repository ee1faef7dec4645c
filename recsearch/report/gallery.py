"""The plots of the report page: which ones there are data for, and how each is to be read."""

from collections.abc import Iterator
from dataclasses import dataclass

import plotly.graph_objects as go

from recsearch.report import drawing, figures
from recsearch.report.packing import packed
from recsearch.results import RunRecord


@dataclass(frozen=True)
class Plot:
    """A figure on the page.

    Attributes:
        name: Names the element.
        title: Above the figure.
        note: How to read it, below the figure.
        height: In CSS pixels.
        packed: Plotly's description of it: JSON, compressed by `packing`.
    """

    name: str
    title: str
    note: str
    height: int
    packed: str


@dataclass(frozen=True)
class Gallery:
    """All plots of a page, by the section in which they stand."""

    verdict: tuple[Plot, ...]
    search: tuple[Plot, ...]
    slices: tuple[Plot, ...]
    tested: tuple[Plot, ...]

    def __len__(self) -> int:
        return len(self.verdict) + len(self.search) + len(self.slices) + len(self.tested)


def gallery(run: RunRecord) -> Gallery:
    """Returns the plots of a run for which there are data."""
    search = (*_progress(run), *_hyperparameters(run), *_schedule(run))
    return Gallery(tuple(_verdict(run)), search, tuple(_slices(run)), tuple(_tested(run)))


def _verdict(run: RunRecord) -> Iterator[Plot]:
    if run.metrics is None:
        return
    compared = figures.comparison(run.metrics)
    if compared.rows:
        yield as_plot(
            "baselines",
            "The winner and the baselines",
            "On the test part, the best on top. The winner is the diamond.",
            drawing.draw_comparison(compared),
        )


def _progress(run: RunRecord) -> Iterator[Plot]:
    if run.measurements:
        yield as_plot(
            "history",
            "Scores over time",
            "A dot is a trial when its score became known; a trial that was continued has several.",
            drawing.draw_history(figures.history(run.measurements, run.state)),
        )
    curves = figures.learning_curves(run.state)
    if curves.curves:
        yield as_plot(
            "curves",
            "Learning curves",
            "One line a trial: the best one thick, those that were stopped early dotted.",
            drawing.draw_curves(curves),
        )


def _hyperparameters(run: RunRecord) -> Iterator[Plot]:
    importances = figures.importances(run.state, run.space)
    if importances.shares:
        yield as_plot(
            "importance",
            "What mattered",
            f"How much the values of the best {importances.num_best} of {importances.num_trials} "
            "trials differ from those of all (PED-ANOVA), those that were stopped early with the "
            "score they had. It does not say which value is good; with few trials it is a hint.",
            drawing.draw_importance(importances),
        )
    parallel = figures.parallel(run.state, run.space)
    if len(parallel.lines) > 1 and len(parallel.axes) > 1:
        yield as_plot(
            "parallel",
            "All values at once",
            "One line a trial, the best tenth strong, the rest fainter; the most important "
            "hyperparameters from the left. A line passes below an axis, at the dash, where its "
            "trial has no such hyperparameter.",
            drawing.draw_parallel(parallel),
        )
    contour = figures.contour(run.state, run.space)
    if contour.x is not None and contour.y is not None:
        yield as_plot(
            "contour",
            f"Score over {contour.x.name} and {contour.y.name}",
            "A dot is a trial, the surface the weighted mean of the trials nearby; yellow is good. "
            "It is blank where no trial is near. All other hyperparameters varied as well.",
            drawing.draw_contour(contour),
        )


def _schedule(run: RunRecord) -> Iterator[Plot]:
    brackets = figures.brackets(run.trainings, run.state)
    if any(trial.score is not None for rung in brackets.rungs for trial in rung.trials):
        yield as_plot(
            "brackets",
            "Hyperband's brackets",
            "A column is a rung, a dot a trial with its best score up to there; the filled ones "
            "were continued on the next rung.",
            drawing.draw_brackets(brackets),
        )
    timeline = figures.timeline(run.trainings, run.state)
    if timeline.bars:
        yield as_plot(
            "timeline",
            "What ran when",
            "A bar is a training. The journal does not name the worker: each bar lies on the first "
            "lane that was free. Pauses between sessions are left out.",
            drawing.draw_timeline(timeline),
        )


def _slices(run: RunRecord) -> Iterator[Plot]:
    for number, each in enumerate(figures.slices(run.state, run.space)):
        yield as_plot(
            f"slice-{number}",
            f"Score by {each.name}",
            "A dot is a trial; all other hyperparameters varied as well.",
            drawing.draw_slices([each]),
        )


def _tested(run: RunRecord) -> Iterator[Plot]:
    if run.metrics is None:
        return
    predicted = figures.predictions(run.metrics)
    if predicted.num_rows:
        yield as_plot(
            "predictions",
            "Predicted and actual ratings",
            f"Of {predicted.num_rows:,} rows of the test part. Each column of the upper plot adds "
            "up to 100 %. What lies beyond the outermost bins is counted in them.",
            drawing.draw_predictions(predicted),
        )
    lists = figures.popularity(run.metrics)
    if lists:
        yield as_plot(
            "popularity",
            "What is recommended",
            "Of the ten best items of each user, whatever was held out. The winner is the diamond.",
            drawing.draw_popularity(lists),
        )


def as_plot(name: str, title: str, note: str, figure: go.Figure) -> Plot:
    """Returns a drawn figure as it stands on a page; its height is part of the figure."""
    return Plot(name, title, note, int(figure.layout.height), packed(figure.to_json()))
