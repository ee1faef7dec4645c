"""Splits: what stands in which part, by hand and by property, and each refusal."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recsearch.data.interactions import Candidates, Interactions, Split, Task
from recsearch.data.splitting import (
    SPLIT_METHODS,
    default_split,
    resolve_split_method,
    split_given,
    split_interactions,
)
from recsearch.errors import DataError, UsageError

Pairs = list[tuple[object, object]]


def table(
    users: Sequence[object], items: Sequence[object], timestamps: Sequence[int] | None = None
) -> Interactions:
    """Returns interactions whose labels are their row numbers, so that rows can be told apart."""
    return Interactions(
        ids(users),
        ids(items),
        np.arange(len(users), dtype=np.float32),
        None if timestamps is None else np.array(timestamps, dtype=np.int64),
    )


def ids(values: Sequence[object]) -> pa.Array:
    array = pa.array(values)
    return array.dictionary_encode() if pa.types.is_string(array.type) else array.cast(pa.int64())


def rows(part: Interactions) -> list[int]:
    return part.label.astype(int).tolist()


def pairs(part: Interactions) -> Pairs:
    return list(zip(part.user_id.to_pylist(), part.item_id.to_pylist(), strict=True))


def same_parts(first: Split, other: Split) -> bool:
    return rows(first.train) == rows(other.train) and rows(first.test) == rows(other.test)


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


@given(interaction_tables(), st.sampled_from(SPLIT_METHODS), st.integers(0, 99))
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


@given(interaction_tables(), st.sampled_from(SPLIT_METHODS), st.integers(0, 99))
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
        "they stay wholly in the training part and are not evaluated.",
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
    with pytest.raises(UsageError, match=r"leave-last-out split needs timestamps.*--split random"):
        default_split(Task.IMPLICIT, has_timestamp=False)


@pytest.mark.parametrize("method", ["leave-last-out", "temporal"])
def test_split_by_time_without_timestamps_is_refused(method: str) -> None:
    with pytest.raises(UsageError, match=f"{method} split needs timestamps.*--split random"):
        split_interactions(table(range(20), range(20)), method, Task.RATING, seed=0)


def test_resolve_split_method_unknown_is_refused() -> None:
    known = "must be one of random, leave-last-out, temporal. Received 'newest'"
    with pytest.raises(UsageError, match=known):
        resolve_split_method("newest", Task.RATING, has_timestamp=True)


def test_resolve_split_method_named_method_wins() -> None:
    assert resolve_split_method("temporal", Task.IMPLICIT, has_timestamp=True) == "temporal"
    assert resolve_split_method("random", Task.IMPLICIT, has_timestamp=False) == "random"


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


def test_split_one_item_is_refused() -> None:
    with pytest.raises(DataError, match=r"2 users and 2 items.*Received 20 users and 1 items"):
        split_interactions(table(range(20), [7] * 20), "random", Task.RATING, seed=0)


def test_given_three_parts_are_kept() -> None:
    train, test, validation = table([1, 2], [1, 1]), table([1], [2]), table([2], [3])
    split = split_given(train, test, validation, None, Task.RATING, seed=0)
    assert (split.train, split.validation, split.test) == (train, validation, test)
    assert (split.description, split.notes) == ("validation and test parts as given", ())


def test_given_pairs_in_two_parts_stay_in_the_later_one() -> None:
    train = table(["a", "b", "c", "d"], ["X", "X", "Y", "Z"])
    validation = table(["b", "c"], ["X", "Z"])
    test = table(["c", "c"], ["Y", "Z"])
    split = split_given(train, test, validation, None, Task.IMPLICIT, seed=0)
    assert pairs(split.train) == [("a", "X"), ("d", "Z")]
    assert pairs(split.validation) == [("b", "X")]
    assert pairs(split.test) == [("c", "Y"), ("c", "Z")]
    assert [note.split(" interactions")[0] for note in split.notes] == [
        "2 of 4 training",
        "1 of 2 validation",
    ]


def test_given_implicit_with_timestamps_validates_on_the_last_of_each_user() -> None:
    train = table([1, 1, 1, 2, 3, 3], [1, 2, 3, 1, 1, 2], [5, 9, 7, 1, 4, 4])
    split = split_given(train, table([1], [9], [10]), None, None, Task.IMPLICIT, seed=0)
    assert rows(split.validation) == [1, 5]  # user 2 has one interaction and keeps it
    assert rows(split.train) == [0, 2, 3, 4]
    assert split.description.endswith("validation: each user's last training interaction")


def test_given_overlap_is_dropped_before_validation_is_cut() -> None:
    train = table([1, 1, 1], [1, 2, 3], [1, 2, 3])
    split = split_given(train, table([1], [3], [3]), None, None, Task.IMPLICIT, seed=0)
    assert (rows(split.train), rows(split.validation)) == ([0], [1])


@pytest.mark.parametrize(
    ("task", "timestamps"),
    [(Task.IMPLICIT, None), (Task.RATING, range(50)), (Task.CLICK, None)],
)
def test_given_otherwise_validates_on_a_random_tenth(
    task: Task, timestamps: Sequence[int] | None
) -> None:
    train, test = table(range(50), range(50), timestamps), table([1], [9])
    splits = [split_given(train, test, None, None, task, seed) for seed in (0, 0, 1)]
    assert [len(split.validation) for split in splits] == [5, 5, 5]
    assert sorted(rows(splits[0].train) + rows(splits[0].validation)) == list(range(50))
    assert same_parts(splits[0], splits[1])
    assert not same_parts(splits[0], splits[2])
    assert splits[0].description.endswith("random 10 % of the training rows, seed 0")


def test_given_training_too_small_for_validation_is_refused() -> None:
    test = table([1], [9], [9])
    with pytest.raises(DataError, match=r"10 rows are needed. Received 9 rows of 9 users.*--vali"):
        split_given(table(range(9), range(9)), test, None, None, Task.RATING, seed=0)
    once = table(range(20), range(20), range(20))
    with pytest.raises(DataError, match="no user has two training interactions"):
        split_given(once, test, None, None, Task.IMPLICIT, seed=0)


def test_given_empty_part_is_refused() -> None:
    train, nothing = table(range(20), range(20)), table([1], [1]).take(np.array([False]))
    with pytest.raises(DataError, match=r"The test part cannot be used.*test 0 rows"):
        split_given(train, nothing, None, None, Task.RATING, seed=0)
    with pytest.raises(DataError, match=r"The training part cannot be used.*training 0, valid"):
        split_given(train, train, table([77], [77]), None, Task.RATING, seed=0)


def test_given_ids_of_two_types_are_refused() -> None:
    train, test = table([1, 2], [1, 2]), table(["1"], ["2"])
    with pytest.raises(DataError, match="training: numbers, test: text") as caught:
        split_given(train, test, None, None, Task.RATING, seed=0)
    assert [fault.split(" must")[0] for fault in caught.value.faults] == ["user_id", "item_id"]


def candidate_lists(users: Sequence[object], items: Sequence[object]) -> Candidates:
    return Candidates(ids(users), ids(items), ids([900] * 2 * len(users)), num_negatives=2)


def test_given_candidates_of_each_test_row() -> None:
    train, test = table(range(20), range(20)), table([1, 2], [7, 8])
    candidates = candidate_lists([2, 1], [8, 7])
    split = split_given(train, test, None, candidates, Task.RATING, seed=0)
    assert split.candidates is candidates
    assert split.notes == ()


def test_given_candidates_of_some_test_rows_are_noted() -> None:
    train, test = table(range(20), range(20)), table([1, 2, 3], [7, 8, 9])
    split = split_given(train, test, None, candidate_lists([2], [8]), Task.RATING, seed=0)
    assert len(split.test) == 3
    assert split.notes == (
        "2 of 3 test interactions have no candidate list: only those with a list are evaluated.",
    )


def test_given_candidates_without_test_row_are_refused() -> None:
    train, test = table(list("abcdefghijkl"), list("ABCDEFGHIJKL")), table(["a"], ["Z"])
    lists = candidate_lists(["a", "b", "b"], ["Z", "Y", "X"])
    with pytest.raises(DataError, match="2 of 3 are not; the first is list 2: user 'b', item 'Y'"):
        split_given(train, test, None, lists, Task.IMPLICIT, seed=0)


@pytest.mark.parametrize("method", SPLIT_METHODS)
def test_split_half_a_million_rows_is_quick(method: str, rng: np.random.Generator) -> None:
    user, item, timestamp = (rng.integers(0, top, 500_000) for top in (30_000, 9_000, 10**6))
    label = np.ones(500_000, dtype=np.float32)
    start = time.perf_counter()
    split_interactions(
        Interactions(pa.array(user), pa.array(item), label, timestamp), method, Task.IMPLICIT, 0
    )
    assert time.perf_counter() - start < 2.0


def test_published_ncf_split_of_ml_1m_is_accepted_whole(shared_data: Path) -> None:
    folder = shared_data / "ml-1m" / "ncf"

    def read(name: str) -> Interactions:
        columns = pq.read_table(folder / name)
        user, item = (column.combine_chunks().cast(pa.int64()) for column in columns.columns[:2])
        timestamp: NDArray[np.int64] = columns.column("timestamp").to_numpy().astype(np.int64)
        return Interactions(user, item, np.ones(len(user), dtype=np.float32), timestamp)

    train, test = read("train.parquet"), read("test.parquet")
    lists = pq.read_table(folder / "test_negatives.parquet")
    user, item = (column.combine_chunks().cast(pa.int64()) for column in lists.columns[:2])
    negatives = np.stack([column.to_numpy() for column in lists.columns[2:]], axis=1)
    candidates = Candidates(user, item, pa.array(negatives.ravel(), pa.int64()), num_negatives=99)
    split = split_given(train, test, None, candidates, Task.IMPLICIT, seed=0)
    assert len(split.train) + len(split.validation) == len(train)
    assert len(split.validation) == len(split.test) == 6_040  # a row a user
    assert split.notes == ()
