import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from prepared import with_train

from recsearch.contract.inputs.bag_input import BagTable
from recsearch.contract.kinds import Request, Rows
from recsearch.data.task import Task

# User 1 has the items 3 and 1, user 3 the item 2 twice; user 2 has none.
PAIRS = [(3, 2), (1, 3), (3, 2), (1, 1)]
LABEL = [4.0, 2.5, 1.0, 5.0]


def table() -> BagTable:
    return BagTable(with_train(PAIRS, num_users=4, num_items=5, label=LABEL, task=Task.RATING))


def test_multi_hot_by_hand() -> None:
    rows = table().multi_hot(tf.constant([3, 1, 2, 1]))
    assert rows.dtype == tf.float32
    assert rows.numpy().tolist() == [
        [0, 0, 1, 0, 0],
        [0, 1, 0, 1, 0],
        [0, 0, 0, 0, 0],
        [0, 1, 0, 1, 0],
    ]


def test_labels_by_hand_with_the_last_one_of_a_repeated_pair() -> None:
    rows = table().labels_or(-1.0, tf.constant([3, 1]))
    assert rows.dtype == tf.float32
    assert rows.numpy().tolist() == [[-1, -1, 1.0, -1, -1], [-1, 5.0, -1, 2.5, -1]]


def test_labels_or_nan_are_nan_at_all_other_items() -> None:
    rows = table().labels_or(np.nan, tf.constant([1, 2])).numpy()
    np.testing.assert_array_equal(rows, [[np.nan, 5, np.nan, 2.5, np.nan], [np.nan] * 5])


def table_in_time() -> BagTable:
    """User 1 meets 3, 4, 2 and 1 in this order, user 2 the items 2 and 4, user 3 none."""
    pairs = [(1, 3), (2, 2), (1, 1), (2, 4), (1, 4), (1, 2)]
    return BagTable(with_train(pairs, 4, 5, timestamp=[5, 9, 8, 10, 6, 7]))


def test_ages_by_hand() -> None:
    rows = table_in_time().ages(tf.constant([1, 2, 3]))
    assert rows.dtype == tf.float32
    assert rows.numpy().tolist() == [[0, 0, 1, 3, 2], [0, 0, 1, 0, 0], [0] * 5]


def test_what_is_before_and_after_a_cut_by_hand() -> None:
    bags, user, cut = table_in_time(), tf.constant([1, 2, 1]), tf.constant([2, 1, 3])
    before = bags.multi_hot(user, cut)
    assert before.numpy().tolist() == [[0, 0, 0, 1, 1], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0]]
    assert bags.ages(user, cut).numpy().tolist() == [[0, 0, 0, 1, 0], [0] * 5, [0] * 5]
    after = bags.following(user, cut, half_life=1.0)
    assert after.dtype == tf.float32
    expected = [[0, 0.5, 1, 0, 0], [0, 0, 0, 0, 1], [0, 0.25, 0.5, 0, 1]]
    np.testing.assert_allclose(after, expected, rtol=1e-6)


def test_every_cut_of_a_history_is_as_likely_and_leaves_items_on_both_sides() -> None:
    place = tf.constant(np.arange(3_000) / 3_000, tf.float32)
    cuts = table_in_time().cut(tf.ones([3_000], tf.int32), place).numpy()
    assert np.unique(cuts, return_counts=True)[0].tolist() == [1, 2, 3]
    assert abs(np.unique(cuts, return_counts=True)[1] - 1_000).max() <= 1
    one_way = table_in_time().cut(tf.constant([2, 2]), tf.constant([0.0, 1 - 2.0**-24]))
    assert one_way.numpy().tolist() == [1, 1]


def test_label_of_0_is_a_label() -> None:
    data = with_train([(1, 2), (1, 1)], 2, 3, label=[0.0, 1.0], task=Task.CLICK)
    rows = BagTable(data).labels_or(np.nan, tf.constant([1])).numpy()
    np.testing.assert_array_equal(rows, [[np.nan, 1.0, 0.0]])


@pytest.mark.parametrize("user", [0, 4, 100], ids=["unknown", "first held out", "far above"])
def test_bag_of_an_unknown_user_is_empty(user: int) -> None:
    assert not table().multi_hot(tf.constant([user])).numpy().any()
    assert (table().labels_or(7.0, tf.constant([user])).numpy() == 7.0).all()


def test_bags_of_nobody_have_no_rows() -> None:
    nobody = tf.zeros([0], tf.int32)
    assert table().multi_hot(nobody).shape == (0, 5)
    assert table().labels_or(0.0, nobody).shape == (0, 5)


def test_bags_can_be_read_in_a_graph_of_any_number_of_users() -> None:
    bags = table()
    read = tf.function(bags.multi_hot, input_signature=[tf.TensorSpec([None], tf.int32)])
    for users in ([1], [3, 0, 1]):
        expected = bags.multi_hot(tf.constant(users))
        np.testing.assert_array_equal(read(tf.constant(users)), expected)


@given(
    st.lists(
        st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 5)), min_size=1, max_size=40
    ),
    st.lists(st.integers(0, 8), max_size=6),
)
@settings(max_examples=40, deadline=None)
def test_bags_agree_with_a_dictionary_of_the_pairs(rows, users) -> None:
    last = {(user, item): float(label) for user, item, label in rows}
    pairs, labels = [row[:2] for row in rows], [float(row[2]) for row in rows]
    bags = BagTable(with_train(pairs, 6, 7, label=labels, task=Task.RATING))
    expected = np.array([[last.get((u, i), 0.0) for i in range(7)] for u in users]).reshape(-1, 7)
    index = tf.constant(users, tf.int32)
    np.testing.assert_array_equal(bags.labels_or(0.0, index), expected)
    np.testing.assert_array_equal(bags.multi_hot(index), expected > 0)


def test_bag_and_ages_of_a_requested_history_by_hand() -> None:
    bags = table_in_time()
    history = tf.constant([[0, 3, 4, 2, 1], [4, 2, 0, 4, 0], [0, 0, 0, 0, 0]])  # 0: padding
    bag = bags.serve("bag", Request(history), (5,))
    assert bag.dtype == tf.float32
    assert bag.numpy().tolist() == [[0, 1, 1, 1, 1], [0, 0, 1, 0, 1], [0] * 5]
    age = bags.serve("bag_age", Request(history), (5,))
    assert age.numpy().tolist() == [[0, 0, 1, 3, 2], [0, 0, 1, 0, 0], [0] * 5]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_requested_history_gives_the_bag_of_the_user_with_this_history(items: list[int]) -> None:
    pairs = [(1, item) for item in items]
    bags = BagTable(with_train(pairs, 2, 7, timestamp=list(range(len(items)))))
    request = Request(tf.constant([[*items, 0]]))
    rows = Rows.of_side(tf.constant([1]))
    for name in ("bag", "bag_age"):
        np.testing.assert_array_equal(bags.serve(name, request, (7,)), bags.feed(name, rows, (7,)))


def test_labels_of_a_bag_cannot_be_requested() -> None:
    with pytest.raises(NotImplementedError, match="bag_labels cannot be computed from a request"):
        table().serve("bag_labels", Request(tf.constant([[1]])), (5,))
