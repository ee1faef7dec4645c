from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsearch.data import feature_arrays
from recsearch.data.interactions import (
    Candidates,
    ColumnKind,
    Encoded,
    FeatureColumn,
    Features,
    Interactions,
)
from recsearch.data.preparation import SeenItems, concatenate, prepare
from recsearch.data.task import Task
from recsearch.data.time_order import TimeOrder
from recsearch.data.vocabulary import ColumnSpec


def interactions(
    user: list, item: list, label: list[float] | None = None, text=False
) -> Interactions:
    ids = (pa.array(user), pa.array(item))
    if text:
        ids = tuple(array.dictionary_encode() for array in ids)
    return Interactions(*ids, np.array(label or [1.0] * len(user), np.float32))


TRAIN = interactions([7, 7, 5], [30, 10, 10], [1.0, 2.0, 6.0])
HOLDOUT = interactions([5, 9], [30, 40], [100.0, -100.0])


def item_features(kind: ColumnKind, values: pa.Array, ids: tuple[int, ...] = (10, 30)) -> Features:
    return Features(pa.array(ids), {"x": FeatureColumn(kind, values)})


def encoded_column(features: Features) -> tuple[ColumnSpec, np.ndarray]:
    data, _ = prepare(TRAIN, HOLDOUT, Task.RATING, items=features)
    return data.spec.item_columns[0], data.features["item_x"]


def test_prepare_fits_vocabularies_and_statistics_on_train_only() -> None:
    data, vocabularies = prepare(TRAIN, HOLDOUT, Task.RATING)
    assert vocabularies.users.ids.to_pylist() == [5, 7]
    assert vocabularies.items.ids.to_pylist() == [10, 30]
    assert (data.spec.num_users, data.spec.num_items, data.spec.num_interactions) == (3, 3, 3)
    assert (data.spec.label_mean, data.spec.label_min, data.spec.label_max) == (9 / 3, 1.0, 6.0)
    assert data.train.user.tolist() == [2, 2, 1]
    assert data.holdout.user.tolist() == [1, 3]  # training does not know user 9 and item 40
    assert data.holdout.item.tolist() == [2, 3]
    assert data.has_unknown


def test_numeric_statistics_come_from_items_of_train_only() -> None:
    values = pa.array([1.0, 3.0, 1000.0])  # 10 and 30 have mean 2, deviation 1; 40 is not in train
    spec, array = encoded_column(item_features(ColumnKind.NUMERIC, values, (10, 30, 40)))
    assert spec == ColumnSpec("item_x", ColumnKind.NUMERIC)
    assert array.tolist() == [0.0, -1.0, 1.0, 998.0]  # item 40: (1000 - 2) / 1
    assert array.dtype == np.float32


