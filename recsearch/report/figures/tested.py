"""What was measured on the test part, as plots show it: contenders, predictions, lists."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsearch.report.figures.points import score_title, winner_name
from recsearch.study.trial import Objective

LIST_TITLES = {
    "coverage": "coverage: share of the catalogue that is recommended to anybody",
    "gini": "Gini: 0 if all items are recommended alike, 1 if one item alone is",
    "novelty": "novelty: bits of surprise of a recommended item",
    "popularity": "popularity: share of users that have a recommended item",
    "diversity": "diversity: how unlike the items of one list are",
}


@dataclass(frozen=True)
class Comparison:
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
        num_rows: How many rows were predicted; 0 if the run kept no predictions.
    """

    labels: NDArray[np.float64]
    score_edges: NDArray[np.float64]
    shares: NDArray[np.float64]
    means: NDArray[np.float64]
    error_edges: NDArray[np.float64]
    error_counts: NDArray[np.float64]
    mean_error: float
    num_rows: int


def comparison(metrics: Mapping[str, Any]) -> Comparison:
    """Returns the winner and the baselines on the objective, from best/metrics.json.

    Baselines that were skipped, or do not have the objective, are left out.
    """
    objective = Objective.from_json(metrics["objective"])
    winner = winner_name(metrics)
    entries = {winner: metrics.get("test", {}), **metrics.get("baselines", {})}
    values = {name: entry.get(objective.name) for name, entry in entries.items()}
    rows = [(name, float(value)) for name, value in values.items() if value is not None]
    rows.sort(key=lambda row: objective.sort_key(row[1]))
    return Comparison(score_title(objective, "test"), winner, tuple(rows))


def popularity(metrics: Mapping[str, Any]) -> tuple[Comparison, ...]:
    """Returns what the recommended lists are like, of the winner and of the baselines.

    One comparison a metric of lists, contenders in the order of metrics.json; none but for
    rankings. No direction is told: what is wanted of a list is for people to say.
    """
    own = metrics.get("lists") or {}
    winner = winner_name(metrics)
    every = {winner: own, **(metrics.get("baseline_lists") or {})}
    found = []
    for name in own:
        values = {who: told.get(name) for who, told in every.items()}
        rows = tuple((who, float(value)) for who, value in values.items() if value is not None)
        family, _, cutoff = name.partition("@")
        title = f"{LIST_TITLES.get(family, family)} (@{cutoff})"
        found.append(Comparison(title, winner, rows))
    return tuple(found)


def predictions(metrics: Mapping[str, Any]) -> Predictions:
    """Returns predicted against actual ratings, from `predictions` in best/metrics.json.

    It holds what `recsearch.evaluation.predictions.binned_predictions` returns.
    """
    told = metrics.get("predictions") or {}
    arrays = {
        name: np.array(told.get(name) or [], dtype=np.float64)
        for name in ("labels", "score_edges", "means", "error_edges", "error_counts")
    }
    counts = np.array(told.get("counts") or np.zeros((0, 0)), dtype=np.float64)
    shares = counts / np.maximum(counts.sum(axis=0, keepdims=True), 1)
    rows, error = int(told.get("num_rows", 0)), told.get("mean_error")
    return Predictions(
        **arrays, shares=shares, mean_error=np.nan if error is None else error, num_rows=rows
    )
