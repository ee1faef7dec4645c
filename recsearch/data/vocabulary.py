"""Vocabularies, fitted on the training part, and the `DataSpec` that builders get."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsearch.data.interactions import ColumnKind, Encoded, Interactions
from recsearch.data.task import Task


@dataclass(frozen=True)
class Vocabulary:
    """Raw ids and their indices; index 0 is every id that the vocabulary does not contain.

    Attributes:
        ids: [size - 1] raw ids in ascending order, int64 or string; ids[j] has index j + 1.
    """

    ids: pa.Array

    @classmethod
    def fit(cls, raw: pa.Array) -> "Vocabulary":
        """Returns the vocabulary of all ids in `raw`, whatever their order and number."""
        values = raw.dictionary.take(pc.unique(raw.indices)) if _is_dictionary(raw) else raw
        unique = pc.unique(values)
        return cls(unique.take(pc.sort_indices(unique)))

    def __len__(self) -> int:
        return len(self.ids) + 1

    @property
    def is_text(self) -> bool:
        """Whether the raw ids are strings (else int64)."""
        return not pa.types.is_integer(self.ids.type)

    def encode(self, raw: pa.Array) -> NDArray[np.int32]:
        """Returns the index of each raw id, [n] int32; 0 where null or not in the vocabulary."""
        if _is_dictionary(raw):
            codes = np.append(self.encode(raw.dictionary), np.int32(0))  # the last one is of nulls
            position = pc.fill_null(raw.indices.cast(pa.int64()), len(codes) - 1)
            indices: NDArray[np.int32] = codes[position.to_numpy(zero_copy_only=False)]
            return indices
        found = pc.index_in(raw.cast(self.ids.type), value_set=self.ids)
        index: NDArray[np.int32] = pc.fill_null(found, -1).to_numpy(zero_copy_only=False) + 1
        return index.astype(np.int32, copy=False)

    def decode(self, index: NDArray[np.int32]) -> pa.Array:
        """Returns the raw ids at `index` [n]; null where training did not know the id."""
        position = pa.array(index.astype(np.int64) - 1, mask=is_unknown(index, len(self)))
        return self.ids.take(position)

    def others(self, raw: pa.Array) -> "Vocabulary":
        """Returns the vocabulary of the ids in `raw` that this one does not know."""
        ids = Vocabulary.fit(raw).ids.cast(self.ids.type)
        return Vocabulary(ids.filter(pc.invert(pc.is_in(ids, value_set=self.ids))))


@dataclass(frozen=True)
class HeldOutVocabulary:
    """Indices of a held-out part: those of training, and more for the ids that training lacks.

    An id that training does not know has no vector of its own, but it has columns: so it gets an
    index of its own, at or above the size of the training vocabulary, and a row in the arrays of
    the columns. An id that occurs in neither is 0.

    Attributes:
        known: The training ids, from index 1.
        unknown: The ids of the held-out part that training does not know, from `len(known)`.
    """

    known: Vocabulary
    unknown: Vocabulary

    @classmethod
    def of(cls, known: Vocabulary, held_out: pa.Array) -> "HeldOutVocabulary":
        """Returns the indices of the ids in `held_out` [n]."""
        return cls(known, known.others(held_out))

    @property
    def ids(self) -> pa.Array:
        """All raw ids; the id at position j has index j + 1."""
        return pa.concat_arrays([self.known.ids, self.unknown.ids])

    def encode(self, raw: pa.Array) -> NDArray[np.int32]:
        """Returns the index of each raw id, [n] int32; 0 where null or in neither vocabulary."""
        index = self.known.encode(raw)
        if len(self.unknown.ids) == 0:
            return index
        unknown = self.unknown.encode(raw)
        shifted = unknown + np.int32(len(self.known) - 1)
        indices: NDArray[np.int32] = np.where((index == 0) & (unknown > 0), shifted, index)
        return indices


def is_unknown(index: NDArray[np.int32], size: int) -> NDArray[np.bool_]:
    """Returns whether each index means an id that training did not know.

    Args:
        index: User or item indices.
        size: `num_users` or `num_items`: rows of the table, the unknown 0 included.

    Returns:
        Of the shape of `index`; True at 0 and from `size` up.

    Example:
        >>> is_unknown(np.array([0, 1, 2, 3], np.int32), size=3).tolist()
        [True, False, False, True]
    """
    unknown: NDArray[np.bool_] = (index == 0) | (index >= size)
    return unknown


def _is_dictionary(raw: pa.Array) -> bool:
    return bool(pa.types.is_dictionary(raw.type))


Indices = Vocabulary | HeldOutVocabulary


def encode(interactions: Interactions, users: Indices, items: Indices) -> Encoded:
    """Returns the interactions with indices in place of raw ids."""
    return Encoded(
        user=users.encode(interactions.user_id),
        item=items.encode(interactions.item_id),
        label=interactions.label,
    )


@dataclass(frozen=True)
class ColumnSpec:
    """A feature column as a model input.

    Attributes:
        name: Name of the model input: "user_<column>" or "item_<column>".
        kind: CATEGORICAL (int32 [B]), NUMERIC (float32 [B], standardised), MULTI (int32 [B, L]).
        size: Number of categories, the unknown 0 included; 0 for a numeric column.
        length: L, values a row of a MULTI column, padded with 0; 1 for the others.
    """

    name: str
    kind: ColumnKind
    size: int = 0
    length: int = 1


@dataclass(frozen=True)
class DataSpec:
    """What a builder may know about the data; computed from the training part only.

    Attributes:
        task: rating, implicit or click.
        num_users: Rows of a user table, the unknown user 0 included.
        num_items: Rows of an item table, the unknown item 0 included.
        num_interactions: Training interactions.
        label_mean: Mean label of the training part; a good initial value of an output bias.
        label_min: Smallest training label.
        label_max: Largest training label.
        user_columns: User features that may be model inputs.
        item_columns: Item features that may be model inputs.
        has_ages: Whether the items of a user's bag have ages: implicit data with timestamps, and
            users of more than one item.
        has_order: Whether the time order of the training interactions is known: data with
            timestamps.
    """

    task: Task
    num_users: int
    num_items: int
    num_interactions: int
    label_mean: float
    label_min: float
    label_max: float
    user_columns: tuple[ColumnSpec, ...] = ()
    item_columns: tuple[ColumnSpec, ...] = ()
    has_ages: bool = False
    has_order: bool = False

    @property
    def columns(self) -> tuple[ColumnSpec, ...]:
        """All feature columns, the users' first."""
        return self.user_columns + self.item_columns
