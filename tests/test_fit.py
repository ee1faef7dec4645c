from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from prepared import pipeline, prepared

from recsearch.data.task import Task
from recsearch.nn import (
    BPR,
    Embedding,
    Listwise,
    Negatives,
    Pairs,
    Pretraining,
    Recommender,
    make_optimizer,
)
from recsearch.training.fit import Fitter
from recsearch.tuning.space.search_space import load_space


def dot_model(dropout: float = 0.0, model_class=keras.Model) -> keras.Model:
    spec = prepared(Task.RATING).spec
    user = keras.Input((), dtype="int32", name="user_id")
    item = keras.Input((), dtype="int32", name="item_id")
    p = layers.Dropout(dropout)(Embedding(spec.num_users, 4, l2=1e-4)(user))
    score = layers.Add()(
        [
            layers.Dot(axes=-1)([p, Embedding(spec.num_items, 4)(item)]),
            Embedding(spec.num_items, 1, "zeros")(item),
        ]
    )
    return model_class([user, item], layers.Rescaling(1.0, offset=3.0)(score))


def rating_fitter(optimizer: str = "adam", dropout: float = 0.0, seed: int = 3) -> Fitter:
    keras.utils.set_random_seed(seed)
    model = dot_model(dropout)
    model.compile(make_optimizer(optimizer, 0.02), "mse", metrics=["mae"])
    return Fitter(Recommender(model, Pairs(), 100), pipeline(Task.RATING), seed)


def state(fitter: Fitter) -> list[np.ndarray]:
    model = fitter.recommender.model
    return [np.asarray(v) for v in [*model.variables, *model.optimizer.variables]]


def assert_same_state(first: Fitter, second: Fitter) -> None:
    for one, two in zip(state(first), state(second), strict=True):
        np.testing.assert_array_equal(one, two)


def assert_continues_exactly(make: Callable[[], Fitter], path: Path) -> None:
    """Four epochs at once, and two and two through a checkpoint, must agree to the last bit."""
    whole, first, second = make(), make(), make()
    logs = [whole.run_epoch(epoch) for epoch in range(4)]
    for epoch in range(2):
        assert first.run_epoch(epoch) == logs[epoch]
    first.save(path)
    keras.utils.set_random_seed(99)  # what else is random must not matter
    second.load(path)
    assert_same_state(first, second)
    for epoch in (2, 3):
        assert second.run_epoch(epoch) == logs[epoch]
    assert_same_state(whole, second)


def test_loss_falls_and_compiled_metrics_are_told() -> None:
    fitter = rating_fitter()
    logs = [fitter.run_epoch(epoch) for epoch in range(5)]
    assert set(logs[0]) == {"train_loss", "train_mae"}
    losses = [log["train_loss"] for log in logs]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.8 * losses[0]


def test_metrics_of_an_epoch_do_not_remember_the_one_before() -> None:
    fitter, fresh = rating_fitter("sgd"), rating_fitter("sgd")
    fitter.recommender.model.optimizer.learning_rate = 0.0
    fresh.recommender.model.optimizer.learning_rate = 0.0
    fitter.run_epoch(0)
    expected = fresh.run_epoch(1)
    received = fitter.run_epoch(1)
    assert received == expected


@pytest.mark.parametrize(
    ("optimizer", "dropout"), [("adam", 0.5), ("rmsprop", 0.5), ("sgd", 0.5), ("adam", 0.0)]
)
def test_training_through_a_checkpoint_is_exact(
    optimizer: str, dropout: float, tmp_path: Path
) -> None:
    assert_continues_exactly(lambda: rating_fitter(optimizer, dropout), tmp_path / "c.npz")


def test_builtin_space_with_negatives_continues_exactly(tmp_path: Path) -> None:
    values = {"dropout": 0.3, "batch_size": 256, "embedding_dim": 8, "num_layers": 1}

    def make() -> Fitter:
        keras.utils.set_random_seed(1)
        built = load_space(["neumf"]).build("neumf", values, prepared(Task.IMPLICIT).spec)
        return Fitter(built.recommender, pipeline(Task.IMPLICIT), 1)

    assert_continues_exactly(make, tmp_path / "c.npz")


class CountingModel(keras.Model):
    """A functional model whose own step trains on doubled targets and counts."""

    def train_step(self, data):
        self.steps.assign_add(1.0)
        inputs, target = data
        return super().train_step((inputs, 2.0 * target))


def test_train_step_of_a_subclass_counts() -> None:
    keras.utils.set_random_seed(0)
    model = dot_model(model_class=CountingModel)
    model.steps = model.add_weight(shape=(), initializer="zeros", trainable=False, name="steps")
    model.compile(make_optimizer("adam", 0.05), "mse")
    fitter = Fitter(Recommender(model, Pairs(), 100), pipeline(Task.RATING), 0)
    for epoch in range(6):
        fitter.run_epoch(epoch)
    assert float(model.steps) == 6 * 12  # 1,200 ratings, 100 a batch
    user, item = prepared(Task.RATING).train.user, prepared(Task.RATING).train.item
    assert np.mean(model([user, item])) > 4.0  # towards 2 * the mean rating near 3


