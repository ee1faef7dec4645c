from dataclasses import replace
from itertools import pairwise

import keras
import keras_tuner
import pytest

from recsearch.data.task import Task
from recsearch.data.vocabulary import DataSpec
from recsearch.nn import (
    BPR,
    Bags,
    Multinomial,
    Negatives,
    ObservedSquaredError,
    Pairs,
    PairwiseHinge,
    SampledSoftmax,
    SparseAdam,
    SparseSGD,
    compile_recommender,
    read_bag_training,
    read_training,
    task_output,
)
from recsearch.nn.compiling import (
    LARGE_DATA,
    MANY_USERS,
    MAX_CELLS_PER_LABEL,
    MAX_SOFTMAX_ITEMS,
    TrainingChoices,
    make_loss,
)

SPEC = DataSpec(Task.RATING, 5, 6, 1_000, label_mean=3.5, label_min=1.0, label_max=5.0)
IMPLICIT = replace(SPEC, task=Task.IMPLICIT)
CHOICES = TrainingChoices("adam", 0.01, 128, "mse")
ALWAYS = {"optimizer", "learning_rate"}
OVER_NEGATIVES = {"batch_size", "num_negatives", "negatives"}


def hp_with(**values) -> keras_tuner.HyperParameters:
    hp = keras_tuner.HyperParameters()
    hp.values = values
    return hp


def active(data: DataSpec, whole_bags: bool, **values) -> set[str]:
    """Returns the hyperparameters that are read and active at these values."""
    hp = hp_with(**values)
    read_training(hp, data, whole_bags=whole_bags)
    return {name for name in hp.values if hp.is_active(name)}


def choices_of(name: str, data: DataSpec, whole_bags: bool = False) -> list:
    hp = hp_with()
    read_training(hp, data, whole_bags=whole_bags)
    return next((list(one.values) for one in hp.space if one.name == name), [])


def test_read_training_takes_the_learning_rate_of_the_optimizer() -> None:
    adam = read_training(hp_with(learning_rate=0.001, batch_size=512), SPEC)
    assert adam == TrainingChoices("adam", 0.001, 512, "mse")
    sgd = read_training(hp_with(optimizer="sgd", sgd_learning_rate=0.5, learning_rate=0.001), SPEC)
    assert (sgd.optimizer, sgd.learning_rate) == ("sgd", 0.5)


def test_learning_rate_has_the_default_that_the_space_gives() -> None:
    assert read_training(hp_with(), SPEC, 0.02).learning_rate == 0.02
    assert read_bag_training(hp_with(), IMPLICIT, 0.004).learning_rate == 0.004


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
def test_learning_rate_of_another_optimizer_is_inactive(optimizer: str) -> None:
    rates = active(SPEC, False, optimizer=optimizer) - {"optimizer", "loss", "batch_size"}
    assert rates == {"sgd_learning_rate" if optimizer == "sgd" else "learning_rate"}


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (Task.RATING, ALWAYS | {"loss", "batch_size"}),
        (Task.CLICK, ALWAYS | {"batch_size"}),
        (Task.IMPLICIT, ALWAYS | {"loss"} | OVER_NEGATIVES),
    ],
)
def test_hyperparameters_of_a_model_that_scores_pairs(task: Task, expected: set[str]) -> None:
    assert active(replace(SPEC, task=task), False) == expected


@pytest.mark.parametrize("loss", ["bce", "bpr", "hinge", "sampled_softmax"])
def test_hyperparameters_of_a_loss_over_negatives(loss: str) -> None:
    expected = ALWAYS | {"loss"} | OVER_NEGATIVES
    assert active(IMPLICIT, True, loss=loss) == expected
    training = read_training(
        hp_with(loss=loss, num_negatives=7, negatives="popularity"), IMPLICIT, whole_bags=True
    )
    assert (training.loss, training.num_negatives) == (loss, 7)
    assert training.examples == Negatives(7, 0.75, with_expected=loss == "sampled_softmax")


def test_hyperparameters_of_the_loss_over_whole_bags() -> None:
    expected = ALWAYS | {"loss", "users_per_batch"}
    assert active(IMPLICIT, True, loss="multinomial") == expected
    training = read_training(
        hp_with(loss="multinomial", users_per_batch=64, batch_size=512, num_negatives=3),
        IMPLICIT,
        whole_bags=True,
    )
    assert training == TrainingChoices("adam", 3e-3, 64, "multinomial")
    assert training.examples == Bags()


def test_uniform_negatives_are_the_default() -> None:
    assert read_training(hp_with(), IMPLICIT).examples == Negatives(4)


@pytest.mark.parametrize(("num_items", "offered"), [(0, True), (1, False)])
def test_softmax_over_the_catalogue_is_offered_up_to_a_size(num_items: int, offered: bool) -> None:
    data = replace(IMPLICIT, num_items=MAX_SOFTMAX_ITEMS + num_items)
    assert ("multinomial" in choices_of("loss", data, whole_bags=True)) == offered
    assert "bpr" in choices_of("loss", data, whole_bags=True)
    assert bool(choices_of("users_per_batch", data, whole_bags=True)) == offered
    assert "multinomial" not in choices_of("loss", data)


