"""The plots of a run: data by `recsearch.report.figures`, drawn by `recsearch.report.drawing`.

Plotly is imported by the first plot.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsearch.errors import RunDirectoryError
from recsearch.results.records import Measurement, Training
from recsearch.study.replay import SearchState

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class RunPlots:
    """What a run directory holds, and its plots.

    Attributes:
        directory: The run directory.
        config: run.json: settings, versions, data, search space.
        state: The trials and stages, replayed from the journal.
        measurements: Every score in the order in which it became known.
        metrics: best/metrics.json, or None while the run has not come that far.
        trainings: Every stay of a trial on a worker.
        examples: best/examples.json, or None if the run left none.
    """

    directory: Path
    config: Mapping[str, Any]
    state: SearchState
    measurements: tuple[Measurement, ...]
    metrics: Mapping[str, Any] | None
    trainings: tuple[Training, ...] = ()
    examples: Mapping[str, Any] | None = None

    def needed(self, key: str) -> Any:
        """Returns what run.json says under a key that a command cannot do without.

        Raises:
            RunDirectoryError: If run.json does not have it.
        """
        if key not in self.config:
            raise RunDirectoryError(
                f"{self.directory / 'run.json'} is damaged: expected the key '{key}', received an "
                "object without it."
            )
        return self.config[key]

    @property
    def space(self) -> Sequence[Mapping[str, Any]]:
        """The hyperparameters as run.json describes them, under their full names."""
        described: Sequence[Mapping[str, Any]] = self.config.get("space", ())
        return described

    def plot_history(self) -> "Figure":
        """Returns a plot of every score over time, with the best so far."""
        from recsearch.report import drawing, figures

        return drawing.draw_history(figures.history(self.measurements, self.state))

    def plot_curves(self) -> "Figure":
        """Returns a plot of all learning curves, the best trial's highlighted."""
        from recsearch.report import drawing, figures

        return drawing.draw_curves(figures.learning_curves(self.state))

    def plot_parallel(self) -> "Figure":
        """Returns a plot of each trial as a line through its values, the best ones on top."""
        from recsearch.report import drawing, figures

        return drawing.draw_parallel(figures.parallel(self.state, self.space))

    def plot_slice(self, name: str | None = None) -> "Figure":
        """Returns plots of the score against each hyperparameter that varied, or against one.

        Raises:
            UsageError: If `name` is no hyperparameter that varied.
        """
        from recsearch.report import drawing, figures

        return drawing.draw_slices(figures.slices(self.state, self.space, name))

    def plot_importance(self) -> "Figure":
        """Returns a plot of how much each hyperparameter mattered, by PED-ANOVA."""
        from recsearch.report import drawing, figures

        return drawing.draw_importance(figures.importances(self.state, self.space))

    def plot_contour(self, x: str | None = None, y: str | None = None) -> "Figure":
        """Returns a plot of the score over two hyperparameters, by default the most important.

        Raises:
            UsageError: If `x` or `y` is no hyperparameter that varied, or both are the same.
        """
        from recsearch.report import drawing, figures

        return drawing.draw_contour(figures.contour(self.state, self.space, x, y))

    def plot_brackets(self) -> "Figure":
        """Returns a plot of Hyperband's rungs: who was tried, with what score, and who went on."""
        from recsearch.report import drawing, figures

        return drawing.draw_brackets(figures.brackets(self.trainings, self.state))

    def plot_timeline(self) -> "Figure":
        """Returns a plot of what ran when, one bar a training."""
        from recsearch.report import drawing, figures

        return drawing.draw_timeline(figures.timeline(self.trainings, self.state))

    def plot_baselines(self) -> "Figure":
        """Returns a plot of the winner beside the baselines, on the test part.

        Raises:
            RunDirectoryError: If the run has no test metrics yet.
        """
        from recsearch.report import drawing, figures

        return drawing.draw_comparison(figures.comparison(self._tested()))

    def plot_predictions(self) -> "Figure":
        """Returns a plot of predicted against actual ratings, and of the errors.

        Raises:
            RunDirectoryError: If the run has no test metrics yet.
        """
        from recsearch.report import drawing, figures

        return drawing.draw_predictions(figures.predictions(self._tested()))

    def plot_popularity(self) -> "Figure":
        """Returns plots of what is recommended: how much of the catalogue, and how popular.

        Raises:
            RunDirectoryError: If the run has no test metrics yet.
        """
        from recsearch.report import drawing, figures

        return drawing.draw_popularity(figures.popularity(self._tested()))

    def _tested(self) -> Mapping[str, Any]:
        if self.metrics is None:
            raise RunDirectoryError(
                f"{self.directory} has no best/metrics.json: the run has not ended. "
                f"Finish it with `recsearch resume {self.directory}`."
            )
        return self.metrics