@pytest.mark.parametrize(
    "loss",
    [
        BPR(2),
        Listwise(keras.losses.CategoricalCrossentropy(from_logits=True), 2),
        keras.losses.BinaryCrossentropy(from_logits=True),
    ],
    ids=["bpr", "softmax", "bce"],
)
def test_losses_over_sampled_negatives_fall(loss: keras.losses.Loss) -> None:
    keras.utils.set_random_seed(0)
    model = dot_model()
    model.compile(make_optimizer("adam", 0.02), loss)
    recommender = Recommender(model, Negatives(2), 100 - 1)  # the last batch is smaller
    fitter = Fitter(recommender, pipeline(Task.IMPLICIT), 0)
    losses = [fitter.run_epoch(epoch)["train_loss"] for epoch in range(4)]
    assert losses[-1] < 0.97 * losses[0]


def test_pretraining_trains_parts_and_joins_them_once() -> None:
    values = {"pretrain": True, "pretrain_epochs": 2, "embedding_dim": 8, "mlp_embedding_dim": 8}
    keras.utils.set_random_seed(0)
    recommender = (
        load_space(["neumf"]).build("neumf", values, prepared(Task.IMPLICIT).spec).recommender
    )
    fitter = Fitter(recommender, pipeline(Task.IMPLICIT), 0)
    whole = recommender.model
    tables = [np.asarray(whole.get_layer(name).embeddings) for name in ("gmf_user", "mlp_item")]
    assert recommender.pretraining is not None
    assert [part.name for part in recommender.pretraining.models] == ["gmf_head", "mlp_head"]
    fitter.pretrain()
    for before, name in zip(tables, ("gmf_user", "mlp_item"), strict=True):
        assert not np.array_equal(before, whole.get_layer(name).embeddings)
    heads = [part.get_layer(part.name) for part in recommender.pretraining.models]
    join = whole.get_layer("join")
    kernels = [0.5 * np.asarray(head.kernel) for head in heads]
    np.testing.assert_allclose(join.kernel, np.concatenate(kernels), rtol=1e-6)
    np.testing.assert_allclose(join.bias, sum(0.5 * np.asarray(h.bias) for h in heads), rtol=1e-6)
    assert int(whole.optimizer.iterations) == 0
    assert np.isfinite(fitter.run_epoch(0)["train_loss"])


def test_pretraining_runs_its_epochs_of_each_model_before_it_joins() -> None:
    calls: list[list[int]] = []
    parts = []
    for _ in range(2):
        part = dot_model()
        part.compile(make_optimizer("sgd", 0.01), "mse")
        parts.append(part)
    whole = dot_model()
    whole.compile("sgd", "mse")
    pretraining = Pretraining(
        tuple(parts), 3, lambda: calls.append([int(p.optimizer.iterations) for p in parts])
    )
    Fitter(Recommender(whole, Pairs(), 400, pretraining), pipeline(Task.RATING), 0).pretrain()
    assert calls == [[3 * 3, 3 * 3]]  # 1,200 ratings are 3 batches of 400


def test_pretrain_without_parts_changes_nothing() -> None:
    fitter = rating_fitter()
    before = state(fitter)
    fitter.pretrain()
    for one, two in zip(before, state(fitter), strict=True):
        np.testing.assert_array_equal(one, two)


def fitter_of_two_models(seed: int = 3) -> Fitter:
    """The trained model gives twice the score; the model that scores is not compiled."""
    keras.utils.set_random_seed(seed)
    model = dot_model()
    trained = keras.Model(model.inputs, layers.Rescaling(2.0)(model.output))
    trained.compile(make_optimizer("adam", 0.02), "mse")
    return Fitter(Recommender(model, Pairs(), 100, trained=trained), pipeline(Task.RATING), seed)


def test_the_trained_model_is_fed_and_changes_the_model_that_scores(tmp_path: Path) -> None:
    fitter = fitter_of_two_models()
    model = fitter.recommender.model
    assert not hasattr(model, "optimizer")
    before = [weight.numpy() for weight in model.trainable_weights]
    losses = [fitter.run_epoch(epoch)["train_loss"] for epoch in range(3)]
    assert losses[2] < losses[0]
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert not np.array_equal(weight.numpy(), old)
    fitter.save(tmp_path / "state.npz")
    again = fitter_of_two_models()
    keras.utils.set_random_seed(8)
    again.load(tmp_path / "state.npz")
    assert again.run_epoch(3) == fitter.run_epoch(3)
    for one, two in zip(model.weights, again.recommender.model.weights, strict=True):
        np.testing.assert_array_equal(one, two)


def test_learning_rate_is_that_of_the_trained_model() -> None:
    fitter = fitter_of_two_models()
    fitter.set_learning_rate(0.5)
    assert float(fitter.recommender.to_train.optimizer.learning_rate) == 0.5
