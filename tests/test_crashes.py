"""A crash at every change of the disk: the search that is resumed ends as if there had been none.

What is killed is real (SIGKILL between two writes, or in the middle of one); the trials are looked
up in a table. tests/crashing.py runs the searches.
"""

import io
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest
from crashing import TOLD, Campaign, Disk
from table_lookup import TableEngine, table_loss, write_state
from test_run import same_results

from recsearch.cli.program import main
from recsearch.study.events import TrialOver, TrialStarted
from recsearch.study.journal import read_events
from recsearch.study.replay import replay
from recsearch.study.trial import Assignment, Epoch, Outcome, Trial, TrialState

pytestmark = pytest.mark.slow  # complete searches

QUICK = [
    [Campaign("hyperband", "hyperband")],
    [
        Campaign("chain", "hyperband", plan="chain"),
        Campaign("two_workers", "hyperband", workers=2, every=8),
        Campaign("full", "hyperband", full=True, every=5),
        Campaign("random", "random", every=2),
        Campaign("bayesian", "bayesian", every=2),
    ],
]
"""Campaigns of the first process, and of the second, which works at the same time."""

THOROUGH = [
    Campaign("hyperband", "hyperband", plan="all", every=4),
    Campaign("twice", "hyperband", plan="twice", every=4),
    Campaign("full", "hyperband", full=True, every=4),
]


@dataclass(frozen=True)
class Result:
    """What a campaign left: its folder, the changes of a whole search, and each other search."""

    campaign: Campaign
    folder: Path
    changes: list[str]
    searches: list[dict[str, Any]]


def run_campaigns(folder: Path, processes: list[list[Campaign]]) -> dict[str, Result]:
    """Runs the campaigns of each process; returns their results by name."""
    script = Path(__file__).with_name("crashing.py")
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "OPENBLAS_NUM_THREADS": "1"}
    started = []
    for campaigns in processes:
        command = [sys.executable, str(script), str(folder)]
        command.append(json.dumps([asdict(campaign) for campaign in campaigns]))
        started.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        )
    results = {}
    for campaigns, process in zip(processes, started, strict=True):
        told, _ = process.communicate()
        assert process.returncode == 0
        found = json.loads(told)
        results |= {c.name: Result(c, folder / c.name, **found[c.name]) for c in campaigns}
    return results


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    return run_campaigns(tmp_path_factory.mktemp("crashes"), QUICK)


def trials(directory: Path) -> list[Trial]:
    return list(replay(read_events(directory / "journal.jsonl")).trials.values())


def outcomes(directory: Path) -> list[dict[str, Any]]:
    """Returns all that counts of each trial: neither how long it took nor how often it started."""
    found = [asdict(trial) for trial in trials(directory)]
    return [{k: v for k, v in row.items() if k not in ("seconds", "attempt")} for row in found]


def trainings(directory: Path) -> list[tuple[str, int, int]]:
    """Returns (trial, epochs before, epochs to reach) of everything that the engine was given."""
    rows = map(str.split, directory.with_suffix(".log").read_text().splitlines())
    return [(trial_id, int(before), int(epochs)) for trial_id, before, epochs in rows]


def check_all(result: Result) -> None:
    for found in result.searches:
        try:
            check(result, found["lives"], result.folder / found["name"])
        except AssertionError as error:
            raise AssertionError(f"{result.campaign.name}, {found['name']}: {error}") from error


def check(result: Result, lives: list[dict[str, Any]], directory: Path) -> None:
    """Asserts that a search ended as the whole one did, and trained nothing twice."""
    *faulty, last = lives
    expected = TOLD if result.campaign.full else -SIGKILL
    assert [life["status"] for life in faulty] == [expected] * len(faulty)
    assert (last["status"], last["error"]) == (0, "")
    assert not any(life["missing"] for life in lives), "a state that is needed was missing"
    whole = result.folder / "whole"
    assert outcomes(directory) == outcomes(whole)
    assert states_on_disk(directory) == states_on_disk(whole)
    check_trainings(result, faulty, directory)


def check_trainings(result: Result, faulty: list[dict[str, Any]], directory: Path) -> None:
    """Asserts that no rung was trained again but those that a fault had cut off."""
    once, found = trainings(result.folder / "whole"), trainings(directory)
    cut_off = Counter(trial_id for life in faulty for trial_id in life["unfinished"])
    times = Counter((trial_id, epochs) for trial_id, _, epochs in found)
    assert times.keys() == {(trial_id, epochs) for trial_id, _, epochs in once}
    for (trial_id, epochs), count in times.items():
        assert count <= 1 + cut_off[trial_id], f"trial {trial_id} to epoch {epochs}: {count} times"
    assert len(found) - len(once) <= len(faulty) * result.campaign.workers
    for trial_id, before, epochs in found:  # none starts at 0 that had a state to go on from
        assert (trial_id, before, epochs) in once or before == epochs
    check_journal(directory)


def check_journal(directory: Path) -> None:
    """Asserts that no rung was started after it had been finished."""
    epochs: dict[str, int | None] = {}
    finished = set()
    for event in read_events(directory / "journal.jsonl"):
        if isinstance(event, TrialStarted):
            epochs[event.trial_id] = event.epochs
            assert (event.trial_id, event.epochs) not in finished
        elif isinstance(event, TrialOver):
            finished.add((event.trial_id, epochs[event.trial_id]))


def states_on_disk(directory: Path) -> list[str]:
    return sorted(path.name for path in (directory / "checkpoints").iterdir())


