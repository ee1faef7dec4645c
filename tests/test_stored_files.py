"""Files of a run that earlier versions wrote: stored here, and read by this version.

`tests/stored/previous` is a run of the version before run.json, metrics.json and the journal became
typed records, `tests/stored/current` the same run by this version; the data are generated. After a
change of a format, `current` becomes `previous`, and the run below is stored as `current`:

    recsearch.search("quick.py:build", out="run", final_seeds=2, **small_run.HYPERBAND,
                     data="ratings.csv", items="items.csv")
"""

import json
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from small_run import HYPERBAND

import recsearch
from recsearch.report.page import render_report
from recsearch.results import RunRecord, load_run, resumable_config
from recsearch.results.run_description import (
    RUN_SCHEMA,
    DataDescription,
    Hyperparameter,
    Machine,
    RunDescription,
)
from recsearch.results.run_metrics import METRICS_SCHEMA, RunMetrics, Winner
from recsearch.results.user_examples import UserExamples
from recsearch.study.decision import Plan
from recsearch.study.events import JOURNAL_SCHEMA, EpochTrained, Event, StageDone, TrialOver
from recsearch.study.journal import read_events
from recsearch.study.trial import Objective, TrialState

STORED = Path(__file__).with_name("stored")


@pytest.fixture(params=["previous", "current"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> RunRecord:
    return load_run(shutil.copytree(STORED / request.param, tmp_path / "run"))


def test_description_of_a_stored_run_is_read(stored: RunRecord) -> None:
    described = stored.description
    assert described.config["max_trials"] == HYPERBAND["max_trials"] == 4
    assert described.machine == Machine(2, 23.6, "Linux x86_64", "0123456789abcdef")
    assert described.plan == Plan(
        4, 8, ("bracket 1: 3 configurations x 1 epoch -> 1 x 3",
               "bracket 0: 1 configuration x 3 epochs"),
    )  # fmt: skip
    assert described.objective == Objective("rmse", "min")
    assert described.validation_protocol == "90 held-out labels"
    data = described.data
    assert (data.path, data.task, data.split) == (
        "ratings.csv", "rating", "random 80/10/10, seed 5",
    )  # fmt: skip
    assert (data.train, data.validation, data.test, data.num_users) == (720, 90, 90, 60)
    assert data.features == ("item_year",)
    root, rate = described.space
    assert (root.name, root.bare, root.values) == ("space", "space", ("quick",))
    assert (rate.family, rate.bare, rate.kind) == ("quick", "rate", "Float")
    assert (rate.min_value, rate.max_value, rate.sampling) == (0.1, 10.0, "log")
    assert [(c.name, c.values) for c in rate.conditions] == [("space", ("quick",))]
    assert resumable_config(stored).seed == 5


def test_metrics_of_a_stored_run_are_read(stored: RunRecord) -> None:
    metrics = stored.tested
    assert metrics is not None
    assert metrics.winner == Winner("0001", "quick", {"rate": 1.4161759842305053}, 3, 245)
    assert metrics.test["rmse"] == pytest.approx(1.0976, abs=1e-4)
    assert metrics.baselines.keys() == metrics.baseline_tuning.keys() == metrics.compared.keys()
    assert metrics.intervals["rmse"].value == metrics.test["rmse"]
    assert metrics.comparison is not None
    assert metrics.comparison.baseline == "item_knn"
    assert metrics.comparison.difference.num_resamples == 1000
    assert metrics.seeds is not None
    assert len(metrics.seeds.metrics) == 2
    assert metrics.export.verified
    assert metrics.predictions.num_rows == sum(metrics.predictions.error_counts) == 90
    assert {each.name for each in metrics.slices} >= {"user_activity", "item_popularity"}
    assert (metrics.test_looks, metrics.lists) == (1, {})


def test_journal_of_a_stored_run_is_read(stored: RunRecord) -> None:
    events = list(read_events(stored.directory / "journal.jsonl"))
    assert type(events[-1]) is StageDone
    assert [event.epoch for event in events if isinstance(event, EpochTrained)] == [
        1, 1, 1, 2, 3, 1, 2, 3,
    ]  # fmt: skip
    assert {e.kind for e in events if type(e) is Event} == {"test_look"}  # it has no fields
    over = [event.state for event in events if isinstance(event, TrialOver)]
    assert over.count(TrialState.PAUSED) == 3
    assert stored.summary().splitlines()[:2] == [
        "run: 4 trials: 2 completed, 2 stopped early.",
        "Best by validation: trial 0001 (quick), rmse 1.001 at epoch 3.",
    ]
    assert list(stored.state.stages) == [
        "searched", "baselines_tuned", "retrained", "tested", "exported",
    ]  # fmt: skip


def test_examples_of_a_stored_run_are_read(stored: RunRecord) -> None:
    assert stored.user_examples is not None
    user = stored.user_examples.users[0]
    assert len(stored.user_examples.users) == 5
    assert user.recommended[0].title == f"Title {user.recommended[0].item_id}"
    assert all(item.label is not None for item in user.history)


def test_report_and_comparison_of_stored_runs_show_them(stored: RunRecord) -> None:
    page = render_report(stored)
    for text in ("quick, trial 0001", "bootstrap resamples", "item_year", "Title "):
        assert text in page
    compared = recsearch.compare([stored, STORED / "current"])
    assert compared.differences == ()
    assert len(compared.tables()) == 4


def keys(value: Any) -> Any:
    """Returns the keys of an object, and of the objects in it."""
    return {k: keys(v) for k, v in value.items()} if isinstance(value, dict) else None


def test_stored_run_of_the_current_version_has_what_this_version_writes(finished_run: Path) -> None:
    """If this fails, a format has changed: see the top of this file."""
    for name in ("run.json", "best/metrics.json"):
        written, stored = (
            json.loads((folder / name).read_text()) for folder in (finished_run, STORED / "current")
        )
        for each in (written, stored):
            each.pop("seeds", None)  # the runs have another number of seeds
        assert keys(written) == keys(stored)


def test_each_field_of_a_record_is_in_a_file() -> None:
    description = json.loads((STORED / "current" / "run.json").read_text())
    metrics = json.loads((STORED / "current" / "best" / "metrics.json").read_text())
    assert description["schema"] == RUN_SCHEMA
    assert metrics["schema"] == METRICS_SCHEMA
    first = (STORED / "current" / "journal.jsonl").read_text().splitlines()[0]
    assert json.loads(first)["schema"] == JOURNAL_SCHEMA
    for record, file in (
        (RunDescription, description),
        (DataDescription, description["data"]),
        (Machine, description["machine"]),
        (Hyperparameter, description["space"][1]),
        (RunMetrics, metrics),
        (Winner, metrics["winner"]),
    ):
        assert {field.name for field in fields(record)} - {"json"} <= file.keys(), record


@pytest.mark.parametrize(
    ("from_json", "file"),
    [
        (RunDescription.from_json, "run.json"),
        (RunMetrics.from_json, "best/metrics.json"),
        (UserExamples.from_json, "best/examples.json"),
    ],
)
def test_keys_of_a_later_version_are_ignored_and_kept(from_json: Any, file: str) -> None:
    value = json.loads((STORED / "current" / file).read_text())
    assert from_json({**value, "later": 1}).json["later"] == 1


def test_sections_and_figures_of_the_report_get_typed_records_only() -> None:
    report = Path(recsearch.__file__).parent / "report"
    modules = [*report.glob("sections/*.py"), *report.glob("figures/*.py"), *report.glob("*.py")]
    assert len(modules) > 20
    for path in modules:
        assert "[str, Any]" not in path.read_text(), path
