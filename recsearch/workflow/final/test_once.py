"""Evaluates models and baselines on the test part in the same way.

This module does not import TensorFlow, because `recsearch baselines` uses it too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsearch.baselines import item_vectors
from recsearch.data.preparation import PreparedData
from recsearch.data.task import Task
from recsearch.evaluation.protocol import (
    EvaluationProtocol,
    HeldOut,
    headline,
    make_protocol,
    measure,
    recommend,
)
from recsearch.evaluation.scorer import Scorer
from recsearch.metrics import bootstrap_interval, compare_results, list_metrics, slice_results
from recsearch.study.trial import Objective

LIST_METRICS = tuple(
    f"{family}@10" for family in ("coverage", "gini", "novelty", "popularity", "diversity")
)
LIST_LENGTH = 10
MAX_LIST_USERS = 5_000  # more users would not change the metrics of lists


@dataclass(frozen=True)
class TestLook:
    """Evaluates scorers on the test part.

    Attributes:
        data: Train + validation, with the test part held out.
        protocol: Metrics and users, including users that are unknown in training.
        objective: The objective of the search.
        seed: Seed of the resampling of users.
    """

    __test__ = False  # not a test class of pytest

    data: PreparedData
    protocol: EvaluationProtocol
    objective: Objective
    seed: int

    @classmethod
    def of(
        cls, data: PreparedData, metrics: tuple[str, ...], objective: Objective, seed: int
    ) -> "TestLook":
        """Creates the evaluation on the held-out part of `data`."""
        return cls(data, make_protocol(data, metrics, unknown_users=True), objective, seed)

    @property
    def description(self) -> str:
        """The users and items of the headline metrics, in words."""
        return make_protocol(self.data, self.protocol.metrics).description

    def measure(self, scorer: Scorer) -> HeldOut:
        """Returns the predictions of a scorer for the held-out part."""
        return measure(scorer, self.data, self.protocol)

    def metrics(self, results: HeldOut) -> dict[str, float]:
        """Returns the headline metrics."""
        return headline(results, self.data).metrics(self.protocol.metrics)

    def slices(self, results: HeldOut) -> list[dict[str, object]]:
        """Returns the metrics per slice of users and items."""
        found = slice_results(results, self.protocol.metrics, *self._training_counts)
        return [each.to_json() for each in found]

    @cached_property
    def _training_counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Number of training interactions per user, [U], and per item, [N]."""
        spec, train = self.data.spec, self.data.train
        return (
            np.bincount(train.user, minlength=spec.num_users),
            np.bincount(train.item, minlength=spec.num_items),
        )

    def intervals(self, results: HeldOut, names: Sequence[str] = ()) -> dict[str, Any]:
        """Returns metric -> interval over resampled users; for all metrics by default."""
        known = headline(results, self.data)
        return {
            name: bootstrap_interval(known, name, np.random.default_rng(self.seed)).to_json()
            for name in names or self.protocol.metrics
        }

    def comparison(self, own: HeldOut, other: HeldOut) -> dict[str, Any]:
        """Returns the paired comparison of two scorers over users."""
        rng = np.random.default_rng(self.seed)
        first, second = headline(own, self.data), headline(other, self.data)
        return compare_results(first, second, self.objective.name, rng).to_json()

    def lists(self, scorer: Scorer) -> dict[str, float] | None:
        """Returns the metrics of the recommended lists; None except for implicit data.

        The lists contain the best items of the complete catalogue, even if the protocol ranks
        candidates.
        """
        if self.data.spec.task is not Task.IMPLICIT:
            return None
        users = np.flatnonzero(self.data.seen.counts() > 0).astype(np.int32)
        if len(users) > MAX_LIST_USERS:
            chosen = np.random.default_rng(self.seed).choice(users, MAX_LIST_USERS, replace=False)
            users = np.sort(chosen)
        vectors = self._item_vectors
        names = LIST_METRICS if vectors is not None else LIST_METRICS[:-1]
        return list_metrics(names, recommend(scorer, self.data, users, LIST_LENGTH, vectors))

    @cached_property
    def _item_vectors(self) -> NDArray[np.float32] | None:
        """Vectors that measure the similarity of items, the same for every scorer."""
        return item_vectors(self.data)