def test_whole_search_is_the_planned_one(quick: dict[str, Result]) -> None:
    """Brackets 9 x 1, 3 x 3, 1 x 9; 5 x 3, 2 x 9; 3 x 9, as (configurations x epochs in total)."""
    result = quick["hyperband"]
    once = trainings(result.folder / "whole")
    assert len(trials(result.folder / "whole")) == 9 + 5 + 3
    assert len(once) == len(set(once)) == (9 + 3 + 1) + (5 + 2) + 3
    assert sum(epochs - before for _, before, epochs in once) == (
        (9 * 1 + 3 * 2 + 1 * 6) + (5 * 3 + 2 * 6) + 3 * 9
    )
    written = Counter(result.changes)
    assert written["replace"] >= 9 + 3 + 5  # a state for each that may be promoted
    assert written["write"] > 75 + written["replace"]  # and a line of the journal an epoch


def test_search_killed_at_any_change_of_the_disk_ends_as_if_it_had_not(
    quick: dict[str, Result],
) -> None:
    result = quick["hyperband"]
    assert len(result.searches) == len(result.changes) > 200
    check_all(result)


def test_kill_in_the_middle_of_a_line_was_among_them(quick: dict[str, Result]) -> None:
    torn = [s for s in quick["hyperband"].searches if s["lives"][0]["torn"]]
    assert len(torn) > 50
    assert {s["name"].partition("-")[0] for s in torn} == {"torn"}


def test_search_killed_again_and_again_gets_there(quick: dict[str, Result]) -> None:
    result = quick["chain"]
    assert [len(search["lives"]) > 5 for search in result.searches] == [True] * 3
    check_all(result)


@pytest.mark.parametrize("name", ["two_workers", "random", "bayesian"])
def test_other_searches_killed_end_as_if_they_had_not(quick: dict[str, Result], name: str) -> None:
    assert len(quick[name].searches) > 20
    check_all(quick[name])


def test_disk_that_is_full_at_any_write_is_one_error_and_can_be_resumed(
    quick: dict[str, Result],
) -> None:
    assert len(quick["full"].searches) > 30
    check_all(quick["full"])


def test_search_with_any_kill_at_any_change_ends_as_if_it_had_none(tmp_path: Path) -> None:
    results = run_campaigns(tmp_path, [THOROUGH[:1], THOROUGH[1:]])
    assert len(results["hyperband"].searches) > 150
    assert len(results["twice"].searches) > 50
    assert len(results["full"].searches) > 50
    for result in results.values():
        check_all(result)


@pytest.mark.parametrize(("at", "kind"), [(0, "before"), (3, "torn")])
def test_run_that_finds_no_room_tells_it_and_can_be_resumed(
    tmp_path: Path,
    finished_run: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    at: int,
    kind: str,
) -> None:
    """The first write is run.json, the fourth is in the journal."""
    directory = Path(shutil.copytree(finished_run, tmp_path / "copy"))
    shutil.rmtree(directory / "best")
    journal = directory / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    kept = [json.loads(line)["event"] for line in lines].index("trial_paused") + 1
    journal.write_bytes(b"".join(lines[:kept]))
    with monkeypatch.context() as patch:
        opened = Disk(str(directory), at, kind, full=True).opened(io.open)
        patch.setattr(io, "open", opened)  # of pathlib
        patch.setattr("builtins.open", opened)  # of the journal
        assert main(["resume", str(directory), "--quiet"]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"recsearch: The disk of {directory} is full.")
    assert told.count("\n") == 1
    assert main(["resume", str(directory), "--quiet"]) == 0
    same_results(directory, finished_run)


def assignment(**changes: Any) -> Assignment:
    fields: dict[str, Any] = {"trial_id": "0003", "space": "f", "values": {"x": 1.0}}
    return Assignment(**{**fields, "initial_epoch": 0, "epochs": 3, "seed": 0, **changes})


def test_table_engine_tells_each_epoch_and_leaves_a_state(tmp_path: Path) -> None:
    engine = TableEngine(tmp_path / "log")
    engine.submit(assignment(epochs=2, save_checkpoint=str(tmp_path / "0003-2.npz")))
    assert engine.free_workers() == 0
    news = [engine.wait()[0].news for _ in range(3)]
    curve = tuple(Epoch(n, {"loss": table_loss({"x": 1.0}, n)}, 0.25) for n in (1, 2))
    assert news[:2] == list(curve)
    assert news[2] == Outcome(
        TrialState.COMPLETED, curve, {"x": 1.0}, seconds=0.5, checkpoint_saved=True
    )
    assert engine.wait() == []
    state = str(tmp_path / "0003-2.npz")
    engine.submit(assignment(initial_epoch=2, load_checkpoint=state))
    assert engine.wait()[0].news == Epoch(3, {"loss": table_loss({"x": 1.0}, 3)}, 0.25)
    assert (tmp_path / "log").read_text() == "0003 0 2\n0003 2 3\n"


def test_table_engine_stops_after_an_epoch(tmp_path: Path) -> None:
    engine = TableEngine(tmp_path / "log")
    engine.submit(assignment(stop_checkpoint=str(tmp_path / "0003-{epoch}.npz")))
    engine.wait()
    engine.stop_after_epoch()
    (message,) = engine.wait()
    assert isinstance(message.news, Outcome)
    assert message.news.state is TrialState.WAITING
    assert (tmp_path / "0003-1.npz").exists()


@pytest.mark.parametrize(("trial_id", "epoch"), [("0003", 2), ("0004", 1)])
def test_table_engine_refuses_a_state_of_another_trial_or_epoch(
    tmp_path: Path, trial_id: str, epoch: int
) -> None:
    path = tmp_path / "0003-1.npz"
    write_state(path, trial_id, epoch)
    with pytest.raises(ValueError, match="trial 0003 needs epoch 1, received .*" + trial_id):
        TableEngine(tmp_path / "log").submit(assignment(initial_epoch=1, load_checkpoint=str(path)))
