"""Whole runs on small data: what they leave, and what is left of them when they are killed."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_run import HYPERBAND, run_settings, write_builder, write_ratings

import recsearch
from recsearch.api.run import Run
from recsearch.cli.program import main
from recsearch.console.progress import Silent
from recsearch.data.store import open_prepared
from recsearch.results import load_run
from recsearch.study.study import trial_seed
from recsearch.study.trial import Assignment, TrialState
from recsearch.system.files import lock_directory
from recsearch.tuning.engines.runner import RunnerSetup, TrialRunner
from recsearch.workflow.final.stages import STAGES
from recsearch.workflow.flow import resume

RUN_FILES = {
    "best/MODEL_CARD.md",
    "best/examples.json",
    "best/hyperparameters.json",
    "best/metrics.json",
    "best/model.keras",
    "best/saved_model/1/saved_model.pb",
    "data/final/spec.json",
    "data/search/spec.json",
    "data/titles.parquet",
    "journal.jsonl",
    "lock",
    "report.html",
    "run.json",
    "trials.csv",
}

ASK = """
import json, sys
import numpy, tensorflow as tf
assert not any(name.startswith("recsearch") for name in sys.modules)
signatures = tf.saved_model.load(sys.argv[1]).signatures
user = tf.constant([int(user) for user in sys.argv[2:]], tf.int64)
answer = signatures["recommend"](user_id=user, k=tf.constant(4))
item, known = answer["item_id"].numpy().tolist(), answer["known_user"].numpy().tolist()
print(json.dumps({"item": item, "known": known}))
"""


def events(directory: Path, kind: str | None = None) -> list[Mapping[str, Any]]:
    lines = (directory / "journal.jsonl").read_text().splitlines()
    found: list[Mapping[str, Any]] = [json.loads(line) for line in lines]
    return [event for event in found if kind in (None, event["event"])]


def metrics_of(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / "best" / "metrics.json").read_text())
    return found


def scores(directory: Path) -> list[dict[str, str]]:
    """Returns trials.csv without what depends on the clock or on crashes."""
    with (directory / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if k not in ("seconds", "attempt")} for row in rows]


def same_results(directory: Path, other: Path) -> None:
    assert scores(directory) == scores(other)
    assert metrics_of(directory)["test"] == metrics_of(other)["test"]
    assert metrics_of(directory)["winner"] == metrics_of(other)["winner"]


def command(settings: Mapping[str, Any]) -> list[str]:
    """Returns the command line that means the same as the settings."""
    argv = [sys.executable, "-m", "recsearch", "run", *settings["spaces"]]
    for name, value in settings.items():
        if name != "spaces":
            argv += [f"--{name.replace('_', '-')}", str(value)]
    return argv


@pytest.fixture(scope="module")
def implicit_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two families that share names, on two workers."""
    folder = tmp_path_factory.mktemp("implicit")
    return recsearch.search(
        ["matrix_factorization", "neural_cf"],
        data=str(write_ratings(folder / "r.csv")),
        task="implicit",
        tuner="random",
        max_trials=3,
        max_epochs=1,
        workers=2,
        set=["batch_size=256"],
        out=str(folder / "run"),
    )


