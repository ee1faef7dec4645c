from pathlib import Path

import pytest
from planted_run import JournalByHand

from recsearch.report import drawing, figures
from recsearch.results import Stay, search_record
from recsearch.study.history import History
from recsearch.study.journal import read_events
from recsearch.study.replay import SearchState
from recsearch.study.trial import Trial, TrialState


def read(directory: Path) -> tuple[SearchState, tuple[Stay, ...]]:
    state, _, trainings = search_record(read_events(directory / "journal.jsonl"))
    return state, trainings


@pytest.fixture
def halving(tmp_path: Path) -> tuple[SearchState, tuple[Stay, ...]]:
    """A bracket of three: 0 and 2 go on to the second rung; then a fourth trial fails."""
    journal = JournalByHand(tmp_path)
    for number, score in enumerate((1.0, 3.0, 2.0)):
        journal.start(f"000{number}", "neumf", 1, dim=number)
        journal.epochs(f"000{number}", score)
        journal.pause(f"000{number}")
    for number, score in ((0, 0.5), (2, 0.7)):
        journal.promote(f"000{number}", rung=1, first=2, last=3)
        journal.epochs(f"000{number}", score + 1, score, first=2)
        journal.end(f"000{number}")
    journal.end("0001", "STOPPED_EARLY")
    journal.start("0003", "neumf", 1, dim=3)
    journal.end("0003", "FAILED", "no memory")
    journal.close()
    return read(tmp_path)


def test_trainings_are_one_a_rung_from_start_to_end(
    halving: tuple[SearchState, tuple[Stay, ...]],
) -> None:
    _, trainings = halving
    # A trial waits, starts, has an epoch and pauses: four events, a second each.
    assert trainings[0] == Stay("0000", 0, 0, epochs=1, start=2, end=4, state="PAUSED")
    assert trainings[3] == Stay("0000", 0, 1, epochs=3, start=14, end=17, state="COMPLETED")
    assert [each.state for each in trainings[-2:]] == ["COMPLETED", "FAILED"]


def test_training_of_a_worker_that_died_was_interrupted(tmp_path: Path) -> None:
    journal = JournalByHand(tmp_path)
    journal.start("0000", "neumf", 1)  # at 1 and 2 s
    journal.append("trial_waiting", trial_id="0000", epochs=1, final=True, crashed=True)
    journal.append("trial_started", trial_id="0000", attempt=2, initial_epoch=0, epochs=1)
    journal.epochs("0000", 1.0)
    journal.end("0000")
    journal.close()
    _, trainings = read(tmp_path)
    assert [(each.start, each.end, each.state) for each in trainings] == [
        (2, 3, "INTERRUPTED"),
        (4, 6, "COMPLETED"),
    ]


def test_training_of_a_killed_session_ends_with_it(tmp_path: Path) -> None:
    journal = JournalByHand(tmp_path)
    journal.start("0000", "neumf", 2)  # at 1 and 2 s
    journal.epochs("0000", 1.0)  # at 3 s, then the power failed
    journal.append("study", schema=1, objective="rmse", direction="min")
    journal.append("trial_waiting", trial_id="0000", epochs=2, final=True)
    journal.append("trial_started", trial_id="0000", attempt=2, initial_epoch=0, epochs=2)
    journal.close()
    _, trainings = read(tmp_path)
    # The second before `study` is a pause between sessions, which does not count.
    assert [(each.start, each.end, each.state) for each in trainings] == [
        (2, 3, "INTERRUPTED"),
        (5, 5, "RUNNING"),
    ]


def test_brackets_tell_who_was_tried_and_who_went_on(
    halving: tuple[SearchState, tuple[Stay, ...]],
) -> None:
    state, trainings = halving
    first, second = figures.brackets(trainings, state).rungs
    assert (first.bracket, first.epochs, len(first.trials), first.num_promoted) == (0, 1, 4, 2)
    assert [(trial.score, trial.went_on) for trial in first.trials] == [
        (1.0, True), (3.0, False), (2.0, True), (None, False),
    ]  # fmt: skip
    assert (second.epochs, second.num_promoted) == (3, 0)
    assert [trial.score for trial in second.trials] == [0.5, 0.7]


