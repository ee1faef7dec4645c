"""Simple models that a search has to beat, fitted in seconds and without TensorFlow.

Each is a `recsearch.scorer.Scorer`. Which of them suit a task is told by `applicable`.
"""

from recsearch.baselines.bias import fit_bias
from recsearch.baselines.ease import DEFAULT_L2, choose_ease_l2, fit_ease
from recsearch.baselines.item_knn import fit_item_knn
from recsearch.baselines.matrices import TooLargeError
from recsearch.baselines.popularity import fit_popularity
from recsearch.baselines.residual_knn import fit_residual_knn
from recsearch.data.interactions import Encoded, Task
from recsearch.errors import UsageError
from recsearch.scorer import Scorer

__all__ = ["TooLargeError", "applicable", "choose_ease_l2", "fit_baseline"]


def applicable(task: Task) -> tuple[str, ...]:
    """Returns the names of the baselines of a task, the simplest first."""
    return {
        Task.IMPLICIT: ("popularity", "item_knn", "ease"),
        Task.RATING: ("bias", "item_knn"),
        Task.CLICK: ("popularity", "bias"),
    }[task]


def fit_baseline(
    name: str,
    train: Encoded,
    num_users: int,
    num_items: int,
    task: Task,
    *,
    l2: float | None = None,
) -> Scorer:
    """Returns a fitted baseline.

    Args:
        name: One of `applicable(task)`.
        train: At least one interaction.
        num_users: Users with index 0, the unknown one.
        num_items: Items with index 0, the unknown one.
        task: What the labels mean.
        l2: For ease only, as `choose_ease_l2` tells it; 500 if None.

    Raises:
        TooLargeError: If the data are too large for this baseline.
        UsageError: If the task has no such baseline.
    """
    if name not in applicable(task):
        raise UsageError(
            f"A baseline for task {task} must be one of {', '.join(applicable(task))}."
            f" Received {name!r}."
        )
    if name == "popularity":
        return fit_popularity(train, num_items, task)
    if name == "bias":
        return fit_bias(train, num_users, num_items)
    if name == "ease":
        return fit_ease(train, num_users, num_items, DEFAULT_L2 if l2 is None else l2)
    if task is Task.RATING:
        return fit_residual_knn(train, num_users, num_items)
    return fit_item_knn(train, num_users, num_items)
