"""The types of the data: interactions, features, candidates, splits.

Dimension letters: n interactions, K candidates of one list.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


@dataclass(frozen=True)
class Interactions:
    """Interactions of users with items, in columns of equal length n.

    Attributes:
        user_id: [n] raw ids: an Arrow array of int64, or of dictionary<int32, string>.
        item_id: [n] raw ids, of either type.
        label: [n] float32; ones if the data have no labels.
        timestamp: [n] int64 seconds since 1970 UTC; None if the data have no timestamps.
    """

    user_id: pa.Array
    item_id: pa.Array
    label: NDArray[np.float32]
    timestamp: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> "Interactions":
        """Returns the interactions at `rows`: positions [m], or a mask [n]."""
        if rows.dtype == np.bool_:
            rows = np.flatnonzero(rows)
        index = pa.array(rows)
        return replace(
            self,
            user_id=self.user_id.take(index),
            item_id=self.item_id.take(index),
            label=self.label[rows],
            timestamp=None if self.timestamp is None else self.timestamp[rows],
        )


class ColumnKind(StrEnum):
    """The kind of a feature column: how it is read and fed to a model."""

    CATEGORICAL = "categorical"  # one value of a set: string array
    NUMERIC = "numeric"  # a quantity: float64 array, null where missing
    MULTI = "multi"  # several values of a set, as in genres: list<string> array
    TEXT = "text"  # free text, as in titles: string array; shown in reports, not a model input


@dataclass(frozen=True)
class FeatureColumn:
    """One column of a user or item table: `values` [rows], in the type of its `ColumnKind`."""

    kind: ColumnKind
    values: pa.Array


@dataclass(frozen=True)
class Features:
    """A user table or an item table: one row per id, each id once.

    Attributes:
        id: [rows] raw ids, of the same Arrow type as in the interactions.
        columns: name of a column -> its values.
    """

    id: pa.Array
    columns: dict[str, FeatureColumn]


@dataclass(frozen=True)
class Candidates:
    """Lists in which one positive is ranked among given negatives, from a published protocol.

    Attributes:
        user_id: [m] raw ids.
        item_id: [m] raw id of the positive of each list.
        negative_ids: [m * K] raw ids, list after list; nulls are padding.
        num_negatives: K.
    """

    user_id: pa.Array
    item_id: pa.Array
    negative_ids: pa.Array
    num_negatives: int


@dataclass(frozen=True)
class Split:
    """Three disjoint parts whose union is the input.

    Attributes:
        train: Models are fitted on it.
        validation: Trials are compared on it.
        test: Used once, for the finalist and the baselines.
        description: How the split was made, in words ("random 80/10/10, seed 0").
        candidates: Test lists of a published protocol, or None to rank the whole catalogue.
        notes: Notes for the user, such as rows that were moved or dropped, and why.
    """

    train: Interactions
    validation: Interactions
    test: Interactions
    description: str
    candidates: Candidates | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Encoded:
    """Interactions with indices in place of raw ids, for models.

    Index 0 is an unknown id. Indices from `DataSpec.num_users` (`num_items`) on are ids that occur
    only in the held-out part: each has its own index and its feature columns.

    Attributes:
        user: [n] int32 index.
        item: [n] int32 index.
        label: [n] float32.
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    label: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.label)
