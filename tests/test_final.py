"""What the end stages leave beside the headline: intervals, slices, seeds, lists, a comparison."""

import json
import math
from pathlib import Path

import keras
import pytest
from prepared import prepared_with_ids
from small_run import run_settings, write_item_titles, write_ratings

import recsearch
from recsearch.api.run import Run
from recsearch.baselines import fit
from recsearch.cli.program import main
from recsearch.data.store import open_prepared
from recsearch.data.task import Task
from recsearch.evaluation.protocol import evaluate, make_protocol
from recsearch.workflow.final.examples import ExampleMaker


@pytest.fixture(scope="module")
def rating_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One trial, retrained with three seeds."""
    settings = run_settings(tmp_path_factory.mktemp("seeds"), final_seeds=3)
    return recsearch.search(**{**settings, "tuner": "random", "max_trials": 1, "max_epochs": 2})


@pytest.fixture(scope="module")
def implicit_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("lists")
    items = write_item_titles(folder / "items.csv")
    genres = [line + f",{'ab'[n % 2]}" for n, line in enumerate(items.read_text().splitlines())]
    genres[0] = "item_id,title,year,genre"
    items.write_text("\n".join(genres) + "\n")
    return recsearch.search(
        "matrix_factorization",
        data=str(write_ratings(folder / "r.csv")),
        items=str(items),
        task="implicit",
        tuner="random",
        max_trials=1,
        max_epochs=2,
        engine="inline",
        out=str(folder / "run"),
    )


def test_every_metric_has_an_interval_around_its_value(rating_run: Run) -> None:
    metrics = rating_run.metrics
    assert metrics is not None
    assert metrics["intervals"].keys() == metrics["test"].keys()
    for name, interval in metrics["intervals"].items():
        assert interval["value"] == pytest.approx(metrics["test"][name])
        assert interval["low"] < interval["value"] < interval["high"]
        assert interval["num_users"] > 20


def test_slices_of_the_winner_and_the_baselines_add_up_to_the_test_part(rating_run: Run) -> None:
    metrics = rating_run.metrics
    assert metrics is not None
    every = {"winner": metrics["slices"], **metrics["baseline_slices"]}
    assert every.keys() == {"winner", "bias", "item_knn", "user_knn"}
    for slices in every.values():
        for kind in ("user_activity", "known_user", "known_item"):
            assert sum(s["num_rows"] for s in slices if s["name"] == kind) == 90
        by_activity = [s for s in slices if s["name"] == "user_activity"]
        squares = sum(s["num_rows"] * s["metrics"]["rmse"] ** 2 for s in by_activity)
        if slices is metrics["slices"]:
            assert math.sqrt(squares / 90) == pytest.approx(metrics["test"]["rmse"])


def test_further_seeds_are_told_and_the_first_one_is_exported(rating_run: Run) -> None:
    metrics = rating_run.metrics
    assert metrics is not None
    seeds = metrics["seeds"]
    values = [each["rmse"] for each in seeds["metrics"]]
    assert len(set(values)) == 3
    assert values[0] == metrics["test"]["rmse"]
    assert seeds["mean"]["rmse"] == pytest.approx(sum(values) / 3)
    variance = sum((value - seeds["mean"]["rmse"]) ** 2 for value in values) / 2
    assert seeds["deviation"]["rmse"] == pytest.approx(math.sqrt(variance))
    best = rating_run.directory / "best"
    weights = [
        keras.models.load_model(best / name).get_weights()[0].tolist()
        for name in ("model.keras", "model-seed-1.keras", "model-seed-2.keras")
    ]
    assert weights[0] != weights[1] != weights[2] != weights[0]
    assert "over 3 seeds" in (best / "MODEL_CARD.md").read_text()


def test_verdict_agrees_with_the_comparison(rating_run: Run) -> None:
    metrics = rating_run.metrics
    assert metrics is not None
    found = metrics["comparison"]
    least = min(metrics["baselines"], key=lambda name: metrics["baselines"][name]["rmse"])
    assert found["baseline"] == least
    difference = metrics["test"]["rmse"] - metrics["baselines"][least]["rmse"]
    assert found["difference"]["value"] == pytest.approx(difference)
    words = {"better": "beats", "worse": "does not beat"}
    assert words.get(found["answer"], "is not distinguishable from") in metrics["verdict"]


def test_comparison_is_with_the_best_baseline_where_more_is_better(implicit_run: Run) -> None:
    metrics = implicit_run.metrics
    assert metrics is not None
    name = metrics["objective"]["name"]
    assert metrics["objective"]["direction"] == "max"
    values = {each: found[name] for each, found in metrics["baselines"].items()}
    assert values[metrics["comparison"]["baseline"]] == max(values.values())
    assert max(values.values()) > min(values.values())


def test_baselines_are_tuned_on_the_validation_part(rating_run: Run) -> None:
    assert rating_run.metrics is not None
    found = rating_run.metrics["baseline_tuning"]["bias"]
    data = open_prepared(rating_run.directory / "data" / "search")
    scorer = fit("bias", data, found["parameters"])
    measured = evaluate(scorer, data, make_protocol(data, ["rmse"]))["rmse"]
    assert found["validation"]["rmse"] == pytest.approx(measured, abs=1e-6)
    assert abs(measured - rating_run.metrics["baselines"]["bias"]["rmse"]) > 1e-3


def test_lists_tell_coverage_and_diversity_of_what_is_recommended(implicit_run: Run) -> None:
    metrics = implicit_run.metrics
    assert metrics is not None
    lists = {"winner": metrics["lists"], **metrics["baseline_lists"]}
    assert lists.keys() == {
        "winner", "popularity", "item_knn", "user_knn", "ease", "pure_svd", "ials", "content",
    }  # fmt: skip
    for found in lists.values():
        assert found.keys() == {
            "coverage@10", "gini@10", "novelty@10", "popularity@10", "diversity@10",
        }  # fmt: skip
    popular = lists["popularity"]
    assert popular["popularity@10"] == max(each["popularity@10"] for each in lists.values())
    assert popular["novelty@10"] == min(each["novelty@10"] for each in lists.values())


def test_examples_recommend_unseen_items_with_titles_and_mark_what_was_held_out(
    implicit_run: Run,
) -> None:
    found = json.loads((implicit_run.directory / "best" / "examples.json").read_text())
    assert len(found["users"]) == 5
    for user in found["users"]:
        held_out = {item["item_id"] for item in user["held_out"]}
        assert held_out
        assert len(user["recommended"]) == 10
        for item in user["recommended"]:
            assert item["title"] == f"Title {item['item_id']}"
            assert item["held_out"] == (item["item_id"] in held_out)
        scores = [item["score"] for item in user["recommended"]]
        assert scores == sorted(scores, reverse=True)
        assert "label" not in user["history"][0]


def test_an_item_that_was_shown_and_not_clicked_is_no_hit(tmp_path: Path) -> None:
    data, vocabularies = prepared_with_ids(Task.CLICK)
    maker = ExampleMaker.of(data, vocabularies, tmp_path / "no-titles.parquet")
    passed_over = 0
    for user in maker.examples(fit("bias", data, {}), seed=0)["users"]:
        label = {item["item_id"]: item["label"] for item in user["held_out"]}
        for item in user["recommended"]:
            assert item["held_out"] == (label.get(item["item_id"], 0) > 0)
            passed_over += label.get(item["item_id"]) == 0
    assert passed_over > 0


def test_predictions_of_ratings_are_kept_as_counts(rating_run: Run, implicit_run: Run) -> None:
    assert rating_run.metrics is not None
    assert implicit_run.metrics is not None
    assert sum(rating_run.metrics["predictions"]["error_counts"]) == 90
    assert implicit_run.metrics["predictions"] is None
    found = json.loads((rating_run.directory / "best" / "examples.json").read_text())
    labels = [item["label"] for item in found["users"][0]["history"]]
    assert labels == sorted(labels, reverse=True)


def test_report_shows_intervals_slices_lists_and_tuning(implicit_run: Run) -> None:
    page = (implicit_run.directory / "report.html").read_text()
    for text in (
        "By group of users",
        "Confidence intervals",
        "Recommended lists",
        "Tuning of the baselines",
    ):
        assert text in page
    assert "unobserved_weight = " in page  # the parameters of ials


def test_baselines_command_tunes_and_measures_them_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(write_ratings(tmp_path / "r.csv"))
    assert main(["baselines", "--data", data, "--format", "json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["baselines"].keys() == {"bias", "item_knn", "user_knn"}
    for entry in found["baselines"].values():
        assert entry["interval"]["low"] < entry["test"]["rmse"] < entry["interval"]["high"]
    assert main(["baselines", "--data", data, "--quiet"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split()[:3] == ["baseline", "validation", "rmse"]
    assert len(table) == 4
    assert not list(tmp_path.glob("runs*"))
