"""Small tables of interactions by hand, and what the tests of splits read from them."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from recsearch.data.interactions import Interactions, Split

Pairs = list[tuple[object, object]]


def table(
    users: Sequence[object], items: Sequence[object], timestamps: Sequence[int] | None = None
) -> Interactions:
    """Returns interactions whose labels are their row numbers, so that rows can be told apart."""
    return Interactions(
        ids(users),
        ids(items),
        np.arange(len(users), dtype=np.float32),
        None if timestamps is None else np.array(timestamps, dtype=np.int64),
    )


def ids(values: Sequence[object]) -> pa.Array:
    array = pa.array(values)
    return array.dictionary_encode() if pa.types.is_string(array.type) else array.cast(pa.int64())


def rows(part: Interactions) -> list[int]:
    return part.label.astype(int).tolist()


def pairs(part: Interactions) -> Pairs:
    return list(zip(part.user_id.to_pylist(), part.item_id.to_pylist(), strict=True))


def same_parts(first: Split, other: Split) -> bool:
    return rows(first.train) == rows(other.train) and rows(first.test) == rows(other.test)
