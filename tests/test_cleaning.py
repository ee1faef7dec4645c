from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsearch.data.cleaning import detect_task, prepare_task
from recsearch.data.columns import ColumnNames
from recsearch.data.duplicates import last_of_each_pair
from recsearch.data.interactions import Interactions
from recsearch.data.readers import Loaded, load_interactions
from recsearch.data.task import Task
from recsearch.errors import ConfigError, DataError

REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

needs_real_data = pytest.mark.skipif(
    not REAL_DATA.is_dir(), reason="the folder of real data sets is absent"
)


def interactions_of(pairs, label=None, timestamp=None):
    users, items = zip(*pairs, strict=True)
    return Interactions(
        pa.array(users),
        pa.array(items),
        np.asarray(np.ones(len(pairs)) if label is None else label, dtype=np.float32),
        None if timestamp is None else np.asarray(timestamp, dtype=np.int64),
    )


def loaded_with(label, pairs=None, timestamp=None):
    pairs = pairs or [(row % 3, row) for row in range(len(label or [None] * 12))]
    columns = {"user": "user", "item": "item"} | ({"label": "rating"} if label else {})
    data = interactions_of(pairs, label, timestamp)
    return Loaded(data, columns, has_label=label is not None, notes=("read",), source="a.csv")


def prepare(loaded, task=None, positive_from=None, missing_label=None, **least):
    return prepare_task(loaded, task, positive_from, missing_label, **least)


RATINGS = [1, 2, 3, 4, 5, 4, 3, 2, 1, 5, 5, 4]
CLICKS = [0, 1] * 6


def test_last_of_each_pair_is_the_last_in_file_order_without_timestamps():
    data = interactions_of([(1, 1), (1, 2), (1, 1), (2, 1), (1, 1)])
    assert last_of_each_pair(data).rows.tolist() == [1, 3, 4]


def test_last_of_each_pair_is_the_latest_with_timestamps():
    data = interactions_of([(1, 1), (1, 2), (1, 1), (2, 1), (1, 1)], timestamp=[9, 0, 5, 0, 9])
    assert last_of_each_pair(data).rows.tolist() == [1, 3, 4]  # of two at 9, the last in file order
    data = interactions_of([(1, 1), (1, 2), (1, 1)], timestamp=[9, 0, 5])
    assert last_of_each_pair(data).rows.tolist() == [0, 1]


def test_last_of_each_pair_reads_text_ids():
    data = interactions_of([("a", "x"), ("b", "x"), ("a", "x")])
    assert last_of_each_pair(data).rows.tolist() == [1, 2]


