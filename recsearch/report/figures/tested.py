"""Numbers of the plots about the test part: contenders, predictions, recommended lists."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsearch.report.figures.points import score_title
from recsearch.results.run_metrics import PredictionCounts, RunMetrics

LIST_TITLES = {
    "coverage": "coverage: share of the catalogue that is recommended at all",
    "gini": "Gini: 0 if all items are recommended equally often, 1 if only one item is",
    "novelty": "novelty: bits of surprise of a recommended item",
    "popularity": "popularity: share of users that have a recommended item",
    "diversity": "diversity: how different the items of one list are",
}


@dataclass(frozen=True)
class Contenders:
    """The winner beside the baselines.

    Attributes:
        objective: What is compared, with the direction.
        winner: Name of the winner among the rows.
        rows: (name, value), the best first.
    """

    objective: str
    winner: str
    rows: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Predictions:
    """Predicted against actual ratings of the test part.

    Attributes:
        labels: [L] the actual ratings, or the centres of their bins.
        score_edges: [S + 1] edges of the bins of predictions.
        shares: [S, L] of the rows with an actual rating, the share predicted in each bin.
        means: [L] mean prediction of the rows with each actual rating; nan where there are none.
        error_edges: [E + 1] edges of the bins of errors, prediction minus actual.
        error_counts: [E] rows.
        mean_error: Prediction minus actual, over all rows.
        num_rows: Number of predicted rows; 0 if the run kept no predictions.
    """

    labels: NDArray[np.float64]
    score_edges: NDArray[np.float64]
    shares: NDArray[np.float64]
    means: NDArray[np.float64]
    error_edges: NDArray[np.float64]
    error_counts: NDArray[np.float64]
    mean_error: float
    num_rows: int


def comparison(metrics: RunMetrics) -> Contenders:
    """Returns the winner and the baselines on the objective.

    Baselines that were skipped, or do not have the objective, are left out.
    """
    objective, winner = metrics.objective, metrics.winner.title
    entries = {winner: metrics.test, **metrics.compared}
    values = {name: entry.get(objective.name) for name, entry in entries.items()}
    rows = [(name, float(value)) for name, value in values.items() if value is not None]
    rows.sort(key=lambda row: objective.sort_key(row[1]))
    return Contenders(score_title(objective, "test"), winner, tuple(rows))


def popularity(metrics: RunMetrics) -> tuple[Contenders, ...]:
    """Returns the metrics of the recommended lists, of the winner and of the baselines.

    One value per metric of lists, contenders in the order of metrics.json; none except for
    rankings. The titles name no direction: which lists are good is for the user to decide.
    """
    winner = metrics.winner.title
    every = {winner: metrics.lists, **metrics.baseline_lists}
    found = []
    for name in metrics.lists:
        values = {contender: lists.get(name) for contender, lists in every.items()}
        rows = tuple((key, float(value)) for key, value in values.items() if value is not None)
        family, _, cutoff = name.partition("@")
        title = f"{LIST_TITLES.get(family, family)} (@{cutoff})"
        found.append(Contenders(title, winner, rows))
    return tuple(found)


def predictions(counted: PredictionCounts) -> Predictions:
    """Returns predicted against actual ratings as shares of the rows of each actual rating."""
    counts = np.array(counted.counts or np.zeros((0, 0)), dtype=np.float64)
    error = counted.mean_error
    return Predictions(
        labels=np.array(counted.labels, dtype=np.float64),
        score_edges=np.array(counted.score_edges, dtype=np.float64),
        shares=counts / np.maximum(counts.sum(axis=0, keepdims=True), 1),
        means=np.array(counted.means, dtype=np.float64),
        error_edges=np.array(counted.error_edges, dtype=np.float64),
        error_counts=np.array(counted.error_counts, dtype=np.float64),
        mean_error=np.nan if error is None else error,
        num_rows=counted.num_rows,
    )
