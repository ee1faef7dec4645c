"""The contract of search_spaces/: every built-in space, for every task."""

import math
from pathlib import Path

import keras
import numpy as np
import pytest
from prepared import pipeline, prepared

from recsearch.contract.inputs import scores_pairs
from recsearch.contract.kinds import Rows
from recsearch.data.task import Task
from recsearch.evaluation.protocol import make_protocol
from recsearch.nn import Bags, Negatives
from recsearch.scoring.model_scorer import ModelScorer
from recsearch.study.study import Study
from recsearch.study.trial import Objective, TrialState
from recsearch.training.fit import Fitter
from recsearch.tuning.drivers.random import RandomDriver
from recsearch.tuning.engines.inline import InlineEngine
from recsearch.tuning.engines.runner import TrialRunner
from recsearch.tuning.loop import Budget, search
from recsearch.tuning.space.builtin import builtin_names
from recsearch.tuning.space.sampling import sample
from recsearch.tuning.space.search_space import load_space

NAME = "matrix_factorization"
NUM_SAMPLES = 3
CASES = [(name, task) for name in builtin_names() for task in Task]
WITH_MLP = ("neumf", "wide_deep", "neural_cf")  # their graphs take long to trace
WITH_MARKS = [
    pytest.param(
        name,
        task,
        marks=pytest.mark.slow if name in WITH_MLP and task is not Task.RATING else [],
    )
    for name, task in CASES
]


def test_every_space_and_task_is_covered() -> None:
    assert len(builtin_names()) == 5
    assert len(CASES) == 5 * 3


@pytest.mark.parametrize(("name", "task"), WITH_MARKS)
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
        if scores_pairs(model):
            assert model.output_shape == (None, 1)
            assert {tensor.name for tensor in model.inputs} >= {"user_id", "item_id"}
        else:
            assert model.output_shape == (None, data.spec.num_items)
            assert isinstance(built.recommender.examples, Bags)
        if number == 0 or (number == 1 and task is Task.IMPLICIT):  # a second each, for tracing
            fitter = Fitter(built.recommender, pipeline(task), seed=0)
            fitter.pretrain()
            assert np.isfinite(fitter.run_epoch(0)["train_loss"])


@pytest.mark.parametrize("name", builtin_names())
def test_click_model_answers_with_probabilities(name: str) -> None:
    model = load_space([name]).build(name, {}, prepared(Task.CLICK).spec).recommender.model
    index = keras.ops.arange(1, 40, dtype="int32")
    score = np.asarray(model(pipeline(Task.CLICK).feed.inputs(model, Rows(index, index))))
    assert ((score > 0) & (score < 1)).all()


@pytest.mark.parametrize("name", builtin_names())
def test_rating_model_starts_near_the_mean_rating(name: str) -> None:
    spec = prepared(Task.RATING).spec
    keras.utils.set_random_seed(0)
    model = load_space([name]).build(name, {}, spec).recommender.model
    index = keras.ops.arange(1, 40, dtype="int32")
    score = np.asarray(model(pipeline(Task.RATING).feed.inputs(model, Rows(index, index))))
    assert np.abs(score - spec.label_mean).max() < 0.75


@pytest.mark.parametrize("name", builtin_names())
def test_conditional_hyperparameters_are_active_only_on_their_branch(name: str) -> None:
    spec = prepared(Task.IMPLICIT).spec
    space = load_space([name])
    with_sgd = space.build(name, {"optimizer": "sgd"}, spec).values
    with_adam = space.build(name, {"optimizer": "adam"}, spec).values
    assert set(with_sgd) ^ set(with_adam) == {"learning_rate", "sgd_learning_rate"}
    assert "learning_rate" in with_adam
    if "num_layers" in with_adam:
        shallow = space.build(name, {"num_layers": 1}, spec).values
        assert {"units_1"} == {key for key in shallow if key.startswith("units_")}


@pytest.mark.parametrize("loss", ["multinomial", "bce", "bpr", "hinge", "sampled_softmax"])
def test_matrix_factorization_trains_with_every_loss_of_implicit_data(loss: str) -> None:
    data = prepared(Task.IMPLICIT)
    keras.utils.set_random_seed(0)
    values = {"loss": loss, "negatives": "popularity", "num_negatives": 2, "batch_size": 256}
    recommender = load_space([NAME]).build(NAME, values, data.spec).recommender
    sampled = Negatives(2, popularity=0.75, with_expected=loss == "sampled_softmax")
    assert recommender.examples == (Bags() if loss == "multinomial" else sampled)
    fitter = Fitter(recommender, pipeline(Task.IMPLICIT), seed=0)
    losses = [fitter.run_epoch(epoch)["train_loss"] for epoch in range(4)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("feedback", [True, False])
def test_matrix_factorization_by_cosines_trains_within_its_temperature(feedback: bool) -> None:
    data = prepared(Task.IMPLICIT)
    keras.utils.set_random_seed(0)
    values = {"similarity": "cosine", "temperature": 0.2, "implicit_feedback": feedback}
    recommender = load_space([NAME]).build(NAME, values, data.spec).recommender
    fitter = Fitter(recommender, pipeline(Task.IMPLICIT), seed=0)
    losses = [fitter.run_epoch(epoch)["train_loss"] for epoch in range(6)]
    assert losses[-1] < losses[0]
    users = np.arange(1, 9, dtype=np.int32)
    scorer = ModelScorer(recommender.model, pipeline(Task.IMPLICIT).feed, data.spec)
    scores = scorer.score_catalogue(users)
    assert scores.shape == (8, data.spec.num_items)
    assert 1 < np.abs(scores).max() <= 1 / 0.2 + 1e-4


@pytest.mark.parametrize("task", [Task.IMPLICIT, Task.RATING])
@pytest.mark.slow
def test_search_over_spaces_of_bags_completes_its_trials(task: Task, tmp_path: Path) -> None:
    data = prepared(task)
    metric = Objective("ndcg@10", "max") if task is Task.IMPLICIT else Objective("rmse", "min")
    space = load_space([NAME, "autoencoder"])
    driver = RandomDriver(space.discover(data.spec), metric, seed=2, max_trials=4, max_epochs=2)
    runner = TrialRunner(space, pipeline(task), make_protocol(data, (metric.name,)))
    study = Study(tmp_path, driver, metric, seed=0)
    search(study, InlineEngine(runner), Budget(), lambda news: None)
    trials = list(study.trials)
    study.close()
    assert [trial.state for trial in trials] == [TrialState.COMPLETED] * 4
    assert {trial.space for trial in trials} == {NAME, "autoencoder"}
    assert all(math.isfinite(trial.score) and trial.score > 0 for trial in trials)
