"""Given parts: what stands in which part, the validation part that is cut, and each refusal."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from interaction_tables import ids, pairs, rows, same_parts, table
from numpy.typing import NDArray

from recsearch.data.given_parts import split_given
from recsearch.data.interactions import Candidates, Interactions
from recsearch.data.task import Task
from recsearch.errors import DataError


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


@pytest.mark.parametrize("timed", ["training", "validation", "both", "neither"])
def test_given_timestamps_count_only_if_training_and_validation_have_them(timed: str) -> None:
    in_train, in_validation = timed in ("training", "both"), timed in ("validation", "both")
    train = table([1, 2], [1, 1], [5, 6] if in_train else None)
    validation = table([2], [3], [7] if in_validation else None)
    split = split_given(train, table([1], [2]), validation, None, Task.IMPLICIT, seed=0)
    kept = [part.timestamp is not None for part in (split.train, split.validation)]
    assert kept == [timed == "both"] * 2
    assert [note.split(":")[0] for note in split.notes] == (
        [] if timed in ("both", "neither") else ["Timestamps are not used"]
    )


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
        "2 of 3 test interactions have no candidate list: only the interactions with a list "
        "are evaluated.",
    )


def test_given_candidates_without_test_row_are_refused() -> None:
    train, test = table(list("abcdefghijkl"), list("ABCDEFGHIJKL")), table(["a"], ["Z"])
    lists = candidate_lists(["a", "b", "b"], ["Z", "Y", "X"])
    with pytest.raises(DataError, match="2 of 3 are not; the first is list 2: user 'b', item 'Y'"):
        split_given(train, test, None, lists, Task.IMPLICIT, seed=0)


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
    # The test part holds each user's last interaction, validation the second-to-last.
    assert train.timestamp is not None
    assert split.validation.timestamp is not None
    latest = np.zeros(6_041, np.int64)
    np.maximum.at(latest, train.user_id.to_numpy(), train.timestamp)
    validated = split.validation.user_id.to_numpy()
    np.testing.assert_array_equal(split.validation.timestamp, latest[validated])
    assert len(np.unique(validated)) == 6_040
    assert split.notes == ()
