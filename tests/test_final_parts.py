"""Which part of the data each end stage uses, seen from the finished run."""

from pathlib import Path

import keras
import pandas as pd
import pytest
from small_run import write_ratings

import recsearch
from recsearch.api.run import Run

BUILDER = """
import keras
from keras import layers


def build(hp, data):
    user = keras.Input((), dtype="int32", name="user_id")
    item = keras.Input((), dtype="int32", name="item_id")
    sides = [
        layers.Embedding(size, 1, embeddings_initializer="zeros", name=name)(index)
        for size, index, name in (
            (data.num_users, user, "users"), (data.num_items, item, "items"),
        )
    ]
    score = layers.Add()(sides)
    output = layers.Rescaling(hp.Float("scale", 1.0, 2.0), offset=3.0)(score)
    model = keras.Model([user, item], output)
    model.compile(keras.optimizers.SGD(0.5), "mse")
    return model
"""

LATE, LAST = 60, 59  # users of the validation part and of the test part only


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """The last two users have rows in one part only; every item is in the training part."""
    frame = pd.read_csv(write_ratings(tmp_path_factory.mktemp("rows") / "ratings.csv"))
    late, last = frame["user_id"] == LATE, frame["user_id"] == LAST
    place = frame.index.to_series() % 10
    return {
        "data": frame[~late & ~last & (place < 6)],
        "validation": frame[late | (~last & place.isin([6, 7]))],
        "test": frame[~late & (last | (place >= 8))],
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, parts: dict[str, pd.DataFrame]) -> Run:
    folder: Path = tmp_path_factory.mktemp("parts")
    (folder / "zeros.py").write_text(BUILDER)
    return recsearch.search(
        folder / "zeros.py", **parts, task="rating", tuner="random", max_trials=1, max_epochs=2,
        final_seeds=2, engine="inline", out=folder / "run",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["model.keras", "model-seed-1.keras"])
def test_retraining_learns_from_train_and_validation_and_from_no_test_row(
    run: Run, parts: dict[str, pd.DataFrame], name: str
) -> None:
    """A row of the table that starts at zero moves if, and only if, its user is trained on."""
    table = keras.models.load_model(run.directory / "best" / name).get_layer("users").get_weights()
    trained_on = sorted({*parts["data"]["user_id"], *parts["validation"]["user_id"]})
    assert LATE in trained_on
    assert LAST not in trained_on
    moved = table[0].ravel() != 0
    # Known ids have indices from 1 in ascending order; 0 is the unknown id.
    assert moved.tolist() == [False] + [True] * len(trained_on)


def test_export_recommends_no_item_that_the_user_has_in_any_part(
    run: Run, parts: dict[str, pd.DataFrame]
) -> None:
    frame = pd.concat(parts.values())
    items = set(frame["item_id"])
    tested = parts["test"].groupby("user_id")["item_id"].agg(set)
    checked = 0
    for user, owned in frame.groupby("user_id")["item_id"].agg(set).items():
        if user == LAST:  # unknown to the model: it has no row to hide items in
            continue
        free = set(run.recommend(user, k=100)["item_id"])
        assert free == items - owned, user
        assert set(run.recommend(user, k=100, include_seen=True)["item_id"]) == items
        checked += len(tested.get(user, set()))
    assert checked > 100
