"""The baselines of each task, and the configurations that are tried."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recsearch.baselines import (
    bias,
    cosine_knn,
    ease,
    ials,
    neighbours,
    popularity,
    pure_svd,
    residual_knn,
    tfidf,
)
from recsearch.baselines.parameters import FitFunction, Parameters
from recsearch.data.preparation import PreparedData
from recsearch.data.task import Task
from recsearch.data.vocabulary import DataSpec
from recsearch.errors import UsageError


@dataclass(frozen=True)
class Baseline:
    """A simple model and its search.

    Attributes:
        grid: The configurations that are tried, without half-lives: at most twelve, the default
            first.
        prepare: Does the work that all given configurations share; returns the function that fits
            one of them.
        weighs_recency: Whether it also has a `half_life`, in items, for data with ages.
    """

    grid: tuple[Parameters, ...]
    prepare: Callable[[PreparedData, Sequence[Parameters]], FitFunction]
    weighs_recency: bool = False

    def half_lives(self, data: PreparedData) -> tuple[float, ...]:
        """Returns the half-lives that are tried for the data."""
        return HALF_LIVES if self.weighs_recency and data.seen.age is not None else ()


HALF_LIVES = (64.0, 16.0, 4.0)
"""The half-lives that are tried, in items of a user, besides equal weights."""

POPULARITY = Baseline(popularity.GRID, popularity.prepare_popularity)
BIAS = Baseline(bias.GRID, bias.prepare_bias)

BASELINES: dict[Task, dict[str, Baseline]] = {
    Task.IMPLICIT: {
        "popularity": POPULARITY,
        "item_knn": Baseline(neighbours.GRID, cosine_knn.prepare_item_knn, weighs_recency=True),
        "user_knn": Baseline(neighbours.GRID, cosine_knn.prepare_user_knn),
        "ease": Baseline(ease.GRID, ease.prepare_ease, weighs_recency=True),
        "pure_svd": Baseline(pure_svd.GRID, pure_svd.prepare_pure_svd, weighs_recency=True),
        "ials": Baseline(ials.GRID, ials.prepare_ials, weighs_recency=True),
        "content": Baseline(tfidf.GRID, tfidf.prepare_content, weighs_recency=True),
    },
    Task.RATING: {
        "bias": BIAS,
        "item_knn": Baseline(residual_knn.GRID, residual_knn.prepare_residual_item_knn),
        "user_knn": Baseline(residual_knn.GRID, residual_knn.prepare_residual_user_knn),
    },
    Task.CLICK: {
        "popularity": POPULARITY,
        "bias": BIAS,
    },
}
"""Task -> name -> baseline, the simplest first. Content is only for implicit data: its scores are
neither probabilities, which clicks need, nor in the unit of ratings."""


def applicable(task: Task, spec: DataSpec) -> tuple[str, ...]:
    """Returns the names of the baselines of a task, the simplest first.

    Args:
        task: What is learned.
        spec: Content needs a categorical or multi-valued item column.
    """
    names = BASELINES[task]
    return tuple(name for name in names if name != "content" or tfidf.has_terms(spec))


def find_baseline(name: str, spec: DataSpec) -> Baseline:
    """Returns a baseline by its name.

    Raises:
        UsageError: If the data's task has no such baseline.
    """
    names = applicable(spec.task, spec)
    if name not in names:
        raise UsageError(
            f"A baseline for task {spec.task} must be one of {', '.join(names)}. Received {name!r}."
        )
    return BASELINES[spec.task][name]
