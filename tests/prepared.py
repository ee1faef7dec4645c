"""Small prepared data that the tests of training and search share."""

from dataclasses import replace
from functools import cache

import numpy as np
import tensorflow as tf

from recsearch.data.interactions import Task
from recsearch.data.preparation import PreparedData, Vocabularies, prepare
from recsearch.data.synthetic import generate
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


@cache
def pipeline(task: Task) -> Pipeline:
    return Pipeline(prepared(task))
