"""Counts of the predicted ratings of a test part, which a run stores instead of rows of the data.

Dimension letters: n rows, L actual ratings (or bins of them), S bins of predictions, E of errors.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_LABELS = 12
"""More distinct ratings than this are put into this many bins."""

NUM_SCORE_BINS = 40
NUM_ERROR_BINS = 41  # odd, so that one is about zero


def binned_predictions(label: NDArray[np.floating], score: NDArray[np.floating]) -> dict[str, Any]:
    """Returns counts of predictions against actual ratings, as values of JSON.

    Args:
        label: [n] actual ratings.
        score: [n] predictions, in the same unit. Rows with one that is not finite are left out.

    Returns:
        `num_rows`; `labels` [L], the distinct ratings (or the centres of their bins);
        `score_edges` [S + 1]; `counts` [S][L], rows; `means` [L], the mean prediction for each
        actual rating, None where there is no row; `error_edges` [E + 1], `error_counts` [E] and
        `mean_error`, of prediction minus actual. A prediction or an error beyond the outermost
        edge counts in the outermost bin. Without rows only `num_rows`, which is 0.

    Raises:
        ValueError: If the arrays differ in shape.
    """
    if label.shape != score.shape:
        raise ValueError(
            f"Labels and scores must have the same shape. Received {label.shape} and {score.shape}."
        )
    kept = np.isfinite(label) & np.isfinite(score)
    actual, predicted = label[kept].astype(np.float64), score[kept].astype(np.float64)
    if not len(actual):
        return {"num_rows": 0}
    labels, column = _columns(actual)
    score_edges = _score_edges(actual, predicted)
    row = _bins(predicted, score_edges)
    counts = np.zeros((NUM_SCORE_BINS, len(labels)), dtype=np.int64)
    np.add.at(counts, (row, column), 1)
    sums = np.bincount(column, weights=predicted, minlength=len(labels))
    numbers = counts.sum(axis=0)
    error = predicted - actual
    error_edges = _error_edges(error)
    errors = np.bincount(_bins(error, error_edges), minlength=NUM_ERROR_BINS)
    return {
        "num_rows": len(actual),
        "labels": labels.tolist(),
        "score_edges": score_edges.tolist(),
        "counts": counts.tolist(),
        "means": [
            float(total / number) if number else None
            for total, number in zip(sums, numbers, strict=True)
        ],
        "error_edges": error_edges.tolist(),
        "error_counts": errors.tolist(),
        "mean_error": float(error.mean()),
    }


def _columns(actual: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Returns (the ratings or centres of bins [L], which of them each row has [n])."""
    distinct, column = np.unique(actual, return_inverse=True)
    if len(distinct) <= MOST_LABELS:
        return distinct, column.astype(np.int64)
    edges = np.linspace(distinct[0], distinct[-1], MOST_LABELS + 1)
    return (edges[:-1] + edges[1:]) / 2, _bins(actual, edges)


def _score_edges(
    actual: NDArray[np.float64], predicted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Returns edges that span all ratings, and predictions up to a quarter of that beyond them."""
    low, high = actual.min(), actual.max()
    beyond = (high - low) / 4 or 1.0
    lowest = min(low, max(predicted.min(), low - beyond))
    highest = max(high, min(predicted.max(), high + beyond))
    if highest <= lowest:
        lowest, highest = lowest - 0.5, highest + 0.5
    return np.linspace(lowest, highest, NUM_SCORE_BINS + 1)


def _error_edges(error: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns edges around zero that contain all errors except the largest thousandth."""
    widest = float(np.quantile(np.abs(error), 0.999)) or 1.0
    return np.linspace(-widest, widest, NUM_ERROR_BINS + 1)


def _bins(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Returns the bin of each value; values beyond the edges are in the outermost bins."""
    found = np.searchsorted(edges, values, side="right") - 1
    return np.clip(found, 0, len(edges) - 2).astype(np.int64)
