"""The SavedModel: raw ids in, raw ids out, needs nothing but TensorFlow.

Signatures:

- `serving_default(user_id [B], item_id [B]) -> score [B]`
- `recommend(user_id [B], k []) -> item_id [B, k], score [B, k], known_user [B]`: the k best items
  that the user has not seen; an unknown user gets the popular items; a row with fewer
  than k items left is padded with "" or -1, score -inf.
- `recommend_with_seen`: the same, seen items included.
- `recommend_for_history(history [B, L], k []) -> item_id [B, k], score [B, k]`: the k best items
  outside the history, for any user. A history contains item ids, the latest last; "" or -1 pads it,
  and unknown ids are skipped; a history without known items gets the popular items. Only for models
  whose user inputs can be computed from a history.

Ids are int64 where the data had integers, else strings. B users, N items (with the unknown 0), L
items of a history.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from recsearch.baselines.popularity import fit_popularity
from recsearch.contract.kinds import Request
from recsearch.data.preparation import PreparedData, Vocabularies
from recsearch.data.vocabulary import Vocabulary
from recsearch.scoring.model_scorer import ModelScorer
from recsearch.serving.resources import held_resources, save_module


class IdLookup(tf.Module):
    """Raw ids to indices and back, inside a graph.

    Args:
        vocabulary: The ids; index 0 is unknown.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.dtype = tf.string if vocabulary.is_text else tf.int64
        self.padding = "" if vocabulary.is_text else -1
        ids = _constant(vocabulary.ids, self.dtype)
        self.by_index = tf.Variable(tf.concat([[self.padding], ids], axis=0), trainable=False)
        index = tf.range(1, len(vocabulary), dtype=tf.int32)
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(ids, index), default_value=0
        )

    def index(self, raw: tf.Tensor) -> tf.Tensor:
        """Returns the index of each raw id; 0 where it is unknown."""
        return self.table.lookup(raw)

    def raw(self, index: tf.Tensor) -> tf.Tensor:
        """Returns the raw id at each index; padding at 0."""
        return tf.gather(self.by_index, index)


def _constant(ids: pa.Array, dtype: tf.DType) -> tf.Tensor:
    return tf.constant(ids.to_pylist() if dtype == tf.string else ids.to_numpy(), dtype)


def _variable(part: tf.Tensor, known: list[tf.Variable]) -> tf.Variable:
    """Returns a variable with the value of the tensor: a known one, such as a table, or a new one.

    So a table of a million items is saved once.
    """
    for variable in known:
        alike = variable.shape == part.shape and variable.dtype == part.dtype
        if alike and bool(tf.reduce_all(tf.equal(variable, part))):
            return variable
    return tf.Variable(part, trainable=False)


