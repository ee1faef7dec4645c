"""Metrics are found by name, and each says what it is."""

import pytest

from recsearch.data.task import Task
from recsearch.errors import UsageError
from recsearch.metrics import deepest_cutoff, default_objective, find_metric, metrics_for


@pytest.mark.parametrize(
    ("name", "direction", "family", "cutoff"),
    [
        ("rmse", "min", "rmse", None),
        ("mae", "min", "mae", None),
        ("log_loss", "min", "log_loss", None),
        ("auc", "max", "auc", None),
        ("user_auc", "max", "user_auc", None),
        ("hr@1", "max", "hr", 1),
        ("ndcg@10", "max", "ndcg", 10),
        ("recall@20", "max", "recall", 20),
        ("precision@5", "max", "precision", 5),
        ("mrr@100", "max", "mrr", 100),
        ("map@10", "max", "map", 10),
        ("coverage@10", "max", "coverage", 10),
        ("gini@10", "min", "gini", 10),
        ("novelty@10", "max", "novelty", 10),
        ("popularity@10", "min", "popularity", 10),
        ("diversity@10", "max", "diversity", 10),
    ],
)
def test_find_metric_of_known_name(name, direction, family, cutoff):
    metric = find_metric(name)
    assert (metric.name, metric.direction, metric.family, metric.cutoff) == (
        name,
        direction,
        family,
        cutoff,
    )
    assert metric.formula
    assert metric.source
    assert metric.variant


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ndgc@10", "Did you mean ndcg@10"),
        ("NDCG@10", "Did you mean ndcg@10"),
        ("ndcg", "Did you mean ndcg@5"),
        ("rsme", "Did you mean rmse"),
        ("rmse@10", "Did you mean"),
        ("ndcg@0", "k at least 1"),
        ("ndcg@-1", "k at least 1"),
        ("ndcg@05", "k at least 1"),
        ("ndcg@1.5", "k at least 1"),
        ("ndcg@", "k at least 1"),
        ("", "Received ''"),
        ("zzzz", "one of rmse, mae, auc, user_auc, log_loss, hr@k, ndcg@k, recall@k, precision@k,"),
        ("zzzz", "mrr@k, map@k, coverage@k, gini@k, novelty@k, popularity@k, diversity@k"),
        ("user_auc@5", "k at least 1"),
    ],
)
def test_find_metric_of_unknown_name_tells_close_ones_and_listing(name, hint):
    with pytest.raises(UsageError, match=hint):
        find_metric(name)


def test_metrics_for_every_task_exist_and_hold_the_objective():
    for task in Task:
        names = metrics_for(task)
        assert [find_metric(name).name for name in names] == list(names)
        assert default_objective(task) in names
    assert metrics_for(Task.RATING) == ("rmse", "mae")
    assert metrics_for(Task.CLICK) == ("auc", "user_auc", "log_loss")
    assert len(metrics_for(Task.IMPLICIT)) == 6 * 3


def test_deepest_cutoff_is_the_largest_and_zero_without_ranking():
    assert deepest_cutoff(["hr@5", "ndcg@20", "mrr@10"]) == 20
    assert deepest_cutoff(["rmse"]) == 0
    assert deepest_cutoff([]) == 0


@pytest.mark.parametrize(("task", "kind"), [(Task.RATING, "pairs"), (Task.IMPLICIT, "ranks")])
def test_metrics_for_a_task_are_of_one_kind(task, kind):
    assert {find_metric(name).kind for name in metrics_for(task)} == {kind}


def test_metrics_of_lists_tell_their_kind():
    assert find_metric("gini@5").kind == "lists"
