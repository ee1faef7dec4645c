import json
from pathlib import Path

import pytest
from prepared import prepared
from small_run import write_builder, write_ratings

from recsearch.config.run_config import RunConfig, make_config
from recsearch.data.store import write_prepared
from recsearch.data.task import Task
from recsearch.errors import SpaceError, UsageError
from recsearch.results.run_description import RUN_SCHEMA
from recsearch.study.trial import Objective
from recsearch.tuning.drivers.bayesian import BayesianDriver
from recsearch.tuning.drivers.hyperband import HyperbandDriver
from recsearch.tuning.drivers.random import DEFAULT_MAX_TRIALS, RandomDriver
from recsearch.tuning.engines.builders import Builders, loaded
from recsearch.tuning.engines.helper import InlineHelper
from recsearch.tuning.engines.inline import InlineEngine
from recsearch.tuning.objective import make_objective, trial_metrics
from recsearch.workflow.assembly import (
    describe_run,
    make_driver,
    make_engine,
    space_setup,
)
from recsearch.workflow.dataset import load_dataset
from recsearch.workflow.directory import prepare_search


@pytest.mark.parametrize(
    ("task", "objective"),
    [
        (Task.RATING, Objective("rmse", "min")),
        (Task.IMPLICIT, Objective("ndcg@10", "max")),
        (Task.CLICK, Objective("auc", "max")),
    ],
)
def test_objective_follows_from_the_task(task: Task, objective: Objective) -> None:
    assert make_objective(None, task) == objective


def test_objective_can_be_another_metric_of_the_task() -> None:
    assert make_objective("mae", Task.RATING) == Objective("mae", "min")
    assert make_objective("recall@50", Task.IMPLICIT) == Objective("recall@50", "max")
    assert make_objective("log_loss", Task.CLICK) == Objective("log_loss", "min")


@pytest.mark.parametrize(
    ("name", "task", "expected"),
    [
        ("auc", Task.RATING, "rmse, mae"),
        ("ndcg@10", Task.RATING, "rmse, mae"),
        ("rmse", Task.CLICK, "auc, log_loss"),
        ("hr@10", Task.CLICK, "auc, log_loss"),
        ("rmse", Task.IMPLICIT, "ndcg@10"),
    ],
)
def test_objective_of_another_task_is_refused(name: str, task: Task, expected: str) -> None:
    with pytest.raises(UsageError, match=rf"{name} is not available for task {task}\..*{expected}"):
        make_objective(name, task)


def test_unknown_objective_is_refused_with_close_ones() -> None:
    with pytest.raises(UsageError, match=r"rmsee.*rmse"):
        make_objective("rmsee", Task.RATING)


def test_trial_is_measured_by_the_metrics_of_the_task_and_the_objective() -> None:
    assert trial_metrics(Objective("rmse", "min"), Task.RATING) == ("rmse", "mae")
    metrics = trial_metrics(Objective("recall@50", "max"), Task.IMPLICIT)
    assert metrics[-1] == "recall@50"
    assert "ndcg@10" in metrics
    assert len(metrics) == len(set(metrics))


@pytest.mark.parametrize(
    ("tuner", "kind"),
    [("random", RandomDriver), ("hyperband", HyperbandDriver), ("bayesian", BayesianDriver)],
)
def test_driver_is_the_one_that_was_asked_for(tuner: str, kind: type) -> None:
    config = RunConfig(spaces=("matrix_factorization",), tuner=tuner, max_epochs=2)
    space = loaded(space_setup(config)).discover(prepared(Task.RATING).spec)
    driver = make_driver(config, space, Objective("rmse", "min"))
    assert isinstance(driver, kind)
    plan = driver.plan()
    if tuner != "hyperband":
        assert plan.configurations == DEFAULT_MAX_TRIALS == 20
        assert plan.epochs == 2 * 20


def test_space_is_narrowed_by_the_settings() -> None:
    config = RunConfig(spaces=("matrix_factorization",), set=("embedding_dim=16",))
    built = loaded(space_setup(config)).build(
        "matrix_factorization", {}, prepared(Task.RATING).spec
    )
    assert built.values["embedding_dim"] == 16
    with pytest.raises(SpaceError, match="--set takes NAME=VALUE"):
        space_setup(RunConfig(set=("embedding_dim",)))


def test_inline_engine_is_made_on_the_data_of_the_search(tmp_path: Path) -> None:
    from prepared import prepared_with_ids

    write_prepared(tmp_path / "search", *prepared_with_ids(Task.RATING))
    config = RunConfig(spaces=("matrix_factorization",), engine="inline")
    engine = make_engine(config, tmp_path / "search", ("rmse",))
    assert isinstance(engine, InlineEngine)
    assert engine.free_workers() == 1
    engine.close()


def test_description_of_a_run_is_json_and_says_what_matters(tmp_path: Path) -> None:
    config = make_config(
        {
            "spaces": [str(write_builder(tmp_path))],
            "data": str(write_ratings(tmp_path / "r.csv")),
            "tuner": "random",
            "max_trials": 2,
        }
    )
    dataset = load_dataset(config)
    data, _ = prepare_search(dataset)
    builders = Builders(space_setup(config), InlineHelper())
    found = builders.discover(data.spec)
    text = describe_run(config, ["recsearch", "run"], dataset, data, builders, found).json
    assert json.loads(json.dumps(text, allow_nan=False))["schema"] == RUN_SCHEMA
    assert text["objective"] == {"name": "rmse", "direction": "min"}
    assert (text["data"]["num_users"], text["data"]["num_items"]) == (60, 40)
    sizes = [text["data"][part] for part in ("train", "validation", "test", "num_interactions")]
    assert sizes == [720, 90, 90, 900]
    assert text["validation_protocol"] == "90 held-out labels"
    assert text["plan"]["configurations"] == 2
    assert text["versions"].keys() == {
        "recsearch", "tensorflow", "keras", "keras-tuner", "numpy", "python",
    }  # fmt: skip
    assert text["machine"]["cores"] >= 1
    root, rate = text["space"]
    assert (root["name"], root["values"]) == ("space", ["quick"])
    assert (rate["name"], rate["kind"], rate["min_value"], rate["max_value"]) == (
        "quick/rate", "Float", 0.1, 10.0,
    )  # fmt: skip
    assert rate["conditions"] == [{"name": "space", "values": ["quick"]}]
