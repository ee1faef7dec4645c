import sys
from pathlib import Path
from typing import Any

import pytest
from planted_run import plant_run

from recsearch.api.run import load
from recsearch.cli.program import main
from recsearch.errors import UsageError


def test_absent_mlflow_is_told_with_the_way_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("mlflow", "mlflow.exceptions", "mlflow.tracking"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main(["log", str(plant_run(tmp_path)), "--mlflow", "sqlite:///m.db"]) == 2
    assert "Install it: pip install 'recsearch[mlflow]'" in capsys.readouterr().err


pytestmark = pytest.mark.filterwarnings("ignore")  # of MLflow's own making


@pytest.fixture
def server(tmp_path: Path) -> tuple[str, Any]:
    pytest.importorskip("mlflow", reason="the extra recsearch[mlflow] is not installed")
    pytest.importorskip("sqlalchemy", reason="MLflow in a file needs sqlalchemy")
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    return uri, MlflowClient(tracking_uri=uri)


def children(client: Any, parent: str) -> dict[str, Any]:
    place = client.get_run(parent).info.experiment_id
    found = client.search_runs([place], f"tags.`mlflow.parentRunId` = '{parent}'")
    return {run.data.tags["recsearch.trial_id"]: run for run in found}


def test_run_and_trials_are_logged(tmp_path: Path, server: tuple[str, Any]) -> None:
    uri, client = server
    parent = load(plant_run(tmp_path / "night")).to_mlflow(uri)
    above = client.get_run(parent)
    assert above.info.run_name == "night"
    assert above.info.status == "FINISHED"
    assert above.data.metrics["test/rmse"] == 0.912
    assert above.data.metrics["baseline/bias/mae"] == 0.75
    assert above.data.params["max_epochs"] == "3"
    assert above.data.tags["recsearch.data_fingerprint"] == "sha256:abc123"
    assert above.data.tags["recsearch.best_trial"] == "0000"
    trials = children(client, parent)
    states = {trial_id: run.info.status for trial_id, run in trials.items()}
    assert states == {
        "0000": "FINISHED", "0001": "FINISHED", "0002": "KILLED",
        "0003": "FAILED", "0004": "FAILED", "0005": "RUNNING",
    }  # fmt: skip
    best = trials["0000"]
    assert best.data.params == {"space": "neumf", "embedding_dim": "32", "optimizer": "adam"}
    assert best.data.metrics["score"] == 0.9
    curve = client.get_metric_history(best.info.run_id, "rmse")
    assert [(m.step, m.value) for m in curve] == [(1, 1.0), (2, 0.9), (3, 0.95)]
    assert (best.info.start_time, best.info.end_time) == (1_002_000, 1_006_000)


def test_names_of_ranking_metrics_are_spelled_as_mlflow_takes_them(
    tmp_path: Path, server: tuple[str, Any]
) -> None:
    from recsearch.exchange.mlflow_log import _name

    assert _name("ndcg@10") == "ndcg_at_10"
    assert _name("baseline/item_knn/hr@10") == "baseline/item_knn/hr_at_10"
    assert _name("a=b") == "a_b"


def test_command_prints_the_id(
    tmp_path: Path, server: tuple[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    uri, client = server
    directory = plant_run(tmp_path / "night", finished=False)
    assert main(["log", str(directory), "--mlflow", uri, "--experiment", "films"]) == 0
    parent = capsys.readouterr().out.strip()
    run = client.get_run(parent)
    assert run.info.status == "RUNNING"
    assert client.get_experiment(run.info.experiment_id).name == "films"


def test_uri_that_mlflow_refuses_is_told(tmp_path: Path, server: tuple[str, Any]) -> None:
    with pytest.raises(UsageError, match="MLflow at nowhere://x refused the run"):
        load(plant_run(tmp_path / "night")).to_mlflow("nowhere://x")
