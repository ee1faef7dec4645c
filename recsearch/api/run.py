"""The public `Run`: a run directory with its tables, plots, exports and recommendations."""

import html
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from recsearch.errors import RunDirectoryError
from recsearch.results.reading import load_run
from recsearch.results.record import RunRecord
from recsearch.results.run_metrics import RunMetrics
from recsearch.serving.recommend import ExportedModel

if TYPE_CHECKING:
    from optuna.study import Study
    from plotly.graph_objects import Figure


def load(directory: str | Path) -> "Run":
    """Returns the run in a directory, finished or not.

    Args:
        directory: The directory given to `recsearch run`, or created by it.

    Raises:
        UsageError: If `directory` is not a path.
        RunDirectoryError: If it is not a run directory, one of its files is damaged, or it contains
            a symbolic link.
    """
    return Run.of(load_run(directory))


@dataclass(frozen=True, repr=False)
class Run(RunRecord):
    """A run directory: the attributes and tables of `RunRecord`, plots, exports, recommendations.

    Plotly is imported by the first plot, TensorFlow by the first recommendation.
    """

    @classmethod
    def of(cls, record: RunRecord) -> "Run":
        """Returns a record with the methods of this class."""
        return cls(**{field.name: getattr(record, field.name) for field in fields(record)})

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

        return drawing.draw_parallel(figures.parallel(self.state, self.description.space))

    def plot_slice(self, name: str | None = None) -> "Figure":
        """Returns plots of the score against each hyperparameter that varied, or against one.

        Raises:
            UsageError: If `name` is not a hyperparameter that varied.
        """
        from recsearch.report import drawing, figures

        return drawing.draw_slices(figures.slice_plots(self.state, self.description.space, name))

    def plot_importance(self) -> "Figure":
        """Returns a plot of the importance of each hyperparameter, by PED-ANOVA."""
        from recsearch.report import drawing, figures

        return drawing.draw_importance(figures.importances(self.state, self.description.space))

    def plot_contour(self, x: str | None = None, y: str | None = None) -> "Figure":
        """Returns a plot of the score over two hyperparameters, by default the most important.

        Raises:
            UsageError: If `x` or `y` is not a hyperparameter that varied, or both are the same.
        """
        from recsearch.report import drawing, figures

        return drawing.draw_contour(figures.contour(self.state, self.description.space, x, y))

    def plot_brackets(self) -> "Figure":
        """Returns a plot of Hyperband's rungs: trials with their scores, and promoted trials."""
        from recsearch.report import drawing, figures

        return drawing.draw_brackets(figures.brackets(self.trainings, self.state))

    def plot_timeline(self) -> "Figure":
        """Returns a plot of the trainings over time, one bar per training."""
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

        return drawing.draw_predictions(figures.predictions(self._tested().predictions))

    def plot_popularity(self) -> "Figure":
        """Returns plots of the recommended items: coverage of the catalogue, popularity and others.

        Raises:
            RunDirectoryError: If the run has no test metrics yet.
        """
        from recsearch.report import drawing, figures

        return drawing.draw_popularity(figures.popularity(self._tested()))

    def _tested(self) -> RunMetrics:
        if self.tested is None:
            raise RunDirectoryError(
                f"{self.directory} has no best/metrics.json: the run has not ended. "
                f"Finish it with `recsearch resume {self.directory}`."
            )
        return self.tested

    def _repr_html_(self) -> str:
        ids = [trial.trial_id for trial in self.state.ranked()[:5]]
        leaders = self.trials().set_index("trial_id").loc[ids].drop(columns=["message"])
        table = leaders.dropna(axis="columns", how="all")
        lines = "<br>".join(map(html.escape, self.summary().splitlines()))
        return f"<p>{lines}</p>{table.to_html(escape=True, na_rep='')}"

    def to_optuna(self, storage: str | None = None) -> "Study":
        """Returns the trials as an Optuna study; see `exchange.optuna_study.make_study`."""
        from recsearch.exchange.optuna_study import make_study

        return make_study(self, storage)

    def to_mlflow(self, uri: str, experiment: str = "recsearch") -> str:
        """Logs the run to MLflow, returns the run's id; see `exchange.mlflow_log.log_to_mlflow`."""
        from recsearch.exchange.mlflow_log import log_to_mlflow

        return log_to_mlflow(self, uri, experiment)

    def recommender(self) -> Any:
        """Returns the exported model, loaded with TensorFlow.

        A SavedModel is executable code: load only models that you trust. Loading a model of a run
        from another machine gives a `ForeignModelWarning`.

        Raises:
            RunDirectoryError: If the run has exported no model.
        """
        return self._exported.model

    def recommend(
        self, user_id: int | str, k: int = 10, *, include_seen: bool = False
    ) -> pd.DataFrame:
        """Returns the k best items for a user, computed by the exported model.

        Args:
            user_id: Raw id of one user, as in the data: a whole number or text.
            k: Number of items; fewer are returned if the model has no more to offer.
            include_seen: Whether to include items that the user has in the data.

        Returns:
            Columns item_id, title (if an item table had titles) and score, the best first;
            `attrs["known_user"]` says whether the user was in the data.

        Raises:
            RunDirectoryError: If the run has exported no model.
            UsageError: If k is not a positive whole number, or the id is not of the data's type.
        """
        return self._exported.recommend(user_id, k, include_seen=include_seen)

    @cached_property
    def _exported(self) -> ExportedModel:
        return ExportedModel(self)
