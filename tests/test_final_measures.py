"""What the end stages measure, part by part: expected values are computed here, without them."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from callback_models import recommender
from prepared import prepared, prepared_with_ids
from small_run import write_ratings

from recsearch.baselines import fit
from recsearch.config.run_config import RunConfig
from recsearch.data.store import write_prepared
from recsearch.data.task import Task
from recsearch.evaluation.protocol import evaluate, make_protocol, recommend
from recsearch.metrics import list_metrics
from recsearch.study.trial import Epoch, Objective, Trial, TrialState
from recsearch.tuning.engines.builders import SpaceSetup
from recsearch.tuning.space.families import Family
from recsearch.tuning.space.search_space import SearchSpace
from recsearch.workflow.baselines_only import baselines_table, measure_baselines
from recsearch.workflow.dataset import load_dataset
from recsearch.workflow.directory import prepare_final, prepare_search
from recsearch.workflow.final.baselines import fitted_baselines
from recsearch.workflow.final.examples import ExampleMaker
from recsearch.workflow.final.finalist import Finalist
from recsearch.workflow.final.retraining import retrain
from recsearch.workflow.final.stages import run_stages
from recsearch.workflow.final.test_once import LIST_LENGTH, LIST_METRICS, TestLook

RMSE = Objective("rmse", "min")


@pytest.fixture(scope="module")
def look() -> TestLook:
    return TestLook.of(prepared(Task.RATING), ("rmse", "mae"), RMSE, 3)


def test_baseline_is_fitted_with_the_parameters_that_were_found() -> None:
    data = prepared(Task.RATING)
    found = {"reg_user": 1_000.0, "reg_item": 0.5}
    ((name, fitted),) = fitted_baselines(data, {"bias": {"parameters": found}})
    assert name == "bias"
    assert not isinstance(fitted, str)
    rows = data.holdout.user, data.holdout.item
    scores = fitted.score_pairs(*rows)
    np.testing.assert_array_equal(scores, fit("bias", data, found).score_pairs(*rows))
    assert np.abs(scores - fit("bias", data, {}).score_pairs(*rows)).max() > 0.1


def test_baselines_alone_are_tuned_on_validation_and_measured_on_test(tmp_path: Path) -> None:
    dataset = load_dataset(RunConfig(data=str(write_ratings(tmp_path / "ratings.csv"))))
    found = measure_baselines(dataset, RMSE, 0, lambda line: None)["baselines"]["bias"]
    expected = {}
    for part, (data, _) in (
        ("validation", prepare_search(dataset)), ("test", prepare_final(dataset)),
    ):  # fmt: skip
        scorer = fit("bias", data, found["parameters"])
        expected[part] = evaluate(scorer, data, make_protocol(data, ["rmse"]))["rmse"]
        assert found[part]["rmse"] == pytest.approx(expected[part], abs=1e-6)
    assert abs(expected["validation"] - expected["test"]) > 1e-3


@pytest.mark.parametrize(
    ("objective", "order"), [(RMSE, ["low", "middle", "high"]), (Objective("ndcg@10", "max"), None)]
)
def test_table_of_baselines_begins_with_the_best(
    objective: Objective, order: list[str] | None
) -> None:
    entry: dict[str, Any] = {"parameters": {}, "test": {}}
    found = {
        label: {
            **entry,
            "validation": {objective.name: 0.0},
            "interval": {"value": value, "low": value, "high": value},
        }
        for label, value in (("middle", 0.5), ("high", 0.9), ("low", 0.1))
    }
    table = baselines_table({"baselines": found}, objective)
    assert table["baseline"].tolist() == (order or ["high", "middle", "low"])


def test_slices_group_users_by_their_rows_in_training(look: TestLook) -> None:
    data = look.data
    slices = look.slices(look.measure(fit("bias", data, {})))
    found = {each["label"]: each["num_rows"] for each in slices if each["name"] == "user_activity"}
    known = data.holdout.user < data.spec.num_users
    count = np.where(known, np.bincount(data.train.user)[data.holdout.user * known], 0)
    bounds = {"0": (0, 0), "1-5": (1, 5), "6-20": (6, 20), "21-100": (21, 100)}
    expected = {k: np.sum((count >= low) & (count <= high)) for k, (low, high) in bounds.items()}
    assert found == {label: rows for label, rows in expected.items() if rows}
    assert found["21-100"] > 0  # nobody has as many in the part that is held out


def test_intervals_follow_the_seed(look: TestLook) -> None:
    results = look.measure(fit("bias", look.data, {}))
    first = look.intervals(results)
    assert look.intervals(results) == first
    other = replace(look, seed=4).intervals(results)
    assert other["rmse"]["value"] == first["rmse"]["value"]
    assert other["rmse"]["low"] != first["rmse"]["low"]


def test_lists_are_of_the_users_with_a_history() -> None:
    data = prepared(Task.IMPLICIT)
    look = TestLook.of(data, ("ndcg@10",), Objective("ndcg@10", "max"), 0)
    scorer = fit("ease", data, {})
    users = np.unique(data.train.user)
    names = LIST_METRICS[:-1]
    expected = list_metrics(names, recommend(scorer, data, users, LIST_LENGTH))
    found = look.lists(scorer)
    assert found is not None
    assert {name: found[name] for name in names} == pytest.approx(expected, rel=1e-6)


def test_examples_show_the_history_of_training_and_users_drawn_by_the_seed(
    tmp_path: Path,
) -> None:
    data, vocabularies = prepared_with_ids(Task.RATING)
    maker = ExampleMaker.of(data, vocabularies, tmp_path / "no-titles.parquet")
    scorer = fit("bias", data, {})
    drawn = [maker.examples(scorer, seed) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1]
    people = [[user["user_id"] for user in each["users"]] for each in drawn]
    assert people[0] != people[2]
    raw_users = vocabularies.users.ids.to_pylist()
    raw_items = vocabularies.items.ids.to_pylist()
    for user in drawn[0]["users"]:
        index = raw_users.index(user["user_id"]) + 1
        own = {raw_items[i - 1] for i in data.train.item[data.train.user == index]}
        history = {item["item_id"] for item in user["history"]}
        assert history
        assert history <= own
        assert not own & {item["item_id"] for item in user["recommended"]}


def test_retraining_follows_the_seed_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model starts at zero: only the order of the examples can differ."""
    write_prepared(tmp_path / "data" / "final", *prepared_with_ids(Task.RATING))
    family = Family("biased", lambda hp, data: recommender(), "tests")
    monkeypatch.setattr(Finalist, "space", SearchSpace({"biased": family}))
    curve = (Epoch(1, {"rmse": 1.0}, 0.1),)
    winner = Trial("0000", "biased", {}, 1, TrialState.COMPLETED, curve=curve, best_epoch=1)
    weights = []
    for seed in (0, 0, 1):
        finalist = Finalist(
            tmp_path, SpaceSetup(()), RMSE, seed, winner, ("rmse",), "", "",
            announce=lambda text: None,
        )  # fmt: skip
        retrain(finalist)
        saved = keras.models.load_model(tmp_path / "best" / "model.keras")
        weights.append(np.array(saved.get_weights()[0]))
    np.testing.assert_array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_validation_metrics_are_those_of_the_best_epoch(tmp_path: Path) -> None:
    write_prepared(tmp_path / "data" / "search", *prepared_with_ids(Task.RATING))
    curve = tuple(Epoch(n, {"rmse": value}, 0.1) for n, value in ((1, 1.2), (2, 0.9), (3, 1.1)))
    winner = Trial("0000", "biased", {}, 3, TrialState.COMPLETED, curve=curve, best_epoch=2)
    finalist = Finalist(tmp_path, SpaceSetup(()), RMSE, 0, winner, ("rmse",), "", "")
    finalist.best_dir.mkdir()
    tested = {
        "test": {"rmse": 1.0}, "intervals": {"rmse": {"value": 1.0, "low": None, "high": None}},
        "comparison": None, "baselines": {}, "protocol": "",
    }  # fmt: skip
    results: dict[str, dict[str, Any]] = {
        "baselines_tuned": {"baselines": {}},
        "retrained": {"epochs": 2, "num_parameters": 1},
        "tested": tested,
        "exported": {},
    }
    stages = {name: {**result, "seconds": 0.0} for name, result in results.items()}
    state = SimpleNamespace(stages=stages, test_looks=1)
    study: Any = SimpleNamespace(state=state)  # all is done: only the files are missing
    helper: Any = None
    run_stages(finalist, study, helper)
    written = json.loads((finalist.best_dir / "metrics.json").read_text())
    assert written["validation"] == {"rmse": 0.9}
