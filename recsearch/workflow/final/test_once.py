"""A look at a test part: every contender is measured in the same way.

No TensorFlow here: `recsearch baselines` looks with it too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsearch.baselines import item_vectors
from recsearch.data.interactions import Task
from recsearch.data.preparation import PreparedData
from recsearch.evaluation.protocol import (
    HeldOut,
    Protocol,
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
MAX_LIST_USERS = 5_000  # lists of more users would say the same of the catalogue


@dataclass(frozen=True)
class TestLook:
    """Measures contenders on the test part.

    Attributes:
        data: Train + validation, with the test part held out.
        protocol: What is measured and on whom, users that training does not know among them.
        objective: What the search optimised.
        seed: Seeds the resamples of users.
    """

    __test__ = False  # it is not a test of pytest's

    data: PreparedData
    protocol: Protocol
    objective: Objective
    seed: int

    @classmethod
    def of(
        cls, data: PreparedData, metrics: tuple[str, ...], objective: Objective, seed: int
    ) -> "TestLook":
        """Returns the look at the held-out part of `data`."""
        return cls(data, make_protocol(data, metrics, unknown_users=True), objective, seed)

    @property
    def description(self) -> str:
        """What the headline numbers are told of, in words."""
        return make_protocol(self.data, self.protocol.metrics).description

    def measure(self, scorer: Scorer) -> HeldOut:
        """Returns what a contender says of each held-out row."""
        return measure(scorer, self.data, self.protocol)

    def metrics(self, results: HeldOut) -> dict[str, float]:
        """Returns the headline metrics."""
        return headline(results, self.data).metrics(self.protocol.metrics)

    def slices(self, results: HeldOut) -> list[dict[str, object]]:
        """Returns the metrics by kinds of users and items."""
        found = slice_results(results, self.protocol.metrics, *self._training_counts)
        return [each.to_json() for each in found]

    @cached_property
    def _training_counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Training interactions of each user, [U], and of each item, [N]."""
        spec, train = self.data.spec, self.data.train
        return (
            np.bincount(train.user, minlength=spec.num_users),
            np.bincount(train.item, minlength=spec.num_items),
        )

    def intervals(self, results: HeldOut, names: Sequence[str] = ()) -> dict[str, Any]:
        """Returns metric -> its interval over resampled users; of all metrics by default."""
        told = headline(results, self.data)
        return {
            name: bootstrap_interval(told, name, np.random.default_rng(self.seed)).to_json()
            for name in names or self.protocol.metrics
        }

    def comparison(self, own: HeldOut, other: HeldOut) -> dict[str, Any]:
        """Returns whether one contender is better than another, user by user."""
        rng = np.random.default_rng(self.seed)
        first, second = headline(own, self.data), headline(other, self.data)
        return compare_results(first, second, self.objective.name, rng).to_json()

    def lists(self, scorer: Scorer) -> dict[str, float] | None:
        """Returns what the recommended lists are like; None but for implicit data.

        The lists hold the best of the whole catalogue, whatever candidates the protocol names.
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
        """What items are told by, the same for every contender."""
        return item_vectors(self.data)
