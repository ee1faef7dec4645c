from collections.abc import Iterator
from pathlib import Path

import pytest
from planted_run import JournalByHand, plant_run

from recsearch.console.estimate import Capacity
from recsearch.console.live_table import LiveTable
from recsearch.console.progress import (
    Lines,
    Silent,
    describe_end,
    describe_plan,
    describe_progress,
    describe_trial,
)
from recsearch.study.decision import Plan
from recsearch.study.journal import read_events
from recsearch.study.replay import SearchState, replay
from recsearch.study.trial import TrialState


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[JournalByHand]:
    opened = JournalByHand(tmp_path)
    yield opened
    opened.close()


def state_of(directory: Path) -> SearchState:
    return replay(read_events(directory / "journal.jsonl"))


def test_plan_is_told_with_its_details() -> None:
    plan = Plan(4, 8, ("bracket 1: 3 configurations x 1 epoch -> 1 x 3",))
    assert describe_plan(plan) == [
        "plan: 4 configurations, 8 epochs in total",
        "bracket 1: 3 configurations x 1 epoch -> 1 x 3",
    ]


def test_trials_are_told_by_score_or_by_what_went_wrong(tmp_path: Path) -> None:
    state = state_of(plant_run(tmp_path))
    told = [describe_trial(trial, state) for trial in state.trials.values()]
    assert told[0] == "trial 0000 neumf: rmse 0.9000 (epoch 2 of 3, 2.5 s, completed)"
    assert told[2] == "trial 0002 neumf: rmse 1.2000 (epoch 1 of 1, 2.5 s, stopped early)"
    assert told[3].startswith("trial 0003 wide_deep: FAILED: ValueError: ")
    assert told[4] == "trial 0004 neumf: INFEASIBLE: needs 64 GB"


def test_end_is_told_with_the_best_trial_if_there_is_one(tmp_path: Path) -> None:
    state = state_of(plant_run(tmp_path))
    assert describe_end("enough", state) == (
        "search ended (enough): 6 trials; best: trial 0000 neumf: rmse 0.9000 "
        "(epoch 2 of 3, 2.5 s, completed)"
    )
    assert describe_end("enough", SearchState()) == "search ended (enough): 0 trials"


def test_plan_tells_how_many_trials_run_at_a_time() -> None:
    (told,) = describe_plan(Plan(4, 8), Capacity(workers=2))
    assert told == "plan: 4 configurations, 2 at a time, 8 epochs in total"


def test_rest_is_told_once_there_is_a_pace(tmp_path: Path, journal: JournalByHand) -> None:
    plan, alone = Plan(2, 3), Capacity()
    journal.start("0000", "neumf", 3)
    assert describe_progress(plan, state_of(tmp_path), alone) == "[0 of 3 epochs]"
    journal.epochs("0000", 1.0)  # of half a second each
    told = describe_progress(plan, state_of(tmp_path), alone)
    assert told == "[1 of 3 epochs, about 1 s left]"
    journal.epochs("0000", 0.9, 0.8, first=2)
    assert describe_progress(plan, state_of(tmp_path), alone) == "[3 of 3 epochs]"


def test_lines_tell_each_trial_once(
    tmp_path: Path, journal: JournalByHand, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Lines()
    lines.begin_search(Plan(2, 3, ("detail",)), state_of(tmp_path))
    journal.start("0000", "neumf", 1)
    lines.news(state_of(tmp_path), "0000")
    journal.epochs("0000", 1.0)
    lines.news(state_of(tmp_path), "0000")
    journal.pause("0000")
    lines.news(state_of(tmp_path), "0000")
    journal.start("0001", "neumf", 1)
    journal.end("0001", "FAILED", "ValueError: [red]no markup[/red]")
    lines.news(state_of(tmp_path), "0001")
    journal.end("0000", "STOPPED_EARLY")  # a paused trial that is not promoted is no news
    lines.end_search("enough", state_of(tmp_path))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "plan: 2 configurations, 3 epochs in total",
        "detail",
        "trial 0000 neumf: rmse 1.0000 (epoch 1 of 1, 1.5 s, paused)   "
        "[1 of 3 epochs, about 2 s left]",
        "trial 0001 neumf: FAILED: ValueError: [red]no markup[/red]   "
        "[1 of 3 epochs, about 0 s left]",
        "search ended (enough): 2 trials; best: trial 0000 neumf: rmse 1.0000 "
        "(epoch 1 of 1, 2.5 s, stopped early)",
    ]


