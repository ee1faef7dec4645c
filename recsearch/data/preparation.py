"""From the parts of a split to the arrays that models are fed with.

Search and final evaluation get one `PreparedData` each, of the same shape: the search knows train
and validation, the final stage knows train + validation and test. So no code of the search can
read a test row: the data that it is handed do not hold any.
"""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsearch.data.interactions import (
    Candidates,
    ColumnKind,
    Encoded,
    FeatureColumn,
    Features,
    Interactions,
    Task,
)
from recsearch.data.vocabulary import ColumnSpec, DataSpec, Vocabulary, encode

MAX_CATEGORIES = 10_000  # a column with more values identifies rows rather than describes them
MAX_VALUES_A_ROW = 16  # of a multi-valued column; the rest of a longer row is left out


@dataclass(frozen=True)
class SeenItems:
    """Each user's training items, in one array.

    Attributes:
        offsets: [num_users + 1] int64; user u's items stand at offsets[u]:offsets[u + 1].
        items: [n] int32 item indices, ascending within a user, none twice.
    """

    offsets: NDArray[np.int64]
    items: NDArray[np.int32]

    @classmethod
    def of(cls, train: Encoded, num_users: int, num_items: int) -> "SeenItems":
        """Returns the distinct items of each user of `train`."""
        pairs = np.sort(train.user.astype(np.int64) * num_items + train.item)
        pairs = pairs[np.diff(pairs, prepend=-1) > 0]
        offsets = np.searchsorted(pairs, np.arange(num_users + 1) * np.int64(num_items))
        return cls(offsets, (pairs % num_items).astype(np.int32))

    def counts(self) -> NDArray[np.int64]:
        """Returns how many items each user has seen, [num_users]."""
        return np.diff(self.offsets)

    def rows(self, user: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Returns (row, item): for each position in `user` [B], what this user has seen."""
        start, stop = self.offsets[user], self.offsets[user + 1]
        length = stop - start
        row = np.repeat(np.arange(len(user)), length)
        first = np.repeat(np.cumsum(length) - length, length)
        return row, self.items[np.repeat(start, length) + np.arange(len(row)) - first]


@dataclass(frozen=True)
class EncodedCandidates:
    """Lists of a published protocol, as indices: user [m], item [m, 1 + K] with the positive first.

    A repeated candidate that equals the positive, and padding, is -1. Neither those nor items that
    are unknown in training (0) are ranked.
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]


@dataclass(frozen=True)
class PreparedData:
    """All that training and evaluation read, as arrays.

    Attributes:
        spec: What builders get.
        train: The interactions that models are fitted on.
        holdout: The interactions that they are measured on: validation, or in the end test.
        seen: Each user's training items.
        features: Name of a model input -> [num_users or num_items, ...]; row 0 is the unknown id.
        candidates: Lists that the holdout is ranked in, or None for the whole catalogue.
    """

    spec: DataSpec
    train: Encoded
    holdout: Encoded
    seen: SeenItems
    features: dict[str, NDArray[np.int32] | NDArray[np.float32]]
    candidates: EncodedCandidates | None = None


@dataclass(frozen=True)
class Vocabularies:
    """The raw ids behind the indices of one `PreparedData`."""

    users: Vocabulary
    items: Vocabulary


def prepare(
    train: Interactions,
    holdout: Interactions,
    task: Task,
    *,
    users: Features | None = None,
    items: Features | None = None,
    candidates: Candidates | None = None,
) -> tuple[PreparedData, Vocabularies]:
    """Fits vocabularies and statistics on `train`, and encodes everything with them."""
    vocabularies = Vocabularies(Vocabulary.fit(train.user_id), Vocabulary.fit(train.item_id))
    encoded = encode(train, vocabularies.users, vocabularies.items)
    user_columns, user_arrays = _encode_features("user", users, vocabularies.users)
    item_columns, item_arrays = _encode_features("item", items, vocabularies.items)
    spec = DataSpec(
        task=task,
        num_users=len(vocabularies.users),
        num_items=len(vocabularies.items),
        num_interactions=len(train),
        label_mean=float(train.label.mean(dtype=np.float64)),
        label_min=float(train.label.min()),
        label_max=float(train.label.max()),
        user_columns=user_columns,
        item_columns=item_columns,
    )
    data = PreparedData(
        spec=spec,
        train=encoded,
        holdout=encode(holdout, vocabularies.users, vocabularies.items),
        seen=SeenItems.of(encoded, spec.num_users, spec.num_items),
        features={**user_arrays, **item_arrays},
        candidates=_encode_candidates(candidates, vocabularies) if candidates else None,
    )
    return data, vocabularies


