"""Small prepared data that the tests of the baselines share, and what is measured on them."""

from itertools import product

import numpy as np

from recsearch.data.interactions import ColumnKind, Encoded
from recsearch.data.preparation import EncodedCandidates, PreparedData, SeenItems
from recsearch.data.task import Task
from recsearch.data.time_order import TimeOrder
from recsearch.data.vocabulary import ColumnSpec, DataSpec


def encoded(user, item, label=None) -> Encoded:
    label = np.ones(len(user)) if label is None else label
    return Encoded(
        np.asarray(user, dtype=np.int32),
        np.asarray(item, dtype=np.int32),
        np.asarray(label, dtype=np.float32),
    )


def index(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int32)


def prepared(
    train: Encoded,
    num_users: int,
    num_items: int,
    task: Task = Task.IMPLICIT,
    *,
    columns: dict[str, tuple[ColumnSpec, np.ndarray]] | None = None,
    candidates: EncodedCandidates | None = None,
    timestamp: np.ndarray | None = None,
) -> PreparedData:
    """The training part as prepared data, held out against itself; item columns by their name.

    With timestamps the items of a user have ages.
    """
    columns = columns or {}
    spec = DataSpec(
        task=task,
        num_users=num_users,
        num_items=num_items,
        num_interactions=len(train),
        label_mean=float(train.label.mean()),
        label_min=float(train.label.min()),
        label_max=float(train.label.max()),
        item_columns=tuple(column for column, _ in columns.values()),
        has_ages=timestamp is not None,
        has_order=timestamp is not None,
    )
    order = None if timestamp is None else TimeOrder.of(train.user, timestamp, num_users)
    seen = SeenItems.of(train, num_users, num_items, order)
    features = {name: values for name, (_, values) in columns.items()}
    return PreparedData(spec, train, train, seen, features, candidates, order)


def random_train(rng: np.random.Generator, task: Task, num: int = 120) -> Encoded:
    """Users 0 to 9 and items 0 to 7, the unknown ones and repetitions included."""
    label = {
        Task.RATING: rng.integers(1, 6, num),
        Task.CLICK: rng.integers(0, 2, num),
        Task.IMPLICIT: np.ones(num),
    }[task]
    return encoded(rng.integers(0, 10, num), rng.integers(0, 8, num), label)


def checkerboard_train() -> Encoded:
    """Users and items 1 to 8: like meets like (both odd or both even), save item u of user u."""
    pairs = [(u, i) for u, i in product(range(1, 9), repeat=2) if (u + i) % 2 == 0 and u != i]
    return encoded(*zip(*pairs, strict=True))


def parity_column() -> dict[str, tuple[ColumnSpec, np.ndarray]]:
    """A categorical item column of items 1 to 8: odd or even."""
    values = np.array([0, 1, 2, 1, 2, 1, 2, 1, 2], dtype=np.int32)
    return {"item_parity": (ColumnSpec("item_parity", ColumnKind.CATEGORICAL, size=3), values)}
