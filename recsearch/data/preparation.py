"""From the parts of a split to the arrays that models are trained on.

Search and final evaluation get one `PreparedData` each, of the same shape: the search knows train
and validation, the final stage knows train + validation and test. So no code of the search can
read a test row: its data do not contain any.
"""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsearch.data.feature_arrays import encode_features
from recsearch.data.interactions import Candidates, Encoded, Features, Interactions
from recsearch.data.task import Task
from recsearch.data.time_order import TimeOrder
from recsearch.data.vocabulary import DataSpec, HeldOutVocabulary, Vocabulary, encode, is_unknown


@dataclass(frozen=True)
class SeenItems:
    """Each user's training items, in one array.

    Attributes:
        offsets: [num_users + 1] int64; user u's items are at offsets[u]:offsets[u + 1].
        items: [n] int32 item indices, ascending within a user, none twice.
        age: [n] int32: the number of the user's items that came after this one, each item at its
            last time, so that the latest item has 0; None if the order is not known.
    """

    offsets: NDArray[np.int64]
    items: NDArray[np.int32]
    age: NDArray[np.int32] | None = None

    @classmethod
    def of(
        cls,
        train: Encoded,
        num_users: int,
        num_items: int,
        order: TimeOrder | None = None,
    ) -> "SeenItems":
        """Returns the distinct items of each user of `train`.

        Args:
            train: m interactions.
            num_users: Rows of a user table, the unknown 0 included.
            num_items: Rows of an item table, the unknown 0 included.
            order: The time order of `train`: with it the items have ages.
        """
        pairs = train.user.astype(np.int64) * num_items + train.item
        age = None
        if order is None:
            pairs = np.sort(pairs)
            pairs = pairs[np.diff(pairs, prepend=-1) > 0]
        else:
            later = order.num_later()
            row = np.lexsort((later, pairs))  # of a repeated pair the last one comes first
            row = row[np.diff(pairs[row], prepend=-1) > 0]
            pairs = pairs[row]
            last = TimeOrder.of((pairs // num_items).astype(np.int32), -later[row], num_users)
            age = last.num_later().astype(np.int32)
        offsets = np.searchsorted(pairs, np.arange(num_users + 1) * np.int64(num_items))
        return cls(offsets, (pairs % num_items).astype(np.int32), age)

    def counts(self) -> NDArray[np.int64]:
        """Returns how many items each user has seen, [num_users]."""
        return np.diff(self.offsets)

    def rows(self, user: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Returns (row, item): the seen items of the user at each position in `user` [B].

        Users that training does not know have seen nothing.
        """
        last = len(self.offsets) - 1
        start, stop = self.offsets[np.minimum(user, last)], self.offsets[np.minimum(user + 1, last)]
        length = stop - start
        row = np.repeat(np.arange(len(user)), length)
        first = np.repeat(np.cumsum(length) - length, length)
        return row, self.items[np.repeat(start, length) + np.arange(len(row)) - first]


@dataclass(frozen=True)
class EncodedCandidates:
    """Lists in which one positive is ranked among negatives, as indices.

    A repeated candidate that equals the positive, and padding, is -1. These entries, and items that
    are unknown in training, are not ranked.

    Attributes:
        user: [m] int32.
        item: [m, 1 + K] int32, the positive first.
        drawn: How the negatives were drawn, in words; "" for the lists of a published protocol.
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    drawn: str = ""

    @property
    def description(self) -> str:
        """Description of a list, to be read after the number of lists."""
        text = f"lists of one positive among {self.item.shape[1] - 1} negatives"
        return f"{text}, drawn {self.drawn}" if self.drawn else f"given {text}"


@dataclass(frozen=True)
class PreparedData:
    """All that training and evaluation read, as arrays.

    Indices below `spec.num_users` and `spec.num_items` belong to training. Higher indices are ids
    that occur only in the held-out part: in `holdout`, `candidates` and the rows of `features`,
    nowhere else.

    Attributes:
        spec: What builders get.
        train: The interactions that models are fitted on.
        holdout: The interactions that they are measured on: validation, or in the end test.
        seen: Each user's training items.
        features: Name of a model input -> one row per index; row 0 is the id without a row.
        candidates: Lists that the holdout is ranked in, or None for the whole catalogue.
        order: The time order of `train`; None without timestamps.
    """

    spec: DataSpec
    train: Encoded
    holdout: Encoded
    seen: SeenItems
    features: dict[str, NDArray[np.int32] | NDArray[np.float32]]
    candidates: EncodedCandidates | None = None
    order: TimeOrder | None = None

    @property
    def has_unknown(self) -> bool:
        """Whether a held-out user or item has an index that training does not know."""
        spec, holdout = self.spec, self.holdout
        return bool(
            np.any(holdout.user >= spec.num_users) or np.any(holdout.item >= spec.num_items)
        )

    @property
    def has_cold_users(self) -> bool:
        """Whether training knows none of the held-out users, as in a cold-users split."""
        return _all_unknown(self.holdout.user, self.spec.num_users)

    @property
    def has_cold_items(self) -> bool:
        """Whether training knows none of the held-out items, as in a cold-items split."""
        return _all_unknown(self.holdout.item, self.spec.num_items)


def _all_unknown(index: NDArray[np.int32], size: int) -> bool:
    return len(index) > 0 and bool(np.all(is_unknown(index, size)))


@dataclass(frozen=True)
class Vocabularies:
    """The raw ids behind the training indices of one `PreparedData`."""

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
    known = Vocabularies(Vocabulary.fit(train.user_id), Vocabulary.fit(train.item_id))
    encoded = encode(train, known.users, known.items)
    all_users = HeldOutVocabulary.of(known.users, holdout.user_id)
    all_items = HeldOutVocabulary.of(known.items, holdout.item_id)
    user_columns, user_arrays = encode_features("user", users, all_users)
    item_columns, item_arrays = encode_features("item", items, all_items)
    num_users, num_items = len(known.users), len(known.items)
    order = _time_order(encoded, train.timestamp, num_users)
    seen = SeenItems.of(encoded, num_users, num_items, order if task is Task.IMPLICIT else None)
    spec = DataSpec(
        task=task,
        num_users=num_users,
        num_items=num_items,
        num_interactions=len(train),
        label_mean=float(train.label.mean(dtype=np.float64)),
        label_min=float(train.label.min()),
        label_max=float(train.label.max()),
        user_columns=user_columns,
        item_columns=item_columns,
        has_ages=seen.age is not None and bool(np.any(seen.age)),
        has_order=order is not None,
    )
    data = PreparedData(
        spec=spec,
        train=encoded,
        holdout=encode(holdout, all_users, all_items),
        seen=seen if spec.has_ages else replace(seen, age=None),
        features={**user_arrays, **item_arrays},
        candidates=_encode_candidates(candidates, all_users, all_items) if candidates else None,
        order=order,
    )
    return data, known


def _time_order(
    train: Encoded, timestamp: NDArray[np.int64] | None, num_users: int
) -> TimeOrder | None:
    return None if timestamp is None else TimeOrder.of(train.user, timestamp, num_users)


def _encode_candidates(
    candidates: Candidates, users: HeldOutVocabulary, items: HeldOutVocabulary
) -> EncodedCandidates:
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
    negative = np.where(dropped, -1, items.encode(negatives))
    item = np.column_stack([items.encode(positive), negative.reshape(len(positive), -1)])
    return EncodedCandidates(users.encode(candidates.user_id), item.astype(np.int32))


def _value_type(array: pa.Array) -> pa.DataType:
    return array.type.value_type if pa.types.is_dictionary(array.type) else array.type


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
