import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from recsearch.data.interactions import Encoded
from recsearch.data.preparation import EncodedCandidates, PreparedData, SeenItems
from recsearch.data.task import Task
from recsearch.data.vocabulary import DataSpec
from recsearch.evaluation import protocol as module
from recsearch.evaluation.protocol import (
    EvaluationProtocol,
    evaluate,
    headline,
    make_protocol,
    measure,
    recommend,
    users_within_budget,
)

METRICS = ("hr@3", "ndcg@3", "recall@3", "precision@3", "mrr@3")
RECALL = ("recall@3",)


@dataclass(frozen=True)
class TableScorer:
    """Scores from a table; a catalogue is its first `num_items` columns, or all."""

    table: np.ndarray
    num_items: int | None = None

    def score_pairs(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        return self.table[user, item]

    def score_catalogue(self, user: np.ndarray) -> np.ndarray:
        return self.table[user, : self.num_items].copy()


def encoded(pairs: list[tuple[int, int]], label: list[float] | None = None) -> Encoded:
    user, item = np.array(pairs, np.int32).reshape(-1, 2).T
    return Encoded(user, item, np.array(label or [1.0] * len(pairs), np.float32))


def make_data(
    task: Task,
    train: list[tuple[int, int]],
    holdout: Encoded,
    shape: tuple[int, int],
    candidates: EncodedCandidates | None = None,
) -> PreparedData:
    num_users, num_items = shape
    known = encoded(train)
    spec = DataSpec(task, num_users, num_items, len(train), 1.0, 1.0, 1.0)
    seen = SeenItems.of(known, num_users, num_items)
    return PreparedData(spec, known, holdout, seen, {}, candidates)


def slow_metrics(data: PreparedData, table: np.ndarray) -> dict[str, float]:
    """Ranks by sorting lists in plain Python, user by user, with a cutoff of 3."""
    seen: dict[int, set[int]] = {}
    for user, item in zip(data.train.user.tolist(), data.train.item.tolist(), strict=True):
        seen.setdefault(user, set()).add(item)
    wanted: dict[int, set[int]] = {}
    for user, item in zip(data.holdout.user.tolist(), data.holdout.item.tolist(), strict=True):
        if user > 0:
            wanted.setdefault(user, set()).add(item)
    totals = dict.fromkeys(METRICS, 0.0)
    for user, relevant in wanted.items():
        items = [i for i in range(1, data.spec.num_items) if i not in seen.get(user, set())]
        items.sort(key=lambda i, user=user: -table[user, i])
        found = [rank for rank, item in enumerate(items[:3], 1) if item in relevant]
        gain = sum(1 / math.log2(1 + rank) for rank in found)
        ideal = sum(1 / math.log2(1 + rank) for rank in range(1, min(3, len(relevant)) + 1))
        totals["hr@3"] += bool(found)
        totals["ndcg@3"] += gain / ideal
        totals["recall@3"] += len(found) / len(relevant)
        totals["precision@3"] += len(found) / 3
        totals["mrr@3"] += 1 / found[0] if found else 0.0
    return {name: total / len(wanted) for name, total in totals.items()}


@pytest.fixture
def random_case() -> tuple[PreparedData, np.ndarray]:
    """30 users, 20 items; some held-out rows are of an unknown user or item, some were seen."""
    rng = np.random.default_rng(4)
    train = [(int(u), int(i)) for u in range(1, 30) for i in rng.choice(np.arange(1, 20), 5, False)]
    unknown = {(0, 3), (0, 4), (5, 0), train[0]}
    holdout = {(int(u), int(i)) for u, i in rng.integers(1, [30, 20], (80, 2))} | unknown
    rows = rng.permutation(np.array(sorted(holdout)))
    data = make_data(Task.IMPLICIT, train, encoded(rows.tolist()), (30, 20))
    return data, rng.normal(size=(30, 20)).astype(np.float32)


def test_whole_catalogue_equals_a_plain_loop(random_case, monkeypatch) -> None:
    data, table = random_case
    expected = slow_metrics(data, table)
    protocol = make_protocol(data, METRICS)
    assert evaluate(TableScorer(table), data, protocol) == pytest.approx(expected)
    assert 0.1 < expected["hr@3"] < 0.9
    monkeypatch.setattr(module, "CELLS_PER_BLOCK", 7 * 20 + 3)  # blocks of 7 users
    assert evaluate(TableScorer(table), data, protocol) == pytest.approx(expected)


def test_whole_catalogue_by_hand() -> None:
    holdout = encoded([(1, 3), (1, 4), (2, 1), (0, 2)])
    data = make_data(Task.IMPLICIT, [(1, 1), (2, 2)], holdout, (3, 5))
    table = np.array([[9] * 5, [9, 5, 4, 3, 2], [9, 1, 5, 2, 3]], np.float32)
    # User 1 is offered 2, 3, 4 in this order: 3 at rank 2, 4 at rank 3. User 2: 4, 3, 1: rank 3.
    result = evaluate(TableScorer(table), data, make_protocol(data, ("hr@2", "recall@2", "mrr@3")))
    assert result == pytest.approx(
        {"hr@2": 1 / 2, "recall@2": (1 / 2 + 0) / 2, "mrr@3": (1 / 2 + 1 / 3) / 2}
    )


def test_held_out_items_unknown_in_training_are_misses() -> None:
    data = make_data(Task.IMPLICIT, [(1, 1)], encoded([(1, 0), (1, 3), (1, 0)]), (2, 5))
    table = np.array([[0] * 5, [9, 1, 2, 3, 1]], np.float32)
    result = evaluate(TableScorer(table), data, make_protocol(data, ("recall@3", "hr@3")))
    assert result == pytest.approx({"recall@3": 1 / 3, "hr@3": 1.0})


def test_scores_of_seen_and_unknown_items_do_not_matter(random_case) -> None:
    data, table = random_case
    changed = table.copy()
    changed[data.train.user, data.train.item] = 100.0
    changed[:, 0] = 100.0
    protocol = make_protocol(data, METRICS)
    assert evaluate(TableScorer(changed), data, protocol) == evaluate(
        TableScorer(table), data, protocol
    )


def test_constant_scorer_gets_0(random_case) -> None:
    data, table = random_case
    result = evaluate(TableScorer(np.ones_like(table)), data, make_protocol(data, METRICS))
    assert result == dict.fromkeys(METRICS, 0.0)


def test_perfect_scorer_gets_1() -> None:
    holdout = encoded([(1, 3), (2, 1)])
    data = make_data(Task.IMPLICIT, [(1, 1), (2, 2)], holdout, (3, 5))
    table = np.zeros((3, 5), np.float32)
    table[[1, 2], [3, 1]] = 1.0
    result = evaluate(TableScorer(table), data, make_protocol(data, ("hr@1", "ndcg@3", "mrr@3")))
    assert result == {"hr@1": 1.0, "ndcg@3": 1.0, "mrr@3": 1.0}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_diverged_scores_of_a_catalogue_raise(random_case, value: float) -> None:
    data, table = random_case
    table[3, 7] = value
    with pytest.raises(ValueError, match="model has diverged"):
        evaluate(TableScorer(table), data, make_protocol(data, METRICS))


def test_protocol_leaves_unknown_users_out_and_says_so(random_case) -> None:
    data, _ = random_case
    protocol = make_protocol(data, METRICS)
    assert protocol.users is not None
    expected = sorted({int(user) for user in data.holdout.user if user > 0})
    assert protocol.users.tolist() == expected
    assert protocol.metrics == METRICS
    assert protocol.description == (
        "whole catalogue (19 items) without each user's training items, "
        f"all {len(expected)} users with a held-out item; "
        "held-out rows of users unknown in training are left out: 2"
    )


def test_protocol_samples_users_by_seed(random_case) -> None:
    data, table = random_case
    first, again, other = (make_protocol(data, METRICS, 10, seed) for seed in (1, 1, 2))
    total = len(make_protocol(data, METRICS).users)
    assert first.users.tolist() == again.users.tolist() == sorted(set(first.users.tolist()))
    assert len(first.users) == 10
    assert first.users.tolist() != other.users.tolist()
    assert f"a seeded sample of 10 of {total} users" in first.description
    mine = np.isin(data.holdout.user, first.users)
    part = Encoded(data.holdout.user[mine], data.holdout.item[mine], data.holdout.label[mine])
    expected = slow_metrics(replace(data, holdout=part), table)
    assert evaluate(TableScorer(table), data, first) == pytest.approx(expected)


def test_users_within_budget_follows_from_the_data() -> None:
    train = [(1, item) for item in range(1, 10)]
    data = make_data(Task.IMPLICIT, train, encoded([(1, 1)]), (2, 10))
    assert users_within_budget(data) == 50 * 9 // 10
    huge = replace(data, spec=replace(data.spec, num_items=1_000_000))
    assert users_within_budget(huge) == 1


def candidate_case() -> tuple[PreparedData, np.ndarray]:
    item = [[2, 1, 3, 4], [4, 3, -1, -1], [0, 1, 2, 3], [1, 0, 2, -1], [1, 2, 3, 4]]
    lists = EncodedCandidates(np.array([1, 1, 2, 2, 0], np.int32), np.array(item, np.int32))
    data = make_data(Task.IMPLICIT, [(1, 1)], encoded([(1, 2)]), (3, 5), lists)
    table = np.array([[9, 5, 6, 1, 1], [9, 3, 2, 1, 0], [9, 1, 1, 1, 1]], np.float32)
    return data, table


def test_candidates_by_hand() -> None:
    data, table = candidate_case()
    protocol = make_protocol(data, ("hr@1", "hr@2", "mrr@3"))
    assert protocol.users.tolist() == [1, 2]
    assert protocol.description == (
        "4 given lists of one positive among 3 negatives; "
        "lists of users unknown in training are left out: 1"
    )
    # Ranks: 1 (2 behind item 1: rank 2), 2 (behind item 3), an unknown positive: never, and 2:
    # list 4 ranks 1 behind 2, which ties; the unknown negative 0 is not ranked.
    result = evaluate(TableScorer(table), data, protocol)
    assert result == pytest.approx({"hr@1": 0.0, "hr@2": 3 / 4, "mrr@3": 3 * (1 / 2) / 4})


def test_candidates_constant_scorer_gets_0() -> None:
    data, table = candidate_case()
    result = evaluate(
        TableScorer(np.zeros_like(table)), data, make_protocol(data, ("hr@1", "mrr@1"))
    )
    assert result == {"hr@1": 0.0, "mrr@1": 0.0}


def test_candidates_that_repeat_or_are_unknown_are_not_ranked() -> None:
    # The first list repeats its positive (-1 in its place) and holds an item unknown in training.
    lists = EncodedCandidates(np.array([1, 1], np.int32), np.array([[2, -1, 9], [9, 2, 1]]))
    data = make_data(Task.IMPLICIT, [(1, 1)], encoded([(1, 2)]), (2, 5), lists)
    scorer = TableScorer(np.ones((2, 10), np.float32))
    results = measure(scorer, data, make_protocol(data, ("mrr@3",)))
    assert results.rank.tolist() == [1, 4]
    assert results.item.tolist() == [2, 9]


def test_lists_of_unknown_users_are_ranked_on_request() -> None:
    lists = EncodedCandidates(np.array([1, 4, 0], np.int32), np.array([[2, 3], [3, 2], [3, 2]]))
    data = make_data(Task.IMPLICIT, [(1, 1)], encoded([(1, 2)]), (2, 5), lists)
    scorer = TableScorer(np.tile(np.array([0, 1, 2, 3, 4], np.float32), (5, 1)))
    protocol = make_protocol(data, ("hr@1",), unknown_users=True)
    results = measure(scorer, data, protocol)
    assert results.user.tolist() == [1, 4]
    assert results.metrics(["hr@1"]) == {"hr@1": 1 / 2}
    assert headline(results, data).metrics(["hr@1"]) == evaluate(
        scorer, data, make_protocol(data, ("hr@1",))
    )
    assert protocol.description.startswith("2 given lists of one positive among 1 negatives; ")


# Users and items that training does not know


def unknown_case() -> tuple[PreparedData, TableScorer]:
    """2 users and 4 items in training; held out too: user 3, the user 0, and item 5."""
    holdout = encoded([(1, 3), (1, 5), (3, 4), (0, 4)])
    data = make_data(Task.IMPLICIT, [(1, 1), (2, 2)], holdout, (3, 5))
    table = np.tile(np.array([9, 1, 2, 3, 4, 9], np.float32), (4, 1))
    return data, TableScorer(table, num_items=5)


def test_results_hold_every_held_out_item_of_the_users_that_training_knows() -> None:
    data, scorer = unknown_case()
    protocol = make_protocol(data, RECALL)
    results = measure(scorer, data, protocol)
    assert results.user.tolist() == [1]
    assert results.item.tolist() == [3, 5]
    assert results.rank.tolist() == [2, 4]  # behind item 4; item 5 is never found
    assert results.metrics(protocol.metrics) == evaluate(scorer, data, protocol)
    assert protocol.description.endswith("users unknown in training are left out: 2")


def test_unknown_users_are_ranked_on_request_and_are_not_in_the_headline() -> None:
    data, scorer = unknown_case()
    protocol = make_protocol(data, RECALL, unknown_users=True)
    results = measure(scorer, data, protocol)
    assert protocol.description.endswith("users unknown in training are left out: 1")
    assert results.user.tolist() == [1, 3]
    assert results.metrics(RECALL) == pytest.approx({"recall@3": (1 / 2 + 1) / 2})
    assert headline(results, data).metrics(RECALL) == evaluate(
        scorer, data, make_protocol(data, RECALL)
    )


def test_users_that_training_knows_none_of_are_ranked_for() -> None:
    holdout = encoded([(3, 4), (4, 1), (4, 4), (0, 2)])
    data = make_data(Task.IMPLICIT, [(1, 1), (2, 2)], holdout, (3, 5))
    scorer = TableScorer(np.tile(np.array([9, 1, 2, 3, 4], np.float32), (5, 1)))
    protocol = make_protocol(data, ("recall@2",))
    assert protocol.users.tolist() == [3, 4]
    results = measure(scorer, data, protocol)
    assert results.metrics(["recall@2"]) == pytest.approx({"recall@2": (1 + 1 / 2) / 2})
    assert headline(results, data).users.tolist() == [3, 4]


def test_items_that_training_knows_none_of_are_ranked_among_each_other() -> None:
    holdout = encoded([(1, 6), (2, 7), (1, 5), (2, 0)])
    data = make_data(Task.IMPLICIT, [(1, 1), (2, 2)], holdout, (3, 5))
    table = np.zeros((3, 8), np.float32)
    table[:, 5:] = [[0, 0, 0], [1, 2, 3], [3, 2, 1]]
    protocol = make_protocol(data, ("mrr@3", "recall@3"))
    assert protocol.description.startswith(
        "catalogue of the 3 held-out items unknown in training, all 2 users"
    )
    results = measure(TableScorer(table), data, protocol)
    # User 1: 7, 6, 5, of which 6 and 5 are his: the first at rank 2. User 2: 5, 6, 7: rank 3.
    assert results.item.tolist() == [6, 5, 7, 0]
    assert results.rank.tolist() == [2, 3, 3, 4]
    alike = evaluate(TableScorer(np.zeros_like(table)), data, protocol)
    assert alike["mrr@3"] == pytest.approx((1 / 2 + 1 / 3) / 2)


def test_recommended_lists_hold_no_training_item_and_tell_its_users() -> None:
    data = make_data(Task.IMPLICIT, [(1, 1), (2, 1), (2, 2)], encoded([(1, 3)]), (3, 5))
    scorer = TableScorer(np.tile(np.array([9, 4, 3, 2, 1], np.float32), (3, 1)))
    lists = recommend(scorer, data, np.array([1, 2], np.int32), 3)
    assert lists.items.tolist() == [[2, 3, 4], [3, 4, -1]]
    assert lists.counts.tolist() == [0, 2, 1, 0, 0]
    assert lists.num_users == 2


def pair_case(task: Task, label: list[float]) -> PreparedData:
    return make_data(task, [(1, 1)], encoded([(1, 1), (1, 2), (0, 1)], label), (2, 3))


def test_ratings_by_hand() -> None:
    data = pair_case(Task.RATING, [5.0, 3.0, 1.0])
    table = np.array([[0, 2, 0], [0, 4, 5]], np.float32)
    protocol = make_protocol(data, ("rmse", "mae"))
    assert protocol == EvaluationProtocol(("rmse", "mae"), None, "3 held-out labels")
    result = evaluate(TableScorer(table), data, protocol)
    assert result == pytest.approx({"rmse": math.sqrt((1 + 4 + 1) / 3), "mae": (1 + 2 + 1) / 3})


def test_pairs_are_measured_row_by_row() -> None:
    data = pair_case(Task.RATING, [5.0, 3.0, 1.0])
    table = np.array([[0, 2, 0], [0, 4, 5]], np.float32)
    results = measure(TableScorer(table), data, make_protocol(data, ("rmse",)))
    assert results.user.tolist() == [1, 1, 0]
    assert results.item.tolist() == [1, 2, 1]
    assert results.score.tolist() == [4, 5, 2]
    assert headline(results, data) is results


def test_diverged_ratings_have_no_score() -> None:
    data = pair_case(Task.RATING, [5.0, 3.0, 1.0])
    table = np.full((2, 3), np.nan, np.float32)
    result = evaluate(TableScorer(table), data, make_protocol(data, ("rmse",)))
    assert math.isnan(result["rmse"])


def test_clicks_by_hand() -> None:
    data = pair_case(Task.CLICK, [1.0, 0.0, 0.0])
    table = np.array([[0, 0.5, 0], [0, 0.8, 0.9]], np.float32)
    result = evaluate(TableScorer(table), data, make_protocol(data, ("auc", "log_loss")))
    log_loss = -(math.log(0.8) + math.log(1 - 0.9) + math.log(1 - 0.5)) / 3
    assert result == pytest.approx({"auc": 1 / 2, "log_loss": log_loss})


@pytest.mark.parametrize("break_it", [lambda t: t - 1.0, lambda t: t + 0.5])
def test_clicks_that_are_no_probabilities_raise(break_it: Callable) -> None:
    data = pair_case(Task.CLICK, [1.0, 0.0, 0.0])
    table = break_it(np.full((2, 3), 0.75, np.float32))
    with pytest.raises(
        ValueError, match=r"must be a probability in \[0, 1\].*End the model with a sigm"
    ):
        evaluate(TableScorer(table), data, make_protocol(data, ("auc",)))


def test_click_scores_of_nan_give_nan() -> None:
    data = pair_case(Task.CLICK, [1.0, 0.0, 0.0])
    table = np.full((2, 3), np.nan, np.float32)
    result = evaluate(TableScorer(table), data, make_protocol(data, ("auc", "log_loss")))
    assert all(math.isnan(value) for value in result.values())