def test_lines_of_a_resumed_search_do_not_tell_old_trials(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = state_of(plant_run(tmp_path))
    lines = Lines()
    lines.begin_search(Plan(6, 9), state)
    (running,) = state.history.in_state(TrialState.RUNNING)
    lines.news(state, running.trial_id)
    assert capsys.readouterr().err == "plan: 6 configurations, 9 epochs in total\n"


def test_promoted_trial_is_told_again(
    tmp_path: Path, journal: JournalByHand, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Lines()
    lines.begin_search(Plan(1, 2), state_of(tmp_path))
    journal.start("0000", "neumf", 1)
    journal.epochs("0000", 1.0)
    journal.pause("0000")
    lines.news(state_of(tmp_path), "0000")
    journal.append("trial_waiting", trial_id="0000", epochs=2, final=True, bracket=0, rung=1)
    journal.append("trial_started", trial_id="0000", attempt=1, initial_epoch=1, epochs=2)
    lines.news(state_of(tmp_path), "0000")
    journal.epochs("0000", 0.9, first=2)
    journal.end("0000")
    lines.news(state_of(tmp_path), "0000")
    told = capsys.readouterr().err.splitlines()[1:]
    assert [line.partition("   ")[0] for line in told] == [
        "trial 0000 neumf: rmse 1.0000 (epoch 1 of 1, 1.5 s, paused)",
        "trial 0000 neumf: rmse 0.9000 (epoch 2 of 2, 2.5 s, completed)",
    ]


def test_verbose_lines_tell_each_epoch(
    tmp_path: Path, journal: JournalByHand, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Lines(verbose=True)
    lines.begin_search(Plan(1, 2), state_of(tmp_path))
    journal.start("0000", "neumf", 2)
    for epoch, score in ((1, 1.0), (2, 0.9)):
        journal.epochs("0000", score, first=epoch)
        lines.news(state_of(tmp_path), "0000")
    assert capsys.readouterr().err.splitlines()[1:] == [
        "trial 0000 neumf: epoch 1 of 2: loss 2.0000, rmse 1.0000 (0.5 s)",
        "trial 0000 neumf: epoch 2 of 2: loss 1.8000, rmse 0.9000 (0.5 s)",
    ]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes rich draw as on a terminal of 120 columns."""
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "120"}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("terminal")
def test_table_shows_running_and_best_trials_and_closes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = state_of(plant_run(tmp_path))
    table = LiveTable()
    table.begin_search(Plan(6, 99), state)
    table.news(state, "0000")
    table.end_search("enough", state)
    table.close()
    drawn = capsys.readouterr().err
    for text in (
        "running",
        "best",
        "rmse",
        "1 of 1 workers busy",
        "0 of 3",
        "0000",
        "0.9000",
        "0005",
        "embedding_dim=32",
    ):
        assert text in drawn
    assert "[6 of 99 epochs, about" in drawn
    assert "FAILED" not in drawn.partition("search ended")[0]
    assert drawn.rstrip().endswith("completed)")
    assert "\x1b[?25h" in drawn  # the cursor is shown again


@pytest.mark.usefixtures("terminal")
def test_table_that_is_closed_in_the_middle_gives_the_terminal_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = LiveTable()
    table.begin_search(Plan(1, 1), SearchState())
    table.close()
    assert capsys.readouterr().err.count("\x1b[?25h") == 1
    table.news(state_of(plant_run(tmp_path)), "0000")
    table.close()
    assert capsys.readouterr().err == ""


def test_silent_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = state_of(plant_run(tmp_path))
    silent = Silent()
    silent.say("text")
    silent.begin_search(Plan(1, 1), state)
    silent.news(state, "0000")
    silent.end_search("enough", state)
    assert capsys.readouterr() == ("", "")
