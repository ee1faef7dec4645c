"""The plots of the report page: which plots have data, and how to read each plot."""

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
    """All plots of a page, by section."""

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
    if run.tested is None:
        return
    compared = figures.comparison(run.tested)
    if compared.rows:
        yield as_plot(
            "baselines",
            "The winner and the baselines",
            "On the test part, the best on top. A diamond marks the winner.",
            drawing.draw_comparison(compared),
        )


def _progress(run: RunRecord) -> Iterator[Plot]:
    if run.measurements:
        yield as_plot(
            "history",
            "Scores over time",
            "Each dot shows the score of a trial at the time when it was measured; a continued "
            "trial has several dots.",
            drawing.draw_history(figures.history(run.measurements, run.state)),
        )
    curves = figures.learning_curves(run.state)
    if curves.curves:
        yield as_plot(
            "curves",
            "Learning curves",
            "One line per trial: the best one is thick, trials that were stopped early are dotted.",
            drawing.draw_curves(curves),
        )


def _hyperparameters(run: RunRecord) -> Iterator[Plot]:
    importances = figures.importances(run.state, run.description.space)
    if importances.shares:
        yield as_plot(
            "importance",
            "Importance",
            f"How much the values of the best {importances.num_best} of {importances.num_trials} "
            "trials differ from the values of all trials (PED-ANOVA). Trials that were stopped "
            "early count with their last score. The plot does not show which value is good; with "
            "few trials it is only a hint.",
            drawing.draw_importance(importances),
        )
    parallel = figures.parallel(run.state, run.description.space)
    if len(parallel.lines) > 1 and len(parallel.axes) > 1:
        yield as_plot(
            "parallel",
            "Parallel coordinates of all trials",
            "One line per trial, the best tenth in strong colour; the most important "
            "hyperparameters are on the left. A line passes below an axis, at the dash, if its "
            "trial does not have the hyperparameter.",
            drawing.draw_parallel(parallel),
        )
    contour = figures.contour(run.state, run.description.space)
    if contour.x is not None and contour.y is not None:
        yield as_plot(
            "contour",
            f"Score over {contour.x.name} and {contour.y.name}",
            "Each dot is a trial, the surface is the weighted mean of nearby trials; yellow is "
            "good. It is blank where no trial is near. The other hyperparameters also differ "
            "between trials.",
            drawing.draw_contour(contour),
        )


def _schedule(run: RunRecord) -> Iterator[Plot]:
    brackets = figures.brackets(run.trainings, run.state)
    if any(trial.score is not None for rung in brackets.rungs for trial in rung.trials):
        yield as_plot(
            "brackets",
            "Hyperband's brackets",
            "Each column is a rung, each dot a trial with its best score up to this rung; trials "
            "with a filled dot were continued on the next rung.",
            drawing.draw_brackets(brackets),
        )
    timeline = figures.timeline(run.trainings, run.state)
    if timeline.bars:
        yield as_plot(
            "timeline",
            "Timeline of the trials",
            "Each bar is the training of a trial. The journal does not name the worker, so each "
            "bar is on the first free lane. Pauses between sessions are left out.",
            drawing.draw_timeline(timeline),
        )


def _slices(run: RunRecord) -> Iterator[Plot]:
    for number, each in enumerate(figures.slice_plots(run.state, run.description.space)):
        yield as_plot(
            f"slice-{number}",
            f"Score by {each.name}",
            "Each dot is a trial; the other hyperparameters also differ between trials.",
            drawing.draw_slices([each]),
        )


def _tested(run: RunRecord) -> Iterator[Plot]:
    if run.tested is None:
        return
    predicted = figures.predictions(run.tested.predictions)
    if predicted.num_rows:
        yield as_plot(
            "predictions",
            "Predicted and actual ratings",
            f"For {predicted.num_rows:,} rows of the test part. Each column of the upper plot adds "
            "up to 100 %. Values beyond the outermost bins are counted in these bins.",
            drawing.draw_predictions(predicted),
        )
    lists = figures.popularity(run.tested)
    if lists:
        yield as_plot(
            "popularity",
            "What is recommended",
            "For the ten best items of the complete catalogue per user, for users with and without "
            "held-out items. A diamond marks the winner.",
            drawing.draw_popularity(lists),
        )


def as_plot(name: str, title: str, note: str, figure: go.Figure) -> Plot:
    """Returns a drawn figure as a plot of a page; its height is part of the figure."""
    return Plot(name, title, note, int(figure.layout.height), packed(figure.to_json()))
