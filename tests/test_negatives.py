import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from prepared import with_train
from scipy.stats import chisquare

from recsearch.contract.examples.negative_sampler import (
    TOTAL_WEIGHT,
    NegativeSampler,
    popularity_weights,
)
from recsearch.contract.examples.negatives import sampler
from recsearch.data.interactions import Encoded
from recsearch.data.preparation import SeenItems
from recsearch.pipeline import Pipeline

NUM_USERS, NUM_ITEMS = 5, 8
SEED = tf.constant([3, 4])

pairs_with_an_unseen_item = st.sets(
    st.tuples(st.integers(1, NUM_USERS - 1), st.integers(1, NUM_ITEMS - 1)), min_size=1
).filter(lambda pairs: all(sum(u == user for u, _ in pairs) < NUM_ITEMS - 1 for user, _ in pairs))


def seen_of(pairs: set[tuple[int, int]] | list[tuple[int, int]]) -> SeenItems:
    user, item = np.array(sorted(pairs), np.int32).T
    return SeenItems.of(Encoded(user, item, np.ones(len(user), np.float32)), NUM_USERS, NUM_ITEMS)


def counts_of(sampler: NegativeSampler, user: int, num: int = 6_000) -> np.ndarray:
    drawn = sampler.sample(tf.fill([num // 2], user), 2, SEED)
    return np.bincount(np.asarray(drawn.item).ravel(), minlength=NUM_ITEMS)


def laid_side_by_side(unseen: list[int], weights: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """Returns the item at each fraction of the line of the unseen items, each as long as its w."""
    line = np.repeat(unseen, weights[unseen])
    return line[np.floor(fraction * len(line)).astype(int)]


@given(
    pairs_with_an_unseen_item,
    st.lists(st.integers(1, 50), min_size=NUM_ITEMS - 1, max_size=NUM_ITEMS - 1),
    st.integers(0, 2**31 - 1),
)
@settings(max_examples=60, deadline=None)
def test_drawn_items_are_those_of_a_line_laid_out_in_full(pairs, weights, seed) -> None:
    weights = np.array([0, *weights])
    sampler = NegativeSampler.of(seen_of(pairs), NUM_ITEMS, weights)
    users, k = np.arange(NUM_USERS), 7
    drawn = sampler.sample(tf.constant(users, tf.int32), k, tf.constant([seed, 1]))
    fraction = tf.random.stateless_uniform([NUM_USERS, k], [seed, 1], dtype=tf.float64).numpy()
    for user in users:
        unseen = [item for item in range(1, NUM_ITEMS) if (user, item) not in pairs]
        expected = laid_side_by_side(unseen, weights, fraction[user])
        assert drawn.item[user].numpy().tolist() == expected.tolist()
        share = weights[expected] / weights[unseen].sum()
        np.testing.assert_allclose(drawn.expected[user], k * share, rtol=1e-6)


@given(pairs_with_an_unseen_item, st.integers(0, 2**31 - 1))
@settings(max_examples=30, deadline=None)
def test_uniform_item_is_its_rank_and_the_seen_items_before_it(pairs, seed) -> None:
    """Redone by a second formula, which knows no weights."""
    sampler = NegativeSampler.of(seen_of(pairs), NUM_ITEMS)
    item = sampler.sample(tf.range(NUM_USERS), 4, tf.constant([seed, 0])).item.numpy()
    fraction = tf.random.stateless_uniform([NUM_USERS, 4], [seed, 0], dtype=tf.float64).numpy()
    for user in range(NUM_USERS):
        seen = sorted(i for u, i in pairs if u == user)
        rank = np.floor(fraction[user] * (NUM_ITEMS - 1 - len(seen))).astype(int)
        for place in range(4):
            before = sum(i < item[user, place] for i in seen)
            assert item[user, place] == 1 + rank[place] + before
            assert item[user, place] not in seen


def test_negatives_are_uniform_over_the_unseen_items() -> None:
    # 4 of 7 are unseen; seen are the first, two in the middle side by side, and not the last.
    sampler = NegativeSampler.of(seen_of([(1, 4), (2, 1), (2, 4), (2, 5), (3, 7)]), NUM_ITEMS)
    counts = counts_of(sampler, 2)
    assert np.flatnonzero(counts).tolist() == [2, 3, 6, 7]
    assert chisquare(counts[[2, 3, 6, 7]]).pvalue > 0.01


@pytest.mark.parametrize("user", [0, 1, 4])
def test_negatives_of_a_user_without_training_items_are_uniform_over_all(user: int) -> None:
    counts = counts_of(NegativeSampler.of(seen_of([(2, 1), (3, 7)]), NUM_ITEMS), user)
    assert counts[0] == 0
    assert chisquare(counts[1:]).pvalue > 0.01


def test_negatives_are_drawn_in_proportion_to_the_weights_of_the_unseen() -> None:
    weights = np.array([0, 1, 2, 3, 4, 100, 6, 7])
    sampler = NegativeSampler.of(seen_of([(1, 3), (2, 2), (2, 5), (3, 1)]), NUM_ITEMS, weights)
    counts = counts_of(sampler, 2)
    unseen = [1, 3, 4, 6, 7]
    assert np.flatnonzero(counts).tolist() == unseen
    # Of the unseen weights 1 + 3 + 4 + 6 + 7 = 21; the heavy item 5 was seen.
    share = np.array([1, 3, 4, 6, 7]) / 21
    assert chisquare(counts[unseen], share * counts.sum()).pvalue > 0.01


def test_expected_count_by_hand() -> None:
    # User 1 has not seen 2 and 7 alone, with the weights 1 and 3.
    pairs = [(1, item) for item in (1, 3, 4, 5, 6)]
    weights = np.array([0, 9, 1, 9, 9, 9, 9, 3])
    drawn = NegativeSampler.of(seen_of(pairs), NUM_ITEMS, weights).sample(tf.fill([50], 1), 5, SEED)
    assert set(drawn.item.numpy().ravel()) == {2, 7}
    expected = np.where(drawn.item.numpy() == 2, 5 * 1 / 4, 5 * 3 / 4)
    np.testing.assert_allclose(drawn.expected, expected, rtol=1e-6)


def test_same_seed_gives_the_same_items_and_another_one_others() -> None:
    sampler = NegativeSampler.of(seen_of([(1, 1)]), NUM_ITEMS)
    first, again, other = (
        sampler.sample(tf.fill([40], 1), 2, tf.constant([seed, 0])).item.numpy()
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_popularity_weights_by_hand() -> None:
    item = np.repeat([1, 2, 3], [16, 1, 81]).astype(np.int32)
    # 16^.75 + 1^.75 + 81^.75 = 8 + 1 + 27 = 36
    assert popularity_weights(item, 4, 0.75).tolist() == [
        0, round(TOTAL_WEIGHT * 8 / 36), round(TOTAL_WEIGHT / 36), round(TOTAL_WEIGHT * 27 / 36),
    ]  # fmt: skip


def test_popularity_weights_of_exponent_0_are_alike() -> None:
    item = np.array([1, 1, 1, 2, 3, 4], np.int32)
    assert popularity_weights(item, 5, 0.0).tolist() == [0] + [TOTAL_WEIGHT // 4] * 4


def test_popularity_weights_leave_out_item_0_and_no_other() -> None:
    weights = popularity_weights(np.array([0, 0, 0, 2], np.int32), 4, 1.0)
    assert weights.tolist() == [0, 1, TOTAL_WEIGHT, 1]  # items without interactions: the least


def test_sampler_of_a_pipeline_is_made_once_an_exponent() -> None:
    pairs = [*[(1, 1)] * 3, (1, 2), (2, 3)]
    shared = Pipeline(with_train(pairs, NUM_USERS, NUM_ITEMS))
    assert sampler(shared) is sampler(shared, 0.0)
    assert sampler(shared, 1.0) is sampler(shared, 1.0)
    assert np.diff(sampler(shared).cumulative).tolist() == [1] * 7
    # 3 of 5, 1 of 5, 1 of 5 interactions; the other items have the weight 1.
    expected = [round(TOTAL_WEIGHT * n / 5) for n in (3, 1, 1)] + [1] * 4
    assert np.diff(sampler(shared, 1.0).cumulative).tolist() == expected