def test_numeric_missing_values_are_the_mean() -> None:
    missing = item_features(ColumnKind.NUMERIC, pa.array([None, 5.0]))
    assert encoded_column(missing)[1].tolist() == [0.0, 0.0, 0.0, 0.0]
    not_finite = item_features(ColumnKind.NUMERIC, pa.array([float("nan"), float("inf")]))
    assert encoded_column(not_finite)[1].tolist() == [0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("known", [3.0, 1.0 + 1e-3])
def test_numeric_values_beyond_single_precision_are_missing(known: float) -> None:
    for values, expected in (
        ([1.0, known, 1e300], [0.0, -1.0, 1.0, 0.0]),  # as a mark of "missing": DBL_MAX
        ([1e308, known, -1e308], [0.0, 0.0, 0.0, 0.0]),  # one value only
        ([1.0, known, 3.4e38], [0.0, -1.0, 1.0, 0.0 if known < 2 else 3.4e38]),
    ):
        columns = item_features(ColumnKind.NUMERIC, pa.array(values), (10, 30, 40))
        np.testing.assert_allclose(encoded_column(columns)[1], expected, rtol=1e-5)


def test_mean_label_is_exact_where_single_precision_is_not() -> None:
    train = interactions([1, 2], [1, 2], [2.0**24, 1.0])
    assert prepare(train, train, Task.RATING)[0].spec.label_mean == (2**24 + 1) / 2


def test_categories_are_numbered_by_frequency_and_0_is_missing() -> None:
    train = interactions([1] * 4, [10, 20, 30, 40])
    values = pa.array(["rare", "often", None, "often"])
    features = item_features(ColumnKind.CATEGORICAL, values, (10, 20, 30, 40))
    data, _ = prepare(train, train, Task.RATING, items=features)
    assert data.spec.item_columns == (ColumnSpec("item_x", ColumnKind.CATEGORICAL, size=3),)
    assert data.features["item_x"].tolist() == [0, 2, 1, 0, 1]


def test_categories_of_items_outside_train_are_not_learned() -> None:
    values = pa.array(["a", "only of 40"])
    spec, array = encoded_column(item_features(ColumnKind.CATEGORICAL, values, (10, 40)))
    assert spec.size == 2
    assert array.tolist() == [0, 1, 0, 0]  # item 30 has no row in the table


def test_rows_of_ids_outside_train_are_encoded_as_training_has_it() -> None:
    values = pa.array([["x"], ["y"], ["y", "new", "x"]])
    spec, array = encoded_column(item_features(ColumnKind.MULTI, values, (10, 30, 40)))
    assert (spec.size, spec.length) == (3, 1)  # rows of training items have one value
    assert array.tolist() == [[0], [1], [2], [2]]
    values = pa.array(["x", "y", "y"])
    spec, array = encoded_column(item_features(ColumnKind.CATEGORICAL, values, (10, 30, 40)))
    assert array.tolist() == [0, 1, 2, 2]


def test_features_that_no_part_needs_are_left_out() -> None:
    values = pa.array(["x", "y", "z", "x"])
    _, array = encoded_column(item_features(ColumnKind.CATEGORICAL, values, (10, 30, 50, 60)))
    assert len(array) == 4  # 0, items 10 and 30 of training, item 40 of the held-out part


def test_unknown_ids_are_told_apart_in_the_order_of_ids() -> None:
    holdout = interactions([9, 8, 9, 5], [10, 40, 41, 40])
    data, vocabularies = prepare(TRAIN, holdout, Task.RATING)
    assert data.holdout.user.tolist() == [4, 3, 4, 1]
    assert data.holdout.item.tolist() == [1, 3, 4, 3]
    assert data.holdout.user.dtype == np.int32
    assert (data.spec.num_users, data.spec.num_items) == (3, 3)
    assert (len(vocabularies.users), len(vocabularies.items)) == (3, 3)
    assert data.has_unknown
    assert not data.has_cold_users


def test_unknown_text_ids_are_told_apart() -> None:
    train = interactions(["b", "c"], ["x", "y"], text=True)
    holdout = interactions(["d", "a", "b"], ["x", "z", "y"], text=True)
    data, _ = prepare(train, holdout, Task.IMPLICIT)
    assert data.holdout.user.tolist() == [4, 3, 1]
    assert data.holdout.item.tolist() == [1, 3, 2]


def test_holdout_known_in_training_has_nothing_unknown() -> None:
    data, _ = prepare(TRAIN, TRAIN, Task.RATING)
    assert (data.has_unknown, data.has_cold_users, data.has_cold_items) == (False, False, False)


def test_cold_holdouts_are_recognised() -> None:
    new_users, _ = prepare(TRAIN, interactions([8, 9], [10, 40]), Task.RATING)
    assert (new_users.has_cold_users, new_users.has_cold_items) == (True, False)
    new_items, _ = prepare(TRAIN, interactions([5, 9], [40, 41]), Task.RATING)
    assert (new_items.has_cold_users, new_items.has_cold_items) == (False, True)


def test_categories_beyond_the_limit_are_unknown(monkeypatch) -> None:
    monkeypatch.setattr(feature_arrays, "MAX_CATEGORIES", 1)
    spec, array = encoded_column(item_features(ColumnKind.CATEGORICAL, pa.array(["b", "a"])))
    assert spec.size == 2
    assert array.tolist() == [0, 0, 1, 0]  # of equally frequent ones the first in the alphabet


def test_multi_values_are_padded_with_0() -> None:
    values = pa.array([["a", "b"], ["b"]])
    spec, array = encoded_column(item_features(ColumnKind.MULTI, values))
    assert spec == ColumnSpec("item_x", ColumnKind.MULTI, size=3, length=2)
    assert array.tolist() == [[0, 0], [2, 1], [1, 0], [0, 0]]  # b comes twice, so it has index 1


def test_multi_null_and_empty_rows_are_padding() -> None:
    values = pa.array([None, []], pa.list_(pa.string()))
    spec, array = encoded_column(item_features(ColumnKind.MULTI, values))
    assert (spec.size, spec.length) == (1, 1)
    assert array.tolist() == [[0]] * 4


def test_multi_longer_rows_are_cut(monkeypatch) -> None:
    monkeypatch.setattr(feature_arrays, "MAX_VALUES_PER_ROW", 2)
    spec, array = encoded_column(item_features(ColumnKind.MULTI, pa.array([list("abc"), ["a"]])))
    assert (spec.size, spec.length) == (4, 2)
    assert array.tolist() == [[0, 0], [1, 2], [1, 0], [0, 0]]


def test_text_columns_are_no_model_inputs() -> None:
    features = item_features(ColumnKind.TEXT, pa.array(["a title", "b"]))
    data, _ = prepare(TRAIN, HOLDOUT, Task.RATING, items=features)
    assert data.spec.columns == ()
    assert data.features == {}


def test_user_columns_come_before_item_columns() -> None:
    users = Features(
        pa.array([5, 7]), {"x": FeatureColumn(ColumnKind.NUMERIC, pa.array([1.0, 2.0]))}
    )
    items = item_features(ColumnKind.NUMERIC, pa.array([1.0, 2.0]))
    data, _ = prepare(TRAIN, HOLDOUT, Task.RATING, users=users, items=items)
    assert [column.name for column in data.spec.columns] == ["user_x", "item_x"]


def test_features_of_text_ids_are_found() -> None:
    train = interactions(["u"], ["01"], text=True)
    ids = pa.array(["1", "01"]).dictionary_encode()
    column = FeatureColumn(ColumnKind.CATEGORICAL, pa.array(["wrong", "right"]))
    data, _ = prepare(train, train, Task.IMPLICIT, items=Features(ids, {"x": column}))
    assert data.features["item_x"].tolist() == [0, 1]
    assert data.spec.item_columns[0].size == 2


def check_candidates(text: bool) -> None:
    ids = (lambda x: pa.array(x, pa.string()).dictionary_encode()) if text else pa.array
    names = ["1", "2", "3", "9"] if text else [1, 2, 3, 9]
    one, two, three, unknown = names
    train = interactions([one, two], [one, two], text=text)
    train = concatenate(train, interactions([one], [three], text=text))
    lists = Candidates(
        user_id=ids([two, unknown]),
        item_id=ids([one, unknown]),
        negative_ids=ids([two, one, unknown, three, three, None]),
        num_negatives=3,
    )
    data, _ = prepare(train, train, Task.IMPLICIT, candidates=lists)
    assert data.candidates is not None
    assert data.candidates.user.tolist() == [2, 0]
    assert data.candidates.item.tolist() == [[1, 2, -1, 0], [0, 3, 3, -1]]
    assert data.candidates.item.dtype == np.int32


def test_candidates_of_integer_ids_drop_repeated_positives_and_padding() -> None:
    check_candidates(text=False)


def test_candidates_of_text_ids_drop_repeated_positives_and_padding() -> None:
    check_candidates(text=True)


def test_seen_items_rows_name_each_item_once() -> None:
    train = Encoded(
        np.array([3, 1, 3, 3], np.int32), np.array([2, 4, 1, 2], np.int32), np.ones(4, np.float32)
    )
    seen = SeenItems.of(train, num_users=5, num_items=5)
    assert seen.counts().tolist() == [0, 1, 0, 2, 0]
    row, item = seen.rows(np.array([3, 0, 3, 1], np.int32))
    assert row.tolist() == [0, 0, 2, 2, 3]
    assert item.tolist() == [1, 2, 1, 2, 4]


def test_ages_of_seen_items_by_hand_with_the_later_of_equal_times_in_the_later_row() -> None:
    user, item = np.array([[2, 4], [1, 3], [2, 1], [2, 2], [1, 1], [2, 4]], np.int32).T
    train = Encoded(user, item, np.ones(6, np.float32))
    order = TimeOrder.of(train.user, np.array([10, 7, 30, 30, 5, 20]), 4)
    seen = SeenItems.of(train, 4, 5, order)
    # In time, user 1: 1 3; user 2: 4 4 1 2, of which the second 4 counts.
    assert seen.items.tolist() == [1, 3, 1, 2, 4]
    assert seen.age is not None
    assert seen.age.dtype == np.int32
    assert seen.age.tolist() == [1, 0, 1, 0, 2]
    assert SeenItems.of(train, 4, 5).age is None


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(0, 6)), min_size=1),
)
def test_ages_equal_a_plain_loop(rows: list[tuple[int, int, int]]) -> None:
    user, item, timestamp = np.array(rows).T
    train = Encoded(user.astype(np.int32), item.astype(np.int32), np.ones(len(rows), np.float32))
    seen = SeenItems.of(train, 5, 6, TimeOrder.of(train.user, timestamp, 5))
    assert seen.age is not None
    for one in range(5):
        in_time = sorted((t, n, i) for n, (u, i, t) in enumerate(rows) if u == one)
        latest_first = [i for _, _, i in reversed(in_time)]
        distinct = list(dict.fromkeys(latest_first))
        expected = {i: age for age, i in enumerate(distinct)}
        mine = slice(seen.offsets[one], seen.offsets[one + 1])
        assert (
            dict(zip(seen.items[mine].tolist(), seen.age[mine].tolist(), strict=True)) == expected
        )