@pytest.mark.parametrize("task", [Task.RATING, Task.CLICK])
def test_whole_bags_of_labels_are_offered_unless_they_are_nearly_empty(task: Task) -> None:
    data = replace(SPEC, task=task, num_users=500, num_items=2 * MAX_CELLS_PER_LABEL)
    dense, sparse = (replace(data, num_interactions=count) for count in (1_000, 999))
    assert choices_of("loss", dense, whole_bags=True)[-1] == "observed"
    assert "observed" not in choices_of("loss", sparse, whole_bags=True)
    assert "observed" not in choices_of("loss", dense)
    large = replace(dense, num_items=MAX_SOFTMAX_ITEMS + 1, num_interactions=10**9)
    assert "observed" not in choices_of("loss", large, whole_bags=True)


@pytest.mark.parametrize(
    ("count", "default", "largest"), [(LARGE_DATA - 1, 256, 2048), (LARGE_DATA, 1024, 8192)]
)
def test_read_training_offers_larger_batches_of_large_data(
    count: int, default: int, largest: int
) -> None:
    data = replace(SPEC, num_interactions=count)
    assert read_training(hp_with(), data).batch_size == default
    sizes = choices_of("batch_size", data)
    assert (sizes[0], sizes[-1]) == (128, largest)
    assert all(after == 2 * before for before, after in pairwise(sizes))


def test_users_per_batch_is_larger_where_there_are_many_users() -> None:
    few, many = (
        choices_of("users_per_batch", replace(IMPLICIT, num_users=count), whole_bags=True)
        for count in (MANY_USERS - 1, MANY_USERS)
    )
    assert few[0] < many[0]


@pytest.mark.parametrize(
    ("task", "loss"),
    [(Task.RATING, "observed"), (Task.CLICK, "observed"), (Task.IMPLICIT, "multinomial")],
)
def test_read_bag_training_follows_the_task(task: Task, loss: str) -> None:
    hp = hp_with(users_per_batch=128)
    training = read_bag_training(hp, replace(SPEC, task=task), 2e-3)
    assert training == TrainingChoices("adam", 2e-3, 128, loss)
    assert training.examples == Bags()
    assert set(hp.values) == ALWAYS | {"users_per_batch"}


def test_hinge_and_huber_are_those_of_their_names() -> None:
    assert type(make_loss(replace(CHOICES, loss="huber"), SPEC)) is keras.losses.Huber
    hinge = make_loss(replace(CHOICES, loss="hinge", num_negatives=3), IMPLICIT)
    assert type(hinge) is PairwiseHinge
    assert hinge.num_negatives == 3


def score_model(task: Task) -> keras.Model:
    score = keras.Input((1,), name="item_id")
    return keras.Model(score, task_output(replace(SPEC, task=task), score))


@pytest.mark.parametrize(
    ("task", "changes", "loss", "config", "examples"),
    [
        (Task.RATING, {}, keras.losses.MeanSquaredError, {}, Pairs()),
        (
            Task.CLICK,
            {"loss": "bce"},
            keras.losses.BinaryCrossentropy,
            {"from_logits": False},
            Pairs(),
        ),
        (
            Task.IMPLICIT,
            {"loss": "bce", "num_negatives": 3},
            keras.losses.BinaryCrossentropy,
            {"from_logits": True},
            Negatives(3),
        ),
        (
            Task.IMPLICIT,
            {"loss": "bpr", "num_negatives": 3},
            BPR,
            {"num_negatives": 3},
            Negatives(3),
        ),
        (
            Task.IMPLICIT,
            {"loss": "sampled_softmax", "num_negatives": 3, "negatives": "popularity"},
            SampledSoftmax,
            {"num_negatives": 3},
            Negatives(3, popularity=0.75, with_expected=True),
        ),
        (Task.IMPLICIT, {"loss": "multinomial"}, Multinomial, {}, Bags()),
        (Task.CLICK, {"loss": "observed"}, ObservedSquaredError, {}, Bags()),
    ],
    ids=lambda value: value.get("loss", "") if isinstance(value, dict) else None,
)
def test_compile_recommender_chooses_loss_and_examples(
    task, changes, loss, config, examples
) -> None:
    model = score_model(task)
    training = replace(CHOICES, **changes)
    recommender = compile_recommender(model, training, replace(SPEC, task=task))
    assert (recommender.model, recommender.examples) == (model, examples)
    assert recommender.batch_size == 128
    assert isinstance(model.optimizer, SparseAdam)
    assert type(model.loss) is loss
    assert config.items() <= model.loss.get_config().items()


def test_compile_recommender_uses_optimizer_and_rate() -> None:
    model = score_model(Task.RATING)
    compile_recommender(model, TrainingChoices("sgd", 0.25, 64, "mse"), SPEC)
    assert isinstance(model.optimizer, SparseSGD)
    assert float(model.optimizer.learning_rate) == 0.25
