"""Small data as files, a quick builder, and the settings of the run that several tests share."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from recsearch.data.synthetic import generate

NUM_USERS, NUM_ITEMS, NUM_ROWS = 60, 40, 900

BUILDER = '''\
"""A bias an item and a product of two numbers a pair; may kill its process when an epoch begins."""

import os
import signal
from pathlib import Path

import keras
from keras import layers

COUNTDOWN = Path(__file__).with_name("countdown")


def count_down():
    if COUNTDOWN.exists():
        left = int(COUNTDOWN.read_text()) - 1
        COUNTDOWN.write_text(str(left))
        if left == 0:
            COUNTDOWN.unlink()
            os.kill(os.getpid(), signal.SIGKILL)


def dying(method):
    def counted():
        count_down()
        method()

    return counted


def build(hp, data):
    user = keras.Input((), dtype="int32", name="user_id")
    item = keras.Input((), dtype="int32", name="item_id")
    taste = layers.Embedding(data.num_users, 2)(user)
    product = layers.Dot(-1)([taste, layers.Embedding(data.num_items, 2)(item)])
    score = layers.Add()([product, layers.Embedding(data.num_items, 1)(item)])
    rate = hp.Float("rate", 0.1, 10.0, sampling="log", default=1.0)
    if data.task == "rating":
        output, loss = layers.Rescaling(1.0, offset=data.label_mean)(score), "mse"
    else:
        output, loss = layers.Activation("sigmoid")(score), "binary_crossentropy"
    model = keras.Model([user, item], output)
    model.compile(keras.optimizers.SGD(rate, momentum=0.5), loss)
    model.reset_metrics = dying(model.reset_metrics)  # each epoch begins with it
    return model
'''

HYPERBAND = {
    "task": "rating",
    "tuner": "hyperband",
    "max_epochs": 3,
    "max_trials": 4,
    "engine": "inline",
    "seed": 5,
}
"""3 configurations of 1 epoch, the best of which gets 3; then one of 3 epochs at once."""


def write_ratings(path: Path, *, text_ids: bool = False, clicks: bool = False) -> Path:
    """Writes 900 generated interactions of 60 users and 40 items as CSV."""
    made = generate(NUM_USERS, NUM_ITEMS, NUM_ROWS).interactions
    users, items = made.user_id.to_pylist(), made.item_id.to_pylist()
    if text_ids:
        users, items = [f"ü{u}" for u in users], [f"物{i}" for i in items]
    label = (made.label >= np.median(made.label)).astype(int) if clicks else made.label
    assert made.timestamp is not None
    columns = (users, items, label.tolist(), made.timestamp.tolist())
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["user_id", "item_id", "click" if clicks else "rating", "timestamp"])
        writer.writerows(zip(*columns, strict=True))
    return path


def write_builder(folder: Path) -> Path:
    """Writes the quick builder; its family is called `quick`."""
    path = folder / "quick.py"
    path.write_text(BUILDER)
    return path


def write_item_titles(path: Path) -> Path:
    """Writes a table of the 40 items with the titles "Title 1" to "Title 40" and a year."""
    rows = [f"{number},Title {number},{1980 + number}" for number in range(1, NUM_ITEMS + 1)]
    path.write_text("\n".join(["item_id,title,year", *rows]) + "\n")
    return path


def run_settings(folder: Path, **changes: Any) -> dict[str, Any]:
    """Returns the settings of the shared run on files that are written into `folder`."""
    folder.mkdir(exist_ok=True)
    return {
        **HYPERBAND,
        "spaces": [f"{write_builder(folder)}:build"],
        "data": str(write_ratings(folder / "ratings.csv")),
        "items": str(write_item_titles(folder / "items.csv")),
        "out": str(folder / "run"),
        **changes,
    }
