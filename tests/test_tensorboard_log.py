import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from planted_run import JournalByHand, described, plant_run
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.backend_context import Context
from tensorboard.plugins.hparams.get_experiment import Handler as ExperimentHandler
from tensorboard.plugins.hparams.list_session_groups import Handler as SessionsHandler

from recsearch.exchange.tensorboard_log import TensorBoardLog


def log_of(directory: Path) -> TensorBoardLog:
    return TensorBoardLog(directory, described().space)


def files_of(directory: Path) -> dict[str, bytes]:
    folder = directory / "tensorboard"
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.recsearch")
    }


def curve(directory: Path, trial_id: str, tag: str) -> list[tuple[int, float]]:
    values = read_back(directory).Tensors(trial_id, tag)
    return [(v.step, round(float(v.tensor_proto.float_val[0]), 4)) for v in values]


def read_back(directory: Path) -> EventMultiplexer:
    multiplexer = EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(directory / "tensorboard"))
    multiplexer.Reload()
    return multiplexer


class HParamsPage:
    """What TensorBoard's HParams page is told by its own backend."""

    def __init__(self, directory: Path) -> None:
        provider = MultiplexerDataProvider(read_back(directory), str(directory))
        self._context = Context(TBContext(data_provider=provider))

    def experiment(self) -> Any:
        request = api_pb2.GetExperimentRequest(include_metrics=True, hparams_limit=100)
        return ExperimentHandler(RequestContext(), self._context, "", request).run()

    def groups(self) -> Any:
        request = api_pb2.ListSessionGroupsRequest(
            start_index=0,
            slice_size=100,
            include_metrics=True,
            allowed_statuses=[
                api_pb2.STATUS_UNKNOWN,
                api_pb2.STATUS_SUCCESS,
                api_pb2.STATUS_FAILURE,
                api_pb2.STATUS_RUNNING,
            ],
        )
        answer = SessionsHandler(RequestContext(), self._context, "", request).run()
        return {group.name: group for group in answer.session_groups}


def test_curves_hold_each_epoch_of_each_trial_once(tmp_path: Path) -> None:
    log_of(plant_run(tmp_path)).update()
    assert curve(tmp_path, "0000", "rmse") == [(1, 1.0), (2, 0.9), (3, 0.95)]
    assert curve(tmp_path, "0000", "score") == [(1, 1.0), (2, 0.9), (3, 0.9)]
    assert curve(tmp_path, "0001", "loss") == [(1, 2.2), (2, 1.84)]


def test_files_are_the_same_however_often_and_when_they_are_written(tmp_path: Path) -> None:
    at_once, in_pieces = tmp_path / "once", tmp_path / "pieces"
    log_of(plant_run(at_once)).update()
    lines = (plant_run(tmp_path / "source") / "journal.jsonl").read_bytes().splitlines(True)
    in_pieces.mkdir()
    log = log_of(in_pieces)
    for number, line in enumerate(lines):
        with (in_pieces / "journal.jsonl").open("ab") as journal:
            journal.write(line)
        if number % 7 == 0:
            log = log_of(in_pieces)  # the run was taken up again
        log.update()
    log_of(at_once).update()
    assert files_of(in_pieces) == files_of(at_once)
    assert len(files_of(at_once)) == 7  # six trials that were started, and the experiment


def test_what_the_journal_has_lost_is_replaced(tmp_path: Path) -> None:
    journal = JournalByHand(tmp_path)
    journal.start("0000", "neumf", 3, embedding_dim=8)
    journal.epochs("0000", 1.0)
    kept = journal._journal.path.read_bytes()
    journal.epochs("0000", 0.5, first=2)
    journal.close()
    log_of(tmp_path).update()
    (tmp_path / "journal.jsonl").write_bytes(kept)
    log = log_of(tmp_path)
    log.update()
    journal = JournalByHand(tmp_path)
    journal.epochs("0000", 0.75, first=2)
    journal.close()
    log.update()
    assert curve(tmp_path, "0000", "rmse") == [(1, 1.0), (2, 0.75)]


def test_epochs_that_are_trained_again_are_drawn_once(tmp_path: Path) -> None:
    journal = JournalByHand(tmp_path)
    journal.start("0000", "neumf", 3, embedding_dim=8)
    journal.epochs("0000", 1.0, 0.9)
    journal.append("trial_waiting", trial_id="0000", epochs=3, final=True)
    journal.append("trial_started", trial_id="0000", attempt=2, initial_epoch=0, epochs=3)
    journal.epochs("0000", 1.1, 0.8, 0.7)
    journal.close()
    log_of(tmp_path).update()
    assert curve(tmp_path, "0000", "rmse") == [(1, 1.1), (2, 0.8), (3, 0.7)]


def test_metric_that_is_no_number_stays_none(tmp_path: Path) -> None:
    journal = JournalByHand(tmp_path)
    journal.start("0000", "neumf", 1)
    journal.epochs("0000", math.nan)
    journal.close()
    log_of(tmp_path).update()
    assert math.isnan(curve(tmp_path, "0000", "score")[0][1])


def test_hparams_page_shows_every_trial_with_its_values_and_score(tmp_path: Path) -> None:
    log_of(plant_run(tmp_path)).update()
    groups = HParamsPage(tmp_path).groups()
    assert sorted(groups) == [f"trial 000{n}" for n in range(6)]
    best = groups["trial 0000"]
    assert best.hparams["space"].string_value == "neumf"
    assert best.hparams["embedding_dim"].number_value == 32
    values = {value.name.tag: value.value for value in best.metric_values}
    assert values["score"] == pytest.approx(0.9)
    assert values["rmse"] == pytest.approx(0.95)
    assert groups["trial 0001"].hparams["cross"].bool_value is True
    assert groups["trial 0003"].sessions[0].status == api_pb2.STATUS_FAILURE
    assert groups["trial 0005"].sessions[0].status == api_pb2.STATUS_UNKNOWN


def test_hparams_page_knows_domains_and_metrics(tmp_path: Path) -> None:
    log_of(plant_run(tmp_path)).update()
    experiment = HParamsPage(tmp_path).experiment()
    infos = {info.name: info for info in experiment.hparam_infos}
    assert {"space", "embedding_dim", "optimizer", "momentum", "cross"} == set(infos)
    dimension = infos["embedding_dim"].domain_interval
    assert (dimension.min_value, dimension.max_value) == (8, 128)  # of both families
    assert [v.string_value for v in infos["optimizer"].domain_discrete.values] == ["adam", "sgd"]
    tags = [info.name.tag for info in experiment.metric_infos]
    assert tags == ["score", "loss", "rmse"]


def test_nothing_here_imports_tensorflow(tmp_path: Path) -> None:
    directory = plant_run(tmp_path)
    code = (
        "import sys; from pathlib import Path;"
        "from recsearch.exchange.tensorboard_log import TensorBoardLog;"
        f"TensorBoardLog(Path({str(directory)!r}), ()).update();"
        "print('tensorflow' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