@given(
    st.lists(
        st.tuples(st.integers(-2, 2), st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=30
    ),
    st.booleans(),
)
def test_last_of_each_pair_equals_a_dictionary_filled_in_order(rows, timed):
    pairs = [(user, item) for user, item, _ in rows]
    times = [time for _, _, time in rows] if timed else None
    order = sorted(range(len(rows)), key=lambda row: times[row] if timed else 0)
    expected = sorted({pairs[row]: row for row in order}.values())
    assert last_of_each_pair(interactions_of(pairs, timestamp=times)).rows.tolist() == expected
    assert len(expected) == len(Counter(pairs))


@pytest.mark.parametrize(
    ("has_label", "label", "task", "reason"),
    [
        (False, [1, 1], Task.IMPLICIT, "the data have no label column"),
        (True, [1, 1], Task.IMPLICIT, "every label is 1"),
        (True, [0, 1, 1], Task.CLICK, "the labels are 0 and 1"),
        (True, [0, 1, 2], Task.RATING, "3 distinct values from 0 to 2"),
        (True, [0, 0.5, 1], Task.RATING, "3 distinct values from 0 to 1"),
        (True, [0, 0], Task.RATING, "1 distinct values from 0 to 0"),
    ],
)
def test_task_is_detected_from_labels_with_the_reason(has_label, label, task, reason):
    detected, why = detect_task(has_label, np.array(label, dtype=np.float32))
    assert detected is task
    assert reason in why


def test_task_is_implicit_when_a_positive_is_defined():
    detected, why = detect_task(True, np.array([1, 5], dtype=np.float32), positive_from=4)
    assert detected is Task.IMPLICIT
    assert why == "Task implicit: labels of at least 4 are positives."


def test_ratings_pass_unchanged_with_notes():
    data = prepare(loaded_with(RATINGS))
    assert data.task is Task.RATING
    assert data.interactions.label.tolist() == RATINGS
    assert data.notes == ("read", "Task rating: the labels have 5 distinct values from 1 to 5.")


def test_missing_label_is_dropped_before_the_task_is_detected():
    loaded = loaded_with([0, 0, *([1, 2] * 6)])
    data = prepare(loaded, missing_label=0)
    assert data.interactions.label.tolist() == [1, 2] * 6
    assert data.interactions.item_id.to_pylist() == list(range(2, 14))
    assert "2 of 14 rows were dropped: label 0 means 'not rated'." in data.notes


def test_flags_beyond_single_precision_are_above_all_labels():
    loaded = loaded_with([1, 2] * 6)
    assert len(prepare(loaded, missing_label=1e39).interactions) == 12
    with pytest.raises(DataError, match="0 interactions remain"):
        prepare(loaded, positive_from=1e39)


def test_missing_label_in_every_row_is_a_fault():
    with pytest.raises(DataError, match="All 12 labels equal --missing-label 3: no row remains"):
        prepare(loaded_with([3] * 12), missing_label=3)


def test_repeated_pairs_are_dropped_after_missing_labels():
    pairs = [(1, 1), (1, 1), (1, 1), *((2, item) for item in range(10))]
    loaded = loaded_with([3, 4, 0, *([1, 2] * 5)], pairs)
    data = prepare(loaded, missing_label=0)
    assert data.interactions.label.tolist() == [4, *([1, 2] * 5)]  # the 0 did not replace the 4
    note = (
        "1 of 12 rows were dropped: their (user, item) pair occurs more than once; the last "
        "row in file order"
    )
    assert any(text.startswith(note) for text in data.notes)


def test_repeated_pairs_keep_the_latest_and_say_so():
    pairs = [(1, 1), (1, 1), *((2, item) for item in range(10))]
    loaded = loaded_with([5, 3, *([1, 2] * 5)], pairs, timestamp=[8, 7, *range(10)])
    data = prepare(loaded)
    assert data.interactions.label.tolist() == [5, *([1, 2] * 5)]
    assert data.interactions.timestamp.tolist() == [8, *range(10)]
    assert any("the latest row was kept" in text for text in data.notes)


def test_implicit_takes_each_row_as_a_positive_and_says_so():
    data = prepare(loaded_with(RATINGS), Task.IMPLICIT)
    assert data.interactions.label.tolist() == [1] * 12
    assert data.interactions.label.dtype == np.float32
    assert data.notes[-1].startswith("Every row counts as a positive, whatever its label (1 to 5)")


def test_implicit_keeps_labels_from_the_threshold_on():
    data = prepare(loaded_with([*RATINGS, *([5] * 6)]), positive_from=4)
    positives = sum(label >= 4 for label in RATINGS) + 6
    assert data.task is Task.IMPLICIT
    assert data.interactions.label.tolist() == [1] * positives
    assert data.notes[-1] == f"{positives} of 18 rows are positives: their label is at least 4."


def test_implicit_without_any_positive_is_a_fault():
    with pytest.raises(DataError, match="0 interactions remain after cleaning"):
        prepare(loaded_with(RATINGS), Task.IMPLICIT, positive_from=6)


@pytest.mark.parametrize("task", [Task.RATING, Task.CLICK])
def test_threshold_with_another_task_is_a_fault(task):
    with pytest.raises(ConfigError, match=f"for the implicit task only. Received --task {task}"):
        prepare(loaded_with(CLICKS), task, positive_from=1)


def test_settings_that_need_labels_are_told_together():
    with pytest.raises(ConfigError) as error:
        prepare(loaded_with(None), Task.RATING, positive_from=4, missing_label=0)
    assert [fault.split(" ")[0] for fault in error.value.faults] == [
        "--positive-from",
        "--positive-from",
        "--missing-label",
        "--task",
    ]


def test_click_labels_pass():
    data = prepare(loaded_with(CLICKS))
    assert data.task is Task.CLICK
    assert data.interactions.label.tolist() == CLICKS


def test_click_with_another_label_tells_its_row_in_the_file():
    loaded = loaded_with([9, *CLICKS, 2])
    message = r"Column 'rating', row 14: label 2\. The click task expects 0 or 1; 1 labels are"
    with pytest.raises(DataError, match=message):
        prepare(loaded, Task.CLICK, missing_label=9)


@pytest.mark.parametrize(("task", "value"), [(Task.RATING, 5), (Task.CLICK, 1), (None, 0)])
def test_constant_label_is_a_fault(task, value):
    message = (
        f"Every label in column 'rating' is {value}: there is nothing to learn.*--task implicit"
    )
    with pytest.raises(DataError, match=message):
        prepare(loaded_with([value] * 12), task)


def test_zeros_among_ratings_are_suspected():
    labels = [0, 0, 0, 5, 4, 3, 5, 4, 3, 5, 4, 3]  # 3 of 12 = 25 %
    data = prepare(loaded_with(labels))
    assert data.notes[-1] == (
        "3 of 12 labels are 0, which often means 'not rated'. If so, pass --missing-label 0."
    )
    assert "2 of 10 labels are 0" in prepare(loaded_with([0, 0, *range(2, 10)])).notes[-1]  # 20 %


@pytest.mark.parametrize(
    "labels",
    [
        [0, 0, 5, 4, 3, 5, 4, 3, 5, 4, 3, 5],  # 2 of 12 = 17 %
        [0, 0, 0, 0.5, 4, 3, 5, 4, 3, 5, 4, 3],  # the scale goes on below 1
        [0, 0, 0, -5, 4, 3, 5, 4, 3, 5, 4, 3],  # 0 is in the middle
    ],
)
def test_zeros_that_belong_to_the_scale_are_not_suspected(labels):
    assert not any("not rated" in note for note in prepare(loaded_with(labels)).notes)


def test_too_little_data_is_told_with_all_counts():
    with pytest.raises(DataError) as error:
        prepare(loaded_with([1, 2], pairs=[(1, 1), (1, 1)]))
    assert error.value.faults[-3:] == (
        "1 users remain after cleaning. Expected at least 2. Provide more data.",
        "1 items remain after cleaning. Expected at least 2. Provide more data.",
        "1 interactions remain after cleaning. Expected at least 10. Provide more data.",
    )


def test_part_may_be_small_and_have_one_label_only():
    part = prepare(loaded_with([4.0, 4.0]), task=Task.RATING, is_part=True)
    assert part.interactions.label.tolist() == [4.0, 4.0]
    with pytest.raises(
        DataError, match=r"Every label in column 'rating' is 4: there is nothing to learn"
    ):
        prepare(loaded_with([4.0] * 12), task=Task.RATING)


def load_real(*path):
    return load_interactions(REAL_DATA.joinpath(*path), ColumnNames())


@needs_real_data
def test_goodbooks_loses_its_repeated_pairs():
    loaded = load_real("goodbooks-10k-v1", "ratings.parquet")
    data = prepare(loaded)
    assert len(loaded.interactions) == 981_756
    assert len(data.interactions) == 981_756 - 2_278
    assert any(note.startswith("2278 of 981756 rows were dropped") for note in data.notes)


@needs_real_data
def test_book_crossing_zeros_are_suspected_and_can_be_dropped():
    loaded = load_real("book-crossing", "ratings.parquet")
    data = prepare(loaded)
    assert len(data.interactions) == 1_149_780
    assert data.notes[-1].startswith("716109 of 1149780 labels are 0")
    rated = prepare(loaded, missing_label=0).interactions
    assert len(rated) == 433_671
    assert (rated.label.min(), rated.label.max()) == (1, 10)


@needs_real_data
def test_gowalla_is_implicit_without_repeated_pairs():
    data = prepare(load_real("gowalla-lightgcn", "train.parquet"))
    assert data.task is Task.IMPLICIT
    assert len(data.interactions) == 810_128


@needs_real_data
def test_movietweetings_zeros_belong_to_its_scale():
    data = prepare(load_real("movietweetings-100k", "ratings.parquet"))
    assert data.task is Task.RATING
    assert not any("not rated" in note for note in data.notes)
