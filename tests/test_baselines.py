"""What all baselines have in common: their names, their parameters, how they score."""

import numpy as np
import pytest
from baseline_data import (
    checkerboard_train,
    encoded,
    index,
    parity_column,
    prepared,
    random_train,
)

from recsearch.baselines import TooLargeError, applicable, fit
from recsearch.baselines.registry import BASELINES
from recsearch.data.interactions import ColumnKind
from recsearch.data.preparation import PreparedData
from recsearch.data.task import Task
from recsearch.data.vocabulary import ColumnSpec
from recsearch.errors import RecsearchError, UsageError

EVERY = [(name, task) for task in Task for name in BASELINES[task]]
PERSONAL = ["item_knn", "user_knn", "ease", "pure_svd", "ials"]  # by interactions alone


def random_data(task: Task) -> PreparedData:
    """Twelve users and nine items, of which the last ones have no interaction."""
    train = random_train(np.random.default_rng(0), task)
    return prepared(train, 12, 9, task, columns=parity_column())


def test_applicable_baselines_of_each_task():
    names = {task: applicable(task, random_data(task).spec) for task in Task}
    assert names == {
        Task.IMPLICIT: (
            "popularity", "item_knn", "user_knn", "ease", "pure_svd", "ials", "content",
        ),
        Task.RATING: ("bias", "item_knn", "user_knn"),
        Task.CLICK: ("popularity", "bias"),
    }  # fmt: skip
    assert len(EVERY) == 12


def test_content_is_applicable_only_with_a_column_of_values():
    numeric = {"item_year": (ColumnSpec("item_year", ColumnKind.NUMERIC), np.zeros(9, np.float32))}
    for columns in ({}, numeric):
        spec = prepared(checkerboard_train(), 9, 9, columns=columns).spec
        assert applicable(Task.IMPLICIT, spec)[-1] == "ials"


@pytest.mark.parametrize(("name", "task"), EVERY)
def test_baseline_scores_pairs_as_the_catalogue(name, task):
    scorer = fit(name, random_data(task), {})
    catalogue = scorer.score_catalogue(np.arange(12, dtype=np.int32))
    user, item = np.divmod(np.arange(12 * 9, dtype=np.int32), 9)
    pairs = scorer.score_pairs(user, item)
    assert (catalogue.shape, catalogue.dtype) == ((12, 9), np.float32)
    assert (pairs.shape, pairs.dtype) == ((108,), np.float32)
    assert np.isfinite(catalogue).all()
    known = item > 0  # column 0 of a catalogue means nothing
    np.testing.assert_allclose(pairs[known], catalogue.ravel()[known], rtol=1e-5, atol=1e-6)
    assert np.isfinite(pairs).all()


@pytest.mark.parametrize(("name", "task"), EVERY)
def test_baseline_returns_a_new_catalogue_each_time(name, task):
    scorer = fit(name, random_data(task), {})
    first = scorer.score_catalogue(index(1, 2))
    expected = first.copy()
    first[:] = -np.inf
    np.testing.assert_array_equal(scorer.score_catalogue(index(1, 2)), expected)


@pytest.mark.parametrize(("name", "task"), EVERY)
def test_baseline_of_no_pairs_is_empty(name, task):
    scorer = fit(name, random_data(task), {})
    assert scorer.score_pairs(index(), index()).shape == (0,)
    assert scorer.score_catalogue(index()).shape == (0, 9)


@pytest.mark.parametrize(("name", "task"), EVERY)
def test_baseline_is_the_same_each_time(name, task):
    first, second = (fit(name, random_data(task), {}) for _ in range(2))
    users = np.arange(12, dtype=np.int32)
    np.testing.assert_array_equal(first.score_catalogue(users), second.score_catalogue(users))