class ServedRecommender(tf.Module):
    """A trained model between raw ids.

    Args:
        scorer: The trained model.
        data: The data that it was trained on: seen items and popularity come from there.
        vocabularies: The raw ids.
    """

    def __init__(self, scorer: ModelScorer, data: PreparedData, vocabularies: Vocabularies) -> None:
        super().__init__()
        self.users = IdLookup(vocabularies.users)
        self.items = IdLookup(vocabularies.items)
        # Only what is reachable from this module is saved, and the functions below use these.
        self.model_variables = [variable.value for variable in scorer.model.variables]
        self.model_resources = held_resources(scorer.model)
        self.bound_inputs = scorer.feed.bound_inputs(scorer.model)
        # The part of the items is computed here, not at each request.
        self.item_parts = [_variable(part, self.model_variables) for part in scorer.items()]
        self.seen_offsets = tf.Variable(np.asarray(data.seen.offsets), trainable=False)
        self.seen_items = tf.Variable(np.asarray(data.seen.items), trainable=False)
        popular = fit_popularity(data.train, data.spec.num_items, data.spec.task)
        self.popularity = tf.Variable(popular.item_score, trainable=False)
        self._scorer = _Untracked(scorer)
        self._num_items = data.spec.num_items

    def signatures(self) -> dict[str, Any]:
        """Returns the signatures by name, ready to be saved."""
        user = tf.TensorSpec([None], self.users.dtype, "user_id")
        item = tf.TensorSpec([None], self.items.dtype, "item_id")
        k = tf.TensorSpec([], tf.int32, "k")
        self.score_function = tf.function(self.score, input_signature=[user, item])
        self.recommend_function = tf.function(self.recommend, input_signature=[user, k])
        self.recommend_with_seen_function = tf.function(
            self.recommend_with_seen, input_signature=[user, k]
        )
        signatures = {
            "serving_default": self.score_function,
            "recommend": self.recommend_function,
            "recommend_with_seen": self.recommend_with_seen_function,
        }
        if self._scorer.value.answers_requests:
            history = tf.TensorSpec([None, None], self.items.dtype, "history")
            self.recommend_for_history_function = tf.function(
                self.recommend_for_history, input_signature=[history, k]
            )
            signatures["recommend_for_history"] = self.recommend_for_history_function
        return signatures

    def score(self, user_id: tf.Tensor, item_id: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns `score` [B] of each pair."""
        pairs = self.users.index(user_id), self.items.index(item_id)
        return {"score": self._scorer.value.pairs(*pairs)}

    def recommend(self, user_id: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the k best unseen items of each user."""
        return self._recommend(user_id, k, exclude_seen=True)

    def recommend_with_seen(self, user_id: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the k best items of each user, seen ones included."""
        return self._recommend(user_id, k, exclude_seen=False)

    def recommend_for_history(self, history: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the k best items outside each history [B, L] of raw ids."""

        def best(items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            request = Request(items[tf.newaxis])
            score = tf.cond(
                tf.reduce_any(items > 0),
                lambda: self._scorer.value.for_request(request, self.item_parts)[0],
                lambda: tf.identity(self.popularity),
            )
            return self._best(score, items, k)

        found = self._best_of_each(best, self.items.index(history))
        return {"item_id": found["item_id"], "score": found["score"]}

    def _recommend(
        self, user_id: tf.Tensor, k: tf.Tensor, exclude_seen: bool
    ) -> dict[str, tf.Tensor]:
        user = self.users.index(user_id)

        def best(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            score = tf.cond(
                index > 0,
                lambda: self._scorer.value.catalogue(index[tf.newaxis], self.item_parts)[0],
                lambda: tf.identity(self.popularity),
            )
            seen = tf.zeros([0], tf.int32)
            if exclude_seen:
                seen = self.seen_items[self.seen_offsets[index] : self.seen_offsets[index + 1]]
            return self._best(score, seen, k)

        return {**self._best_of_each(best, user), "known_user": user > 0}

    def _best_of_each(
        self, best: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]], rows: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Returns `item_id` and `score`, [B, k] each, of rows [B, ...]."""
        # The map of no row would fail: one row more is added, and its result is dropped.
        padded = tf.pad(rows, [[0, 1]] + [[0, 0]] * (len(rows.shape) - 1))
        score, item = tf.map_fn(
            best,
            padded,
            fn_output_signature=(
                tf.TensorSpec([None], tf.float32),
                tf.TensorSpec([None], tf.int32),
            ),
        )
        return {"item_id": self.items.raw(item[:-1]), "score": score[:-1]}

    def _best(self, score: tf.Tensor, seen: tf.Tensor, k: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns scores [k] and item indices [k] of the best items.

        Args:
            score: [N] scores of all items.
            seen: Indices of the items that are left out, like the unknown item.
            k: Padded with -inf and index 0 if fewer items remain.
        """
        k = tf.maximum(k, 0)
        rows = tf.concat([tf.constant([0], tf.int32), seen], axis=0)[:, tf.newaxis]
        lowest = tf.fill([tf.shape(rows)[0]], np.float32(-np.inf))
        score = tf.tensor_scatter_nd_update(score, rows, lowest)
        best, item = tf.math.top_k(score, tf.minimum(k, self._num_items))
        item = tf.where(tf.math.is_finite(best), item, 0)
        missing = [[0, k - tf.shape(best)[0]]]
        return tf.pad(best, missing, constant_values=-np.inf), tf.pad(item, missing)


class _Untracked:
    """Hides a value from TensorFlow's tracking: the module itself has all that must be saved."""

    def __init__(self, value: ModelScorer) -> None:
        self.value = value


def save_recommender(
    directory: Path, scorer: ModelScorer, data: PreparedData, vocabularies: Vocabularies
) -> Path:
    """Writes the SavedModel to `directory`/saved_model/1 and returns that path.

    Raises:
        ExportError: If the model uses a variable or a table that is no attribute of a layer.
    """
    path = directory / "saved_model" / "1"
    served = ServedRecommender(scorer, data, vocabularies)
    with full_disk_as_os_error(path):
        save_module(served, str(path), served.signatures(), scorer.model)
    return path


@contextmanager
def full_disk_as_os_error(path: Path) -> Iterator[None]:
    """Turns TensorFlow's error of a full disk into the `OSError` that Python's own files raise."""
    try:
        yield
    except tf.errors.OpError as error:
        full = os.strerror(errno.ENOSPC)
        if full not in str(error):
            raise
        raise OSError(errno.ENOSPC, full, str(path)) from error
