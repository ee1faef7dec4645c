"""Items that a user has not seen in training, drawn inside the graph.

Dimension letters: C examples of a chunk, k negatives of a positive, N items (with the unknown 0), n
seen pairs.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from recsearch.data.preparation import SeenItems

TOTAL_WEIGHT = 2**31  # weights are whole numbers, so that nothing is lost in their sums


class Drawn(NamedTuple):
    """Negatives of a chunk.

    Attributes:
        item: [C, k] int32.
        expected: [C, k] float32: the expected number of times that each item occurs in k draws,
            k q(item).
    """

    item: tf.Tensor
    expected: tf.Tensor


@dataclass(frozen=True)
class NegativeSampler:
    """Draws items in proportion to weights, exactly, from the items that a user has not seen.

    Inverse-CDF sampling without rejection. Draw r in [0, total weight of the user's unseen items).
    For the j-th seen item s_j (ascending), g_j is the total weight of the unseen items before it.
    The seen items before the drawn item are those with g_j <= r. One binary search over the keys
    user * total + g_j counts them for all users at once; adding their weights to r gives the
    position in `cumulative`.

    Attributes:
        keys: [n] int64, ascending: user * total + g_j.
        offsets: [num_users + 1] int64: where each user's keys begin.
        seen_weight: [n + 1] int64: summed weights of the seen pairs before each.
        cumulative: [N] int64: summed weights of the items up to each; the last one is the total.
    """

    keys: tf.Tensor
    offsets: tf.Tensor
    seen_weight: tf.Tensor
    cumulative: tf.Tensor

    @classmethod
    def of(
        cls, seen: SeenItems, num_items: int, weights: NDArray[np.int64] | None = None
    ) -> "NegativeSampler":
        """Returns the sampler for these training items.

        Args:
            seen: What each user has seen.
            num_items: N.
            weights: [N], 0 for the unknown item 0, at least 1 for the others; None for equal
                weights.
        """
        if weights is None:
            weights = np.append(np.int64(0), np.ones(num_items - 1, np.int64))
        counts = seen.counts()
        user = np.repeat(np.arange(len(counts)), counts)
        cumulative = np.cumsum(weights)
        before = np.append(np.int64(0), np.cumsum(weights[seen.items]))
        within = before[:-1] - before[np.asarray(seen.offsets)[user]]
        keys = user * cumulative[-1] + (cumulative[seen.items - 1] - within)
        parts = (keys, seen.offsets, before, cumulative)
        return cls(*(tf.constant(part, tf.int64) for part in parts))

    def sample(self, user: tf.Tensor, num_negatives: int, seed: tf.Tensor) -> Drawn:
        """Returns negatives of users [C] that have an unseen item left.

        Args:
            user: [C] int32.
            num_negatives: k.
            seed: [2] int32; the same seed gives the same items.
        """
        start, stop = tf.gather(self.offsets, user), tf.gather(self.offsets, user + 1)
        seen_before = tf.gather(self.seen_weight, start)
        total = self.cumulative[-1]
        unseen = total - (tf.gather(self.seen_weight, stop) - seen_before)
        fraction = tf.random.stateless_uniform(
            [tf.shape(user)[0], num_negatives], seed, dtype=tf.float64
        )
        point = tf.cast(fraction * tf.cast(unseen, tf.float64)[:, tf.newaxis], tf.int64)
        wanted = tf.cast(user, tf.int64)[:, tf.newaxis] * total + point
        below = _search(self.keys, wanted)
        point += tf.gather(self.seen_weight, below) - seen_before[:, tf.newaxis]
        item = _search(self.cumulative, point)
        weight = tf.gather(self.cumulative, item) - tf.gather(self.cumulative, item - 1)
        share = tf.cast(weight, tf.float32) / tf.cast(unseen, tf.float32)[:, tf.newaxis]
        return Drawn(tf.cast(item, tf.int32), num_negatives * share)


def _search(ascending: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Returns how many of `ascending` are at most each of `values` [C, k], int64."""
    found = tf.searchsorted(ascending, tf.reshape(values, [-1]), "right", out_type=tf.int64)
    return tf.reshape(found, tf.shape(values))


def popularity_weights(
    item: NDArray[np.int32], num_items: int, exponent: float
) -> NDArray[np.int64]:
    """Returns weights [N] in proportion to (training interactions of the item)^exponent.

    Source: Mikolov et al. 2013 (arXiv 1310.4546), section 2.2, who draw words with the exponent
    3/4. Rounded to whole numbers of about 2^31 in total, and at least 1.

    Args:
        item: [n] training items.
        num_items: N.
        exponent: 0 draws uniformly, 1 by popularity.
    """
    power = np.bincount(item, minlength=num_items).astype(np.float64) ** exponent
    power[0] = 0.0
    scaled = np.rint(power * (TOTAL_WEIGHT / power.sum()))
    weights: NDArray[np.int64] = np.maximum(scaled, 1).astype(np.int64)
    weights[0] = 0
    return weights
