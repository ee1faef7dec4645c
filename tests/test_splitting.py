"""Splits: what stands in which part, by hand and by property, and each refusal."""

import time
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from interaction_tables import pairs, rows, same_parts, table

from recsearch.data.interactions import Interactions
from recsearch.data.splitting import (
    default_split,
    resolve_split_method,
    split_interactions,
)
from recsearch.data.task import SPLIT_METHODS, Task
from recsearch.errors import DataError, UsageError

BY_ROW = ("random", "leave-last-out", "temporal")  # the others hold out whole users or items


@st.composite
def interaction_tables(draw: st.DrawFn) -> Interactions:
    """Up to 12 users and 12 items, no pair twice, few different timestamps (so: many ties)."""
    numbers = draw(st.lists(st.integers(0, 143), min_size=30, max_size=144, unique=True))
    as_text = draw(st.booleans())
    timestamps = draw(st.lists(st.integers(0, 9), min_size=len(numbers), max_size=len(numbers)))
    users, items = [number // 12 for number in numbers], [number % 12 for number in numbers]
    if as_text:
        return table([f"u{user}" for user in users], [f"i{item}" for item in items], timestamps)
    return table(users, items, timestamps)


@given(interaction_tables(), st.sampled_from(BY_ROW), st.integers(0, 99))
def test_parts_are_disjoint_complete_and_in_input_order(
    interactions: Interactions, method: str, seed: int
) -> None:
    split = split_interactions(interactions, method, Task.IMPLICIT, seed)
    parts = (split.train, split.validation, split.test)
    for part in parts:
        assert rows(part) == sorted(rows(part))
        assert pairs(part) == [pairs(interactions)[row] for row in rows(part)]
        assert part.timestamp is not None
        assert interactions.timestamp is not None
        np.testing.assert_array_equal(part.timestamp, interactions.timestamp[rows(part)])
    assert sorted(row for part in parts for row in rows(part)) == list(range(len(interactions)))


@given(interaction_tables(), st.sampled_from(BY_ROW), st.integers(0, 99))
def test_same_seed_gives_the_same_parts(interactions: Interactions, method: str, seed: int) -> None:
    first, again = (split_interactions(interactions, method, Task.RATING, seed) for _ in range(2))
    assert same_parts(first, again)


@given(interaction_tables())
def test_temporal_parts_follow_one_another(interactions: Interactions) -> None:
    split = split_interactions(interactions, "temporal", Task.RATING, seed=0)
    held_out = len(interactions) // 10
    assert (len(split.validation), len(split.test)) == (held_out, held_out)
    moments = [
        list(zip(part.timestamp.tolist(), rows(part), strict=True))
        for part in (split.train, split.validation, split.test)
        if part.timestamp is not None
    ]
    assert max(moments[0]) < min(moments[1])  # (timestamp, row): ties by row
    assert max(moments[1]) < min(moments[2])


@given(interaction_tables())
def test_leave_last_out_tests_on_the_latest_of_each_user(interactions: Interactions) -> None:
    split = split_interactions(interactions, "leave-last-out", Task.IMPLICIT, seed=0)
    assert interactions.timestamp is not None
    of_user: dict[object, list[tuple[int, int]]] = {}
    for row, (user, _) in enumerate(pairs(interactions)):
        of_user.setdefault(user, []).append((int(interactions.timestamp[row]), row))
    long = [sorted(history) for history in of_user.values() if len(history) >= 3]
    assert rows(split.test) == sorted(history[-1][1] for history in long)
    assert rows(split.validation) == sorted(history[-2][1] for history in long)
    num_short = len(of_user) - len(long)
    assert split.notes == () if num_short == 0 else f"{num_short} of" in split.notes[0]


def test_random_other_seed_gives_other_parts() -> None:
    interactions = table(range(100), range(100))
    first, other = (
        split_interactions(interactions, "random", Task.RATING, seed) for seed in (0, 1)
    )
    assert not same_parts(first, other)
    assert (len(first.train), len(first.validation), len(first.test)) == (80, 10, 10)
    assert first.description == "random 80/10/10, seed 0"


def test_temporal_by_hand() -> None:
    interactions = table([1, 2] * 5, range(10), [9, 0, 1, 7, 2, 3, 8, 4, 5, 6])
    split = split_interactions(interactions, "temporal", Task.RATING, seed=0)
    assert rows(split.test) == [0]  # timestamp 9
    assert rows(split.validation) == [6]  # timestamp 8
    assert split.description == "temporal 80/10/10"


def test_temporal_equal_timestamps_the_later_row_is_later() -> None:
    interactions = table([1, 2] * 5, range(10), [5] * 10)
    split = split_interactions(interactions, "temporal", Task.RATING, seed=0)
    assert (rows(split.validation), rows(split.test)) == ([8], [9])


def test_leave_last_out_by_hand() -> None:
    users = ["ann", "bob", "ann", "ann", "bob", "eve", "eve", "eve"]
    timestamps = [30, 1, 10, 20, 2, 7, 7, 7]  # eve's are equal: the later row is later
    interactions = table(users, list("ABCDEFGH"), timestamps)
    split = split_interactions(interactions, None, Task.IMPLICIT, seed=0)
    assert pairs(split.test) == [("ann", "A"), ("eve", "H")]
    assert pairs(split.validation) == [("ann", "D"), ("eve", "G")]
    assert pairs(split.train) == [("bob", "B"), ("ann", "C"), ("bob", "E"), ("eve", "F")]
    assert split.description.startswith("leave-last-out")
    assert split.notes == (
        "1 of 3 users have fewer than 3 interactions: "
        "all their rows are in the training part, and they are not evaluated.",
    )


@pytest.mark.parametrize(
    ("task", "method"),
    [
        (Task.RATING, "random"),
        (Task.CLICK, "random"),
        (Task.IMPLICIT, "leave-last-out"),
    ],
)
def test_default_split_of_each_task(task: Task, method: str) -> None:
    assert default_split(task, has_timestamp=True) == method
    assert resolve_split_method(None, task, has_timestamp=True) == method


def test_default_split_without_timestamps() -> None:
    assert default_split(Task.RATING, has_timestamp=False) == "random"
    assert default_split(Task.CLICK, has_timestamp=False) == "random"
    assert default_split(Task.IMPLICIT, has_timestamp=False) == "leave-one-out"


@pytest.mark.parametrize("method", ["leave-last-out", "temporal"])
def test_split_by_time_without_timestamps_is_refused(method: str) -> None:
    with pytest.raises(UsageError, match=f"{method} split needs timestamps.*--split random"):
        split_interactions(table(range(20), range(20)), method, Task.RATING, seed=0)


def test_resolve_split_method_unknown_is_refused() -> None:
    known = "must be one of random, .*, cold-items. Received 'newest'"
    with pytest.raises(UsageError, match=known):
        resolve_split_method("newest", Task.RATING, has_timestamp=True)


def test_resolve_split_method_named_method_wins() -> None:
    assert resolve_split_method("temporal", Task.IMPLICIT, has_timestamp=True) == "temporal"
    assert resolve_split_method("random", Task.IMPLICIT, has_timestamp=False) == "random"


def kinds(interactions: Interactions, method: str) -> list[object]:
    """Returns the user or item of each row: what a cold split keeps together."""
    ids = interactions.user_id if method == "cold-users" else interactions.item_id
    return list(ids.to_pylist())


@pytest.mark.parametrize("method", ["cold-users", "cold-items"])
@given(interactions=interaction_tables(), seed=st.integers(0, 99))
def test_cold_split_shares_no_user_or_item_between_parts(
    method: str, interactions: Interactions, seed: int
) -> None:
    present = len(set(kinds(interactions, method)))
    if present < 10:
        message = f"a {method} split needs at least 10 {method[5:]}. Received {present}"
        with pytest.raises(DataError, match=message):
            split_interactions(interactions, method, Task.RATING, seed)
        return
    split = split_interactions(interactions, method, Task.RATING, seed)
    parts = [set(kinds(part, method)) for part in (split.train, split.validation, split.test)]
    assert [len(part) for part in parts[1:]] == [present // 10, present // 10]
    in_parts = [rows(part) for part in (split.train, split.validation, split.test)]
    assert all(part == sorted(part) for part in in_parts)
    assert sorted(row for part in in_parts for row in part) == list(range(len(interactions)))
    assert sum(len(part) for part in parts) == len(set.union(*parts)) == present


def test_cold_users_by_number() -> None:
    users = [number for number in range(1, 21) for _ in range(number)]  # user u has u interactions
    interactions = table(users, range(len(users)))
    splits = [split_interactions(interactions, "cold-users", Task.CLICK, s) for s in (3, 3, 4)]
    for part in (splits[0].validation, splits[0].test):
        held_out = set(part.user_id.to_pylist())
        assert len(held_out) == 2
        assert len(part) == sum(held_out)
    assert same_parts(splits[0], splits[1])
    assert not same_parts(splits[0], splits[2])
    assert splits[0].description == (
        "cold-users: 10 % of the users with all their interactions for validation, "
        "10 % for test, seed 3"
    )


def test_cold_splits_need_no_timestamps() -> None:
    for method in ("cold-users", "cold-items"):
        assert resolve_split_method(method, Task.IMPLICIT, has_timestamp=False) == method


@pytest.mark.parametrize("method", ["random", "temporal"])
def test_split_too_few_rows_is_refused(method: str) -> None:
    with pytest.raises(DataError, match=f"{method} split needs at least 10 rows. Received 9"):
        split_interactions(table(range(9), range(9), range(9)), method, Task.RATING, seed=0)


def test_split_empty_input_tells_all_faults() -> None:
    nothing = table(pa.array([], pa.int64()), pa.array([], pa.int64()))
    with pytest.raises(DataError, match="0 users and 0 items") as caught:
        split_interactions(nothing, "random", Task.RATING, seed=0)
    assert len(caught.value.faults) == 2


def test_leave_last_out_only_short_histories_is_refused() -> None:
    interactions = table([1, 1, 2, 2], [1, 2, 1, 2], [1, 2, 3, 4])
    with pytest.raises(DataError, match=r"Received 2 users with at most 2.*--split random"):
        split_interactions(interactions, "leave-last-out", Task.IMPLICIT, seed=0)


def test_leave_one_out_holds_out_two_random_interactions_of_each_user() -> None:
    user, item = np.repeat(np.arange(50), 10), np.tile(np.arange(10), 50)
    split = split_interactions(table(user, item), "leave-one-out", Task.IMPLICIT, seed=3)
    assert split.description.startswith("leave-one-out")
    assert split.notes == ()
    for part, count in ((split.train, 8), (split.validation, 1), (split.test, 1)):
        assert np.bincount(part.user_id.to_numpy()).tolist() == [count] * 50
    places = Counter(split.test.item_id.to_pylist())
    assert len(places) > 5  # random places, not one
    assert max(places.values()) < 15


def test_leave_one_out_depends_on_the_seed_and_keeps_short_histories() -> None:
    user, item = [*np.repeat(np.arange(30), 4), 99], [*np.tile(np.arange(4), 30), 1]
    splits = [
        split_interactions(table(user, item), "leave-one-out", Task.IMPLICIT, s) for s in (0, 1)
    ]
    assert splits[0].test.item_id != splits[1].test.item_id
    assert 99 not in splits[0].test.user_id.to_pylist()
    assert splits[0].notes[0].startswith("1 of 31 users have fewer than 3 interactions")


def test_implicit_data_without_times_are_split_with_a_note() -> None:
    user, item = np.repeat(np.arange(30), 4), np.tile(np.arange(4), 30)
    split = split_interactions(table(user, item), None, Task.IMPLICIT, seed=0)
    assert split.description.startswith("leave-one-out")
    assert split.notes[0].startswith("Without timestamps a random interaction of each user")


def test_split_one_item_is_refused() -> None:
    with pytest.raises(DataError, match=r"2 users and 2 items.*Received 20 users and 1 items"):
        split_interactions(table(range(20), [7] * 20), "random", Task.RATING, seed=0)


@pytest.mark.parametrize("method", SPLIT_METHODS)
def test_split_half_a_million_rows_is_quick(method: str, rng: np.random.Generator) -> None:
    user, item, timestamp = (rng.integers(0, top, 500_000) for top in (30_000, 9_000, 10**6))
    label = np.ones(500_000, dtype=np.float32)
    start = time.perf_counter()
    split_interactions(
        Interactions(pa.array(user), pa.array(item), label, timestamp), method, Task.IMPLICIT, 0
    )
    assert time.perf_counter() - start < 2.0