def test_brackets_tell_the_score_as_it_was_on_the_rung(
    halving: tuple[SearchState, tuple[Stay, ...]],
) -> None:
    state, trainings = halving
    first, _ = figures.brackets(trainings, state).rungs
    assert first.trials[0].label == "trial 0000, neumf\nrmse 1 at epoch 1"  # later it had 0.5


def test_brackets_of_another_tuner_are_none() -> None:
    trial = Trial("0000", "neumf", {}, epochs=1)
    training = Stay("0000", None, None, epochs=1, start=0, end=1, state="COMPLETED")
    assert figures.brackets([training], SearchState(history=History([trial]))).rungs == ()


def test_drawn_brackets_have_a_column_a_rung_with_its_counts(
    halving: tuple[SearchState, tuple[Stay, ...]],
) -> None:
    state, trainings = halving
    drawn = drawing.draw_brackets(figures.brackets(trainings, state))
    assert drawn.layout.xaxis.categoryarray == ("bracket 0<br>1 epoch", "bracket 0<br>3 epochs")
    texts = [each.text for each in drawn.layout.annotations]
    assert texts == ["4 trials,<br>2 went on", "2 trials"]
    assert [list(trace.y) for trace in drawn.data] == [[3.0, 0.5, 0.7], [1.0, 2.0]]


def lanes(*spans: tuple[float, float]) -> list[int]:
    """Returns the lanes of trainings with these starts and ends."""
    trials = [Trial(f"{n:04d}", "neumf", {}, epochs=1) for n in range(len(spans))]
    trainings = [
        Stay(trial.trial_id, None, None, 1, start, end, "COMPLETED")
        for trial, (start, end) in zip(trials, spans, strict=True)
    ]
    shown = figures.timeline(trainings, SearchState(history=History(trials)))
    return [bar.lane for bar in shown.bars]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        (((0, 1), (1, 2), (2, 3)), [0, 0, 0]),
        (((0, 5), (0, 2), (2, 4)), [1, 0, 0]),  # of those that start together the shorter is first
        (((0, 9), (1, 3), (2, 4), (3, 5)), [0, 1, 2, 1]),
    ],
)
def test_timeline_puts_a_training_on_the_first_free_lane(
    spans: tuple[tuple[float, float], ...], expected: list[int]
) -> None:
    order = sorted(range(len(spans)), key=lambda n: spans[n])
    assert lanes(*spans) == [expected[n] for n in order]


def test_timeline_tells_how_each_training_ended(
    halving: tuple[SearchState, tuple[Stay, ...]],
) -> None:
    state, trainings = halving
    shown = figures.timeline(trainings, state)
    assert (shown.unit, shown.num_lanes) == ("seconds", 1)
    assert [bar.ending for bar in shown.bars] == [
        "promoted", "stopped early", "promoted", "completed", "completed", "failed",
    ]  # fmt: skip
    assert shown.bars[0].label == "trial 0000, neumf\nto epoch 1: promoted after 2.0 s"


def test_timeline_of_a_paused_trial_says_so() -> None:
    trial = Trial("0000", "neumf", {}, epochs=1, state=TrialState.PAUSED)
    training = Stay("0000", 0, 0, 1, 0, 600, "PAUSED")
    shown = figures.timeline([training], SearchState(history=History([trial])))
    assert [(bar.ending, bar.end) for bar in shown.bars] == [("paused", 10.0)]
    assert shown.unit == "minutes"


def test_drawn_timeline_has_a_colour_an_ending_in_fixed_order(
    halving: tuple[SearchState, tuple[Stay, ...]],
) -> None:
    state, trainings = halving
    drawn = drawing.draw_timeline(figures.timeline(trainings, state))
    assert [trace.name for trace in drawn.data] == [
        "completed", "promoted", "stopped early", "failed",
    ]  # fmt: skip
    assert list(drawn.data[1].base) == [2.0, 10.0]
    assert list(drawn.data[1].x) == [2.0, 2.0]
    assert len({trace.marker.color for trace in drawn.data}) == 4


def test_drawn_timeline_has_a_colour_for_every_state() -> None:
    states = {state.lower().replace("_", " ") for state in TrialState} - {"waiting"}
    assert states | {"promoted", "interrupted"} == set(drawing.ENDINGS)