@pytest.mark.parametrize("name", [*PERSONAL, "content"])
def test_scores_of_unknown_users_and_items_are_zero(name):
    scorer = fit(name, random_data(Task.IMPLICIT), {})
    assert not scorer.score_catalogue(index(0)).any()
    assert scorer.score_pairs(index(0, 3, 0), index(4, 0, 0)).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("item_knn", {}),
        ("user_knn", {}),
        ("item_knn", {"weighting": "idf", "shrink": 2.0}),
        ("user_knn", {"weighting": "idf", "shrink": 2.0}),
        ("ease", {"l2": 1.0}),
        ("pure_svd", {"factors": 2}),
        ("ials", {"factors": 4}),
        ("content", {}),
    ],
)
def test_withheld_item_of_a_checkerboard_is_found(name, parameters):
    train = checkerboard_train()
    scorer = fit(name, prepared(train, 9, 9, columns=parity_column()), parameters)
    users = np.arange(1, 9, dtype=np.int32)
    scores = scorer.score_catalogue(users)
    scores[train.user - 1, train.item] = -np.inf
    scores[:, 0] = -np.inf
    assert scores.argmax(axis=1).tolist() == users.tolist()


def test_fit_of_an_unknown_name_is_refused():
    with pytest.raises(
        UsageError, match=r"task rating must be one of bias, item_knn, user_knn. .*'ease'"
    ):
        fit("ease", random_data(Task.RATING), {})


def test_fit_of_an_unknown_parameter_is_refused():
    with pytest.raises(UsageError, match=r"parameters of ease are: l2. Received factors"):
        fit("ease", random_data(Task.IMPLICIT), {"factors": 3})
    with pytest.raises(UsageError, match=r"parameters of popularity are: none. Received l2"):
        fit("popularity", random_data(Task.IMPLICIT), {"l2": 3})


def test_fit_uses_the_parameters():
    data = prepared(checkerboard_train(), 9, 9)
    weak = fit("ease", data, {"l2": 1.0}).score_catalogue(index(1))
    strong = fit("ease", data, {"l2": 1e6}).score_catalogue(index(1))
    assert weak.max() > 0.1
    assert strong.max() < 1e-4


@pytest.mark.parametrize(
    ("name", "task"),
    [("item_knn", Task.IMPLICIT), ("item_knn", Task.RATING), ("ease", Task.IMPLICIT)],
)
def test_items_of_too_many_pairs_are_refused(name, task):
    num = 60_000 if name == "item_knn" else 6_000
    users = 1 if name == "item_knn" else 100
    user, item = np.divmod(np.arange(users * num), num)
    data = prepared(encoded(user + 1, item + 1), users + 1, num + 1, task)
    with pytest.raises(TooLargeError, match=rf"{name} compares .* of items .* have 3,600,000,000"):
        fit(name, data, {})
    assert issubclass(TooLargeError, RecsearchError)


@pytest.mark.parametrize("task", [Task.IMPLICIT, Task.RATING])
def test_users_of_too_many_pairs_are_refused(task):
    num = 60_000
    data = prepared(encoded(np.arange(1, num + 1), np.ones(num)), num + 1, 2, task)
    with pytest.raises(TooLargeError, match=r"user_knn compares .* of users .* 3,600,000,000"):
        fit("user_knn", data, {})


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("item_knn", {"num_neighbours": 300}, "300 neighbours of each of 1,000,000 items .* 4.8"),
        ("pure_svd", {"factors": 300}, "300 factors of 400 users and 1,000,000 items .* 5.3"),
        ("ials", {"factors": 600}, "600 factors of 400 users and 1,000,000 items .* 4.8"),
        ("ease", {}, "have 999,999 items, .* 8000.0"),
    ],
)
def test_too_many_items_are_refused_before_memory_is_taken(name, parameters, message):
    data = prepared(encoded([1], [1]), 400, 1_000_000)
    with pytest.raises(TooLargeError, match=rf"{name} .*{message} GB"):
        fit(name, data, parameters)


def test_too_many_users_are_refused_before_memory_is_taken():
    data = prepared(encoded([1], [1]), 1_000_000, 400)
    with pytest.raises(TooLargeError, match="300 neighbours of each of 1,000,000 users"):
        fit("user_knn", data, {"num_neighbours": 300})


def test_ials_that_would_take_hours_is_refused():
    train = encoded(np.arange(1, 1001), np.arange(1, 1001))
    with pytest.raises(TooLargeError, match=r"ials .* at most 2e\+13 .*100000 sweeps .* 4e\+15"):
        fit("ials", prepared(train, 1001, 1001), {"sweeps": 10**5, "factors": 400})