def _encode_candidates(candidates: Candidates, vocabularies: Vocabularies) -> EncodedCandidates:
    positive = candidates.item_id
    negatives = candidates.negative_ids
    repeated = pc.equal(
        negatives.cast(_value_type(negatives)),
        positive.cast(_value_type(positive)).take(
            pa.array(np.repeat(np.arange(len(positive)), candidates.num_negatives))
        ),
    )
    # A null compares to null: it is padding, and as little ranked as a repeated positive.
    dropped = pc.fill_null(repeated, True).to_numpy(zero_copy_only=False)
    negative = np.where(dropped, -1, vocabularies.items.encode(negatives))
    item = np.column_stack(
        [vocabularies.items.encode(positive), negative.reshape(len(positive), -1)]
    )
    return EncodedCandidates(vocabularies.users.encode(candidates.user_id), item.astype(np.int32))


def _value_type(array: pa.Array) -> pa.DataType:
    return array.type.value_type if pa.types.is_dictionary(array.type) else array.type


def _encode_features(
    side: str, features: Features | None, vocabulary: Vocabulary
) -> tuple[tuple[ColumnSpec, ...], dict[str, NDArray[np.int32] | NDArray[np.float32]]]:
    """Returns the columns that can be model inputs, and their arrays [len(vocabulary), ...]."""
    if features is None:
        return (), {}
    position = pc.index_in(vocabulary.ids, value_set=_plain(features.id).cast(vocabulary.ids.type))
    specs, arrays = [], {}
    for name, column in features.columns.items():
        if column.kind is ColumnKind.TEXT:
            continue
        aligned = FeatureColumn(column.kind, column.values.take(position))
        spec, array = _ENCODERS[column.kind](f"{side}_{name}", aligned)
        specs.append(spec)
        arrays[spec.name] = np.concatenate([np.zeros_like(array[:1]), array])
    return tuple(specs), arrays


def _plain(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _encode_categorical(name: str, column: FeatureColumn) -> tuple[ColumnSpec, NDArray[np.int32]]:
    categories = _frequent_values(column.values)
    found = pc.index_in(column.values, value_set=categories, skip_nulls=True)
    index = pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int32) + 1
    return ColumnSpec(name, column.kind, size=len(categories) + 1), index


def _encode_numeric(name: str, column: FeatureColumn) -> tuple[ColumnSpec, NDArray[np.float32]]:
    values = column.values.to_numpy(zero_copy_only=False).astype(np.float64)
    known = values[np.isfinite(values)]
    mean, deviation = (known.mean(), known.std()) if len(known) else (0.0, 0.0)
    standard = (values - mean) / (deviation if deviation > 0 else 1.0)
    # A missing value is the mean of the known ones: 0 after standardisation.
    return ColumnSpec(name, column.kind), np.nan_to_num(standard, posinf=0.0, neginf=0.0).astype(
        np.float32
    )


def _encode_multi(name: str, column: FeatureColumn) -> tuple[ColumnSpec, NDArray[np.int32]]:
    lists = column.values
    rows = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    values = pc.list_flatten(lists)
    categories = _frequent_values(values)
    index = pc.fill_null(pc.index_in(values, value_set=categories, skip_nulls=True), -1)
    index = index.to_numpy(zero_copy_only=False).astype(np.int32) + 1
    length_of = np.bincount(rows, minlength=len(lists))
    slot = np.arange(len(rows)) - np.repeat(np.cumsum(length_of) - length_of, length_of)
    length = int(min(max(length_of.max(initial=0), 1), MAX_VALUES_A_ROW))
    kept = slot < length
    array = np.zeros((len(lists), length), np.int32)
    array[rows[kept], slot[kept]] = index[kept]
    return ColumnSpec(name, column.kind, size=len(categories) + 1, length=length), array


def _frequent_values(values: pa.Array) -> pa.Array:
    """Returns the distinct values, at most MAX_CATEGORIES, the most frequent first."""
    counted = pc.value_counts(values.drop_null())
    order = pc.sort_indices(
        pa.table({"count": counted.field("counts"), "value": counted.field("values")}),
        sort_keys=[("count", "descending"), ("value", "ascending")],
    )
    return counted.field("values").take(order.slice(0, MAX_CATEGORIES))


_ENCODERS = {
    ColumnKind.CATEGORICAL: _encode_categorical,
    ColumnKind.NUMERIC: _encode_numeric,
    ColumnKind.MULTI: _encode_multi,
}


def concatenate(first: Interactions, second: Interactions) -> Interactions:
    """Returns the interactions of both, in this order; ids of one type are expected."""
    has_time = first.timestamp is not None and second.timestamp is not None
    return replace(
        first,
        user_id=_concatenate_ids(first.user_id, second.user_id),
        item_id=_concatenate_ids(first.item_id, second.item_id),
        label=np.concatenate([first.label, second.label]),
        timestamp=np.concatenate([first.timestamp, second.timestamp]) if has_time else None,
    )


def _concatenate_ids(first: pa.Array, second: pa.Array) -> pa.Array:
    joined = pa.chunked_array([first, second])
    if pa.types.is_dictionary(first.type):
        joined = joined.unify_dictionaries()
    return pa.concat_arrays(joined.chunks)