def test_time_order_by_hand_with_the_later_of_equal_times_in_the_later_row() -> None:
    order = TimeOrder.of(np.array([2, 1, 2, 2, 1], np.int32), np.array([9, 5, 3, 9, 4]), 4)
    assert order.offsets.tolist() == [0, 0, 2, 5, 5]
    assert order.row.dtype == np.int32
    assert order.row.tolist() == [4, 1, 2, 0, 3]
    assert order.num_later().tolist() == [1, 0, 2, 0, 1]
    nobody = TimeOrder.of(np.zeros(0, np.int32), np.zeros(0, np.int64), 2)
    assert nobody.offsets.tolist() == [0, 0, 0]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-3, 3))), st.sampled_from([1, 2**61]))
def test_time_order_equals_a_plain_sort(rows: list[tuple[int, int]], unit: int) -> None:
    user = np.array([user for user, _ in rows], np.int64)
    timestamp = np.array([time * unit for _, time in rows], np.int64)
    expected = sorted(range(len(rows)), key=lambda row: rows[row])
    assert TimeOrder.of(user, timestamp).row.tolist() == expected


@pytest.mark.parametrize("task", Task)
def test_data_with_timestamps_have_the_order_of_all_interactions(task: Task) -> None:
    rows = Interactions(
        pa.array([1, 1, 1]), pa.array([5, 6, 5]), np.ones(3, np.float32), np.array([30, 20, 10])
    )
    data, _ = prepare(rows, rows, task)
    assert data.spec.has_order
    assert data.order is not None
    assert data.order.row.tolist() == [2, 1, 0]  # a repeated pair is there twice
    data, _ = prepare(replace(rows, timestamp=None), rows, task)
    assert not data.spec.has_order
    assert data.order is None


