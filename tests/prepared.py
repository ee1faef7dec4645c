"""Small prepared data that the tests of training and search share."""

from dataclasses import replace
from functools import cache

import numpy as np
import tensorflow as tf

from recsearch.data.interactions import Encoded
from recsearch.data.preparation import (
    PreparedData,
    SeenItems,
    Vocabularies,
    prepare,
)
from recsearch.data.synthetic import generate
from recsearch.data.task import Task
from recsearch.data.time_order import TimeOrder
from recsearch.pipeline import Pipeline

NUM_TRAIN = 1_200  # of 1,500 ratings

# As in every worker: sums over several threads would differ from run to run in their last bits.
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)


@cache
def prepared_with_ids(task: Task) -> tuple[PreparedData, Vocabularies]:
    """80 users, 60 items with all their columns; clicks are ratings of 4 and more."""
    made = generate(num_users=80, num_items=60, num_ratings=1_500)
    interactions = made.interactions
    if task is Task.CLICK:
        liked = (interactions.label >= 4).astype(np.float32)
        interactions = replace(interactions, label=liked)
    return prepare(
        interactions.take(np.arange(NUM_TRAIN)),
        interactions.take(np.arange(NUM_TRAIN, len(interactions))),
        task,
        users=made.users,
        items=made.items,
    )


def prepared(task: Task) -> PreparedData:
    return prepared_with_ids(task)[0]


def with_train(
    pairs: list[tuple[int, int]],
    num_users: int,
    num_items: int,
    label: list[float] | None = None,
    task: Task = Task.IMPLICIT,
    timestamp: list[int] | None = None,
) -> PreparedData:
    """The data of a training part that is these (user, item), with 1 as every label by default.

    Without timestamps the items have no ages and the interactions no order.
    """
    user, item = np.array(pairs, np.int32).T
    train = Encoded(user, item, np.array(label or [1.0] * len(pairs), np.float32))
    data = prepared(task)
    order = None if timestamp is None else TimeOrder.of(user, np.array(timestamp), num_users)
    return replace(
        data,
        spec=replace(
            data.spec,
            num_users=num_users,
            num_items=num_items,
            num_interactions=len(pairs),
            user_columns=(),
            item_columns=(),
            has_ages=timestamp is not None,
            has_order=timestamp is not None,
        ),
        train=train,
        holdout=train,
        seen=SeenItems.of(train, num_users, num_items, order),
        features={},
        order=order,
    )


@cache
def pipeline(task: Task) -> Pipeline:
    return Pipeline(prepared(task))
