"""The contract of search_spaces/: every built-in space, for every task."""

import keras
import numpy as np
import pytest
from prepared import pipeline, prepared

from recsearch.data.interactions import Task
from recsearch.training.fit import Fitter
from recsearch.tuning.builtin import builtin_names
from recsearch.tuning.sampling import sample
from recsearch.tuning.space import load_space

NUM_SAMPLES = 3
CASES = [(name, task) for name in builtin_names() for task in Task]


def test_every_space_and_task_is_covered() -> None:
    assert len(builtin_names()) == 4
    assert len(CASES) == 4 * 3


@pytest.mark.parametrize(("name", "task"), CASES)
def test_space_trains_at_its_defaults_and_builds_at_sampled_points(name: str, task: Task) -> None:
    data = prepared(task)
    space = load_space([name])
    hyperparameters = space.discover(data.spec)
    rng = np.random.default_rng(0)
    sampled = [sample(hyperparameters, rng)[1] for _ in range(NUM_SAMPLES)]
    for number, values in enumerate([{}, *sampled]):
        keras.utils.set_random_seed(0)
        built = space.build(name, values, data.spec)
        assert built.values == {**built.values, **values}  # what was sampled was read
        model = built.recommender.model
        assert model.output_shape == (None, 1)
        assert {tensor.name for tensor in model.inputs} >= {"user_id", "item_id"}
        if number == 0 or (number == 1 and task is Task.IMPLICIT):  # a second each, for tracing
            fitter = Fitter(built.recommender, pipeline(task), seed=0)
            fitter.pretrain()
            assert np.isfinite(fitter.run_epoch(0)["train_loss"])


@pytest.mark.parametrize("name", builtin_names())
def test_click_model_answers_with_probabilities(name: str) -> None:
    model = load_space([name]).build(name, {}, prepared(Task.CLICK).spec).recommender.model
    index = keras.ops.arange(1, 40, dtype="int32")
    score = np.asarray(model(pipeline(Task.CLICK).feed.inputs(model, index, index)))
    assert ((score > 0) & (score < 1)).all()


@pytest.mark.parametrize("name", builtin_names())
def test_rating_model_starts_near_the_mean_rating(name: str) -> None:
    spec = prepared(Task.RATING).spec
    keras.utils.set_random_seed(0)
    model = load_space([name]).build(name, {}, spec).recommender.model
    index = keras.ops.arange(1, 40, dtype="int32")
    score = np.asarray(model(pipeline(Task.RATING).feed.inputs(model, index, index)))
    assert np.abs(score - spec.label_mean).max() < 0.75


@pytest.mark.parametrize("name", builtin_names())
def test_conditional_hyperparameters_are_active_only_on_their_branch(name: str) -> None:
    spec = prepared(Task.IMPLICIT).spec
    space = load_space([name])
    with_sgd = space.build(name, {"optimizer": "sgd"}, spec).values
    with_adam = space.build(name, {"optimizer": "adam"}, spec).values
    assert set(with_sgd) ^ set(with_adam) == {"learning_rate", "sgd_learning_rate"}
    assert "learning_rate" in with_adam
    if name != "matrix_factorization":
        shallow = space.build(name, {"num_layers": 1}, spec).values
        assert {"units_1"} == {key for key in shallow if key.startswith("units_")}