@pytest.fixture(scope="module")
def click_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Clicks of text ids that are not ASCII, in this process."""
    folder = tmp_path_factory.mktemp("click")
    return recsearch.search(
        str(write_builder(folder)),
        data=str(write_ratings(folder / "r.csv", text_ids=True, clicks=True)),
        tuner="bayesian",
        max_trials=2,
        max_epochs=2,
        engine="inline",
        enqueue=["rate=0.5"],
        out=str(folder / "run"),
    )


def test_run_leaves_every_file_and_nothing_half_written(finished_run: Path) -> None:
    found = {str(p.relative_to(finished_run)) for p in finished_run.rglob("*") if p.is_file()}
    assert found >= RUN_FILES
    assert not [name for name in found if "partial" in name]
    (kept,) = (finished_run / "checkpoints").iterdir()
    assert kept.name.startswith(f"{metrics_of(finished_run)['winner']['trial_id']}-")


def test_metrics_say_who_won_how_it_was_measured_and_beside_whom(finished_run: Path) -> None:
    metrics = metrics_of(finished_run)
    assert metrics["objective"] == {"name": "rmse", "direction": "min"}
    assert metrics["winner"].keys() == {
        "trial_id", "space", "hyperparameters", "epochs", "num_parameters",
    }  # fmt: skip
    assert metrics["winner"]["num_parameters"] == 61 * 2 + 41 * 2 + 41
    assert metrics["test"].keys() == {"rmse", "mae"} < metrics["validation"].keys()
    assert metrics["baselines"].keys() == {"bias", "item_knn", "user_knn"}
    assert metrics["baseline_tuning"].keys() == metrics["baselines"].keys()
    tuned = metrics["baseline_tuning"]["bias"]
    assert tuned["parameters"].keys() == {"reg_user", "reg_item"}
    assert tuned["num_tried"] == 9
    assert tuned["note"] == "9 of 9 configurations were tried"
    assert 0 < tuned["validation"]["rmse"] < 5
    assert all(0 < row["rmse"] < 5 for row in (metrics["test"], *metrics["baselines"].values()))
    assert metrics["protocol"] == {
        "task": "rating",
        "split": "random 80/10/10, seed 5",
        "validation": "90 held-out labels",
        "test": "90 held-out labels",
        "retrained_on": "train + validation",
    }
    assert metrics["test_looks"] == 1
    assert metrics["export"]["verified"] is True
    assert metrics["export"]["max_difference"] < 1e-4
    assert list(metrics["seconds"]) == [
        "searched", "baselines_tuned", "retrained", "tested", "exported",
    ]  # fmt: skip
    stored = json.loads((finished_run / "best" / "hyperparameters.json").read_text())
    assert stored == {
        "space": "quick",
        "hyperparameters": metrics["winner"]["hyperparameters"],
    }


def test_winner_has_the_best_validation_score(finished_run: Path) -> None:
    run = recsearch.load(finished_run)
    best = min(float(row["score"]) for row in scores(finished_run))
    assert run.best().score == best
    assert metrics_of(finished_run)["winner"]["trial_id"] == run.best().trial_id
    assert metrics_of(finished_run)["validation"]["rmse"] == best


def test_exported_model_answers_in_a_process_with_tensorflow_alone(finished_run: Path) -> None:
    path = finished_run / "best" / "saved_model" / "1"
    argv = [sys.executable, "-I", "-c", ASK, str(path), "3", "777"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert answer["known"] == [True, False]
    told = recsearch.load(finished_run).recommend(3, k=4)
    assert answer["item"][0] == told["item_id"].tolist()
    assert len(set(answer["item"][1])) == 4


def test_promoted_trial_goes_on_where_it_was_paused(finished_run: Path) -> None:
    starts = events(finished_run, "trial_started")
    (promoted,) = [event["trial_id"] for event in starts if event["initial_epoch"]]
    mine = [event for event in starts if event["trial_id"] == promoted]
    assert [(e["initial_epoch"], e["epochs"], e["attempt"]) for e in mine] == [(0, 1, 1), (1, 3, 1)]
    told = [e["epoch"] for e in events(finished_run, "epoch") if e["trial_id"] == promoted]
    assert told == [1, 2, 3]


def test_promoted_trial_equals_one_that_was_never_paused(finished_run: Path) -> None:
    run = load_run(finished_run)
    (trial,) = [t for t in run.state.trials.values() if t.rung == 1]
    settings = run.config["config"]
    setup = RunnerSetup(
        tuple(settings["spaces"]), (), str(finished_run / "data" / "search"), ("rmse", "mae"), 5
    )
    whole = Assignment(
        trial.trial_id, trial.space, trial.values, 0, 3, trial_seed(5, trial.trial_id)
    )
    outcome = TrialRunner.of(setup).run(whole, lambda point: None)
    assert outcome.state is TrialState.COMPLETED
    assert [dict(p.metrics) for p in outcome.curve] == [dict(p.metrics) for p in trial.curve]


def test_families_that_share_names_have_no_failed_trial(implicit_run: Run) -> None:
    trials = implicit_run.trials()
    assert trials["state"].tolist() == ["COMPLETED"] * 3
    assert set(trials["space"]) == {"matrix_factorization", "neural_cf"}
    assert set(trials["batch_size"].dropna()) <= {256}  # trained on whole bags it has none
    assert trials["embedding_dim"].notna().all()
    assert trials["score"].between(0, 1).all()


def test_implicit_run_ranks_the_whole_catalogue_beside_its_baselines(implicit_run: Run) -> None:
    metrics = implicit_run.metrics
    assert list(metrics["baselines"]) == [
        "popularity", "item_knn", "user_knn", "ease", "pure_svd", "ials",
    ]  # fmt: skip
    assert metrics["protocol"]["test"].startswith("whole catalogue (40 items)")
    assert "all 60 users" in metrics["protocol"]["test"]
    assert set(metrics["test"]) == set(metrics["baselines"]["popularity"])
    assert metrics["objective"] == {"name": "ndcg@10", "direction": "max"}
    assert 0 < metrics["baselines"]["popularity"]["ndcg@10"] < 1


def test_implicit_run_recommends_nothing_that_a_user_has(implicit_run: Run) -> None:
    data = open_prepared(implicit_run.directory / "data" / "final")
    user = 7  # the users 1 to 60 have the indices 1 to 60, the items 1 to 40 theirs
    trained = set(data.seen.rows(np.array([user], np.int32))[1].tolist())
    tested = set(data.holdout.item[data.holdout.user == user].tolist())
    assert trained
    assert tested
    items = implicit_run.recommend(user, k=40)["item_id"]
    assert set(items) == set(range(1, 41)) - trained - tested


def test_click_run_of_text_ids_detects_its_task_and_tries_the_enqueued_first(
    click_run: Run,
) -> None:
    assert click_run.config["data"]["task"] == "click"
    assert click_run.metrics["objective"] == {"name": "auc", "direction": "max"}
    assert click_run.metrics["baselines"].keys() == {"popularity", "bias"}
    assert click_run.trials()["rate"].tolist()[0] == 0.5
    assert click_run.trials()["state"].tolist() == ["COMPLETED"] * 2
    items = click_run.recommend("ü5", k=3)["item_id"]
    assert items.str.startswith("物").all()


@pytest.mark.slow
def test_run_killed_in_the_middle_is_resumed_without_losing_a_trial(
    tmp_path: Path, finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = run_settings(tmp_path / "killed")
    directory = Path(settings["out"])
    (tmp_path / "killed" / "countdown").write_text(
        "4"
    )  # the fourth epoch is the first of the promotion
    killed = subprocess.run(command(settings), capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [e["trial_id"] for e in events(directory, "trial_paused")] == ["0000", "0001", "0002"]
    assert not (directory / "best").exists()
    before = (directory / "journal.jsonl").read_bytes()
    with (directory / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"event": "epoch", "trial_')  # a line that was never finished
    assert main(["resume", str(directory), "--quiet"]) == 0
    assert f"results: {directory}" in capsys.readouterr().out
    assert (directory / "journal.jsonl").read_bytes().startswith(before + b'{"event": "study"')
    same_results(directory, finished_run)
    starts = [(e["trial_id"], e["initial_epoch"]) for e in events(directory, "trial_started")]
    once = [(e["trial_id"], e["initial_epoch"]) for e in events(finished_run, "trial_started")]
    (again,) = [start for start in once if start[1]]
    assert starts.count(again) == 2  # killed, and run again from its checkpoint
    assert sorted(set(starts)) == sorted(once)
    assert len(starts) == len(once) + 1


@pytest.mark.slow
def test_run_of_layers_that_keras_does_not_know_ends_with_an_export(tmp_path: Path) -> None:
    settings = run_settings(tmp_path / "own", tuner="random", max_trials=1, max_epochs=1)
    builder = Path(settings["spaces"][0].removesuffix(":build"))
    text = builder.read_text().replace("layers.Add()(", "Sum()(")
    text += "\n\nclass Sum(layers.Layer):\n    def call(self, parts):\n        return sum(parts)\n"
    builder.write_text(text)
    run = recsearch.search(settings.pop("spaces"), **settings)
    assert run.metrics["test"]["rmse"] > 0
    assert run.recommend(1, k=3)["item_id"].nunique() == 3


@pytest.fixture
def copied(tmp_path: Path, finished_run: Path) -> Path:
    return Path(shutil.copytree(finished_run, tmp_path / "copy"))


def cut_after(directory: Path, stage: str) -> int:
    """Makes the journal end after a stage, as if the run had been killed there."""
    path = directory / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    last = next(n for n, line in enumerate(lines, 1) if json.loads(line).get("stage") == stage)
    path.write_bytes(b"".join(lines[:last]))
    (directory / "best" / "metrics.json").unlink()
    return last


@pytest.mark.parametrize("stage", ["retrained", "exported"])
def test_run_killed_between_its_end_stages_goes_on_after_the_last(
    stage: str, copied: Path, finished_run: Path
) -> None:
    kept = cut_after(copied, stage)
    assert load_run(copied).metrics is None
    finished = resume(copied, {}, Silent())
    new = [event.get("stage", event["event"]) for event in events(copied)[kept:]]
    names = list(STAGES)
    left = names[names.index(stage) + 1 :]
    expected = {"retrained": ["study", "test_look", *left], "exported": ["study"]}
    assert new == expected[stage]
    assert finished.metrics["test"] == metrics_of(finished_run)["test"]
    assert finished.metrics["test_looks"] == 1
    same_results(copied, finished_run)


def test_finished_run_that_is_resumed_trains_nothing(copied: Path) -> None:
    before = len(events(copied))
    resume(copied, {}, Silent())
    assert [event["event"] for event in events(copied)[before:]] == ["study"]


def test_finished_run_with_more_trials_tries_them_and_counts_a_second_look(
    copied: Path, finished_run: Path
) -> None:
    before = metrics_of(copied)
    finished = resume(copied, {"max_trials": 5}, Silent())
    assert finished.trials()["trial_id"].tolist() == ["0000", "0001", "0002", "0003", "0004"]
    assert scores(copied)[:4] == scores(finished_run)
    assert finished.metrics["test_looks"] == 2
    assert finished.config["config"]["max_trials"] == 5
    assert finished.config["plan"]["configurations"] == 5
    assert "Looks at the test part: 2" in (copied / "best" / "MODEL_CARD.md").read_text()
    if finished.best().trial_id == before["winner"]["trial_id"]:
        assert finished.metrics["test"] == before["test"]


def test_search_only_looks_at_no_test_part_until_it_is_resumed(
    tmp_path: Path, finished_run: Path
) -> None:
    out = tmp_path / "searched"
    settings = run_settings(tmp_path, search_only=True, out=str(out))
    searched = recsearch.search(settings.pop("spaces"), **settings)
    assert searched.metrics is None
    assert not (out / "best").exists()
    assert scores(out) == scores(finished_run)
    assert "test_look" not in [event["event"] for event in events(out)]
    assert searched.summary().endswith("there are no test metrics yet.")
    finished = resume(out, {}, Silent())
    assert finished.metrics is not None
    assert finished.metrics["test"] == metrics_of(finished_run)["test"]
    assert finished.metrics["test_looks"] == 1


def test_run_directory_in_use_is_refused(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with lock_directory(copied):
        assert main(["resume", str(copied)]) == 1
    assert "is in use by another recsearch process" in capsys.readouterr().err


@pytest.fixture
def long_run(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    changes = {"engine": "local", "tuner": "random", "max_trials": 1, "max_epochs": 10**6}
    argv = command(run_settings(tmp_path / "long", **changes))
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, start_new_session=True) as run:
        yield run
        run.kill()


def test_interrupted_run_says_how_to_go_on(tmp_path: Path, long_run: subprocess.Popen[str]) -> None:
    directory = tmp_path / "long" / "run"
    deadline = time.monotonic() + 60
    while not (directory / "journal.jsonl").exists() or not events(directory, "epoch"):
        assert time.monotonic() < deadline
        assert long_run.poll() is None
        time.sleep(0.1)
    long_run.send_signal(signal.SIGINT)
    _, told = long_run.communicate(timeout=30)
    assert long_run.returncode == 130
    assert told.rstrip().endswith(f"Continue: recsearch resume {directory}")
    assert "Traceback" not in told
    (trial,) = load_run(directory).state.trials.values()
    assert (trial.state, trial.attempt) == (TrialState.WAITING, 0)  # it did not fail
    assert scores(directory)[0]["state"] == "WAITING"


def test_shared_run_is_the_one_that_the_tests_rely_on(finished_run: Path) -> None:
    table = recsearch.load(finished_run).trials()
    assert len(table) == HYPERBAND["max_trials"]
    assert sorted(table["epochs"]) == [1, 1, 3, 3]