@pytest.mark.parametrize("task", Task)
@pytest.mark.parametrize("has_time", [True, False])
def test_only_implicit_data_with_timestamps_have_ages(task: Task, has_time: bool) -> None:
    rows = Interactions(
        pa.array([1, 1, 2]),
        pa.array([5, 6, 5]),
        np.ones(3, np.float32),
        np.array([30, 20, 10]) if has_time else None,
    )
    data, _ = prepare(rows, rows, task)
    alone, _ = prepare(rows.take(np.array([0, 2])), rows, task)  # an item for each user
    assert not alone.spec.has_ages
    assert alone.seen.age is None
    assert data.spec.has_ages == (has_time and task is Task.IMPLICIT)
    assert (data.seen.age is not None) == data.spec.has_ages
    if data.seen.age is not None:
        assert data.seen.age.tolist() == [0, 1, 0]


@given(
    pairs=st.sets(st.tuples(st.integers(0, 4), st.integers(0, 6))),
    asked=st.lists(st.integers(0, 6)),
)
def test_seen_items_rows_equal_a_plain_loop(pairs: set[tuple[int, int]], asked: list[int]) -> None:
    columns = np.array(sorted(pairs), np.int32).reshape(-1, 2)
    train = Encoded(columns[:, 0], columns[:, 1], np.ones(len(columns), np.float32))
    row, item = SeenItems.of(train, 5, 7).rows(np.array(asked, np.int32))  # 5 and 6: unknown
    expected = [(r, i) for r, user in enumerate(asked) for u, i in sorted(pairs) if u == user]
    assert list(zip(row.tolist(), item.tolist(), strict=True)) == expected


def test_concatenate_keeps_order_and_time() -> None:
    first = Interactions(pa.array([1]), pa.array([2]), np.ones(1, np.float32), np.array([10]))
    second = Interactions(pa.array([3]), pa.array([4]), np.zeros(1, np.float32), np.array([5]))
    both = concatenate(first, second)
    assert both.user_id.to_pylist() == [1, 3]
    assert both.item_id.to_pylist() == [2, 4]
    assert both.label.tolist() == [1.0, 0.0]
    assert both.timestamp is not None
    assert both.timestamp.tolist() == [10, 5]


def test_concatenate_without_time_in_one_part_has_none() -> None:
    timed = Interactions(pa.array([1]), pa.array([2]), np.ones(1, np.float32), np.array([10]))
    assert concatenate(timed, TRAIN).timestamp is None


def test_concatenate_unifies_dictionaries() -> None:
    both = concatenate(
        interactions(["b"], ["x"], text=True), interactions(["a", "b"], ["x", "y"], text=True)
    )
    assert both.user_id.to_pylist() == ["b", "a", "b"]
    assert both.item_id.to_pylist() == ["x", "x", "y"]
    assert pa.types.is_dictionary(both.user_id.type)
    assert len(both.take(np.array([0, 2]))) == 2
