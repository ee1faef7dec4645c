"""User and item columns as arrays: one row per index, fitted only on the rows of training ids.

Dimension letters: R rows (one per id of the training part, then one per id that occurs only in the
held-out part), L values of a multi-valued column.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsearch.data.arrow import decoded
from recsearch.data.interactions import ColumnKind, FeatureColumn, Features
from recsearch.data.vocabulary import ColumnSpec, HeldOutVocabulary

MAX_CATEGORIES = 10_000  # the most frequent values; the rest count as unknown
MAX_VALUES_PER_ROW = 16  # of a multi-valued column; further values are ignored

FeatureArray = NDArray[np.int32] | NDArray[np.float32]


def encode_features(
    side: str, features: Features | None, vocabulary: HeldOutVocabulary
) -> tuple[tuple[ColumnSpec, ...], dict[str, FeatureArray]]:
    """Returns the columns that can be model inputs, and their arrays.

    Category numbers, means, deviations and the number of values per row are computed from training
    ids; the other ids are encoded with them.

    Args:
        side: "user" or "item", the prefix of each input's name.
        features: The table, or None.
        vocabulary: The indices of the ids.

    Returns:
        One spec per column, in the order of the table, and name -> [1 + R] or [1 + R, L]: row 0
        is for the unknown id, row j + 1 for `vocabulary.ids[j]`.
    """
    if features is None:
        return (), {}
    ids = vocabulary.ids
    position = pc.index_in(ids, value_set=decoded(features.id).cast(ids.type))
    num_known = len(vocabulary.known.ids)
    specs, arrays = [], {}
    for name, column in features.columns.items():
        if column.kind is ColumnKind.TEXT:
            continue
        aligned = FeatureColumn(column.kind, column.values.take(position))
        spec, array = _ENCODERS[column.kind](f"{side}_{name}", aligned, num_known)
        specs.append(spec)
        arrays[spec.name] = np.concatenate([np.zeros_like(array[:1]), array])
    return tuple(specs), arrays


def _encode_categorical(
    name: str, column: FeatureColumn, num_known: int
) -> tuple[ColumnSpec, NDArray[np.int32]]:
    categories = _frequent_values(column.values[:num_known])
    index = _category_index(column.values, categories)
    return ColumnSpec(name, column.kind, size=len(categories) + 1), index


def _encode_numeric(
    name: str, column: FeatureColumn, num_known: int
) -> tuple[ColumnSpec, NDArray[np.float32]]:
    values = column.values.to_numpy(zero_copy_only=False).astype(np.float64)
    with np.errstate(over="ignore"):
        values[~np.isfinite(values.astype(np.float32))] = np.nan  # too large: counts as missing
        fitted = values[:num_known]
        fitted = fitted[np.isfinite(fitted)]
        mean, deviation = (fitted.mean(), fitted.std()) if len(fitted) else (0.0, 0.0)
        standard = ((values - mean) / (deviation if deviation > 0 else 1.0)).astype(np.float32)
    # A missing value is replaced by the mean, which is 0 after standardisation.
    standard[~np.isfinite(standard)] = 0.0
    return ColumnSpec(name, column.kind), standard


def _encode_multi(
    name: str, column: FeatureColumn, num_known: int
) -> tuple[ColumnSpec, NDArray[np.int32]]:
    lists = column.values
    rows = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    values = pc.list_flatten(lists)
    categories = _frequent_values(pc.list_flatten(lists[:num_known]))
    index = _category_index(values, categories)
    length_of = np.bincount(rows, minlength=len(lists))
    slot = np.arange(len(rows)) - np.repeat(np.cumsum(length_of) - length_of, length_of)
    length = int(min(max(length_of[:num_known].max(initial=0), 1), MAX_VALUES_PER_ROW))
    kept = slot < length
    array = np.zeros((len(lists), length), np.int32)
    array[rows[kept], slot[kept]] = index[kept]
    return ColumnSpec(name, column.kind, size=len(categories) + 1, length=length), array


def _category_index(values: pa.Array, categories: pa.Array) -> NDArray[np.int32]:
    """Returns the index of each value, from 1; 0 if it is missing or not a category."""
    found = pc.index_in(values, value_set=categories, skip_nulls=True)
    index: NDArray[np.int32] = pc.fill_null(found, -1).to_numpy(zero_copy_only=False)
    return index.astype(np.int32, copy=False) + np.int32(1)


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
