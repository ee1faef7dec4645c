import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from recsearch.errors import RunDirectoryError
from recsearch.study.events import Event
from recsearch.study.journal import read_events
from recsearch.study.replay import SearchState, replay
from recsearch.study.trial import Objective, TrialState

STUDY = {"event": "study", "time": 100.0, "schema": 1, "objective": "auc", "direction": "max"}


def waiting(trial_id: str = "0000", **fields) -> dict:
    values = {"trial_id": trial_id, "space": "mf", "values": {"dim": 8}, "epochs": 2, "final": True}
    return {"event": "trial_waiting", **values, **fields}


def trial_events(trial_id: str, *scores: float | None, state: str = "COMPLETED") -> list[dict]:
    return [
        waiting(trial_id),
        {"event": "trial_started", "trial_id": trial_id, "attempt": 1, "initial_epoch": 0},
        *(
            {
                "event": "epoch",
                "trial_id": trial_id,
                "epoch": n,
                "metrics": {"auc": score},
                "seconds": 1,
            }
            for n, score in enumerate(scores, 1)
        ),
        {"event": "trial_ended", "trial_id": trial_id, "state": state},
    ]


def replayed(events: Iterable[dict]) -> SearchState:
    return replay(Event.from_json({"time": 100.0, **event}) for event in events)


def read_back(tmp_path: Path, *events: dict) -> SearchState:
    """Returns the state of a journal with these events, read from its file."""
    path = tmp_path / "journal.jsonl"
    lines = (json.dumps({"time": 100.0, **event}) for event in events)
    path.write_text("".join(f"{line}\n" for line in lines))
    return replay(read_events(path))


def damaged(number: int, kind: str) -> str:
    """Returns the pattern of the error: a wrong shape names the line, all else the event."""
    return rf"line {number}: .* not an event|event {number} \({kind}\) is damaged"


def test_replay_of_nothing_is_an_empty_search() -> None:
    state = replay([])
    assert (state.trials, state.objective, state.ranked()) == ({}, None, [])


def test_ranked_puts_the_best_first_then_the_cheaper_then_the_older() -> None:
    events = [
        STUDY,
        *trial_events("0000", 0.5, 0.75),
        *trial_events("0001", 0.75, 0.5),
        *trial_events("0002", 0.75),
        *trial_events("0003", 0.875),
        *trial_events("0004", 0.99, state="FAILED"),
        *trial_events("0005", None),
    ]
    state = replayed(events)
    assert state.objective == Objective("auc", "max")
    assert [t.trial_id for t in state.ranked()] == ["0003", "0001", "0002", "0000"]
    assert [t.best_epoch for t in state.ranked()] == [1, 1, 1, 2]
    assert state.trials["0004"].score is None
    assert state.trials["0005"].score is None


def test_seconds_count_the_time_between_events_but_not_between_sessions() -> None:
    note = {"event": "note", "text": "x"}
    events = [
        STUDY,
        {**note, "time": 110.0},
        {**note, "time": 115.5},
        {**STUDY, "time": 9_000.0},
        {**note, "time": 9_001.0},
        {**note, "time": 8_000.0},  # the clock was set back
    ]
    state = replayed(events)
    assert state.seconds == 10 + 5.5 + 1
    assert state.events == 6


def test_events_of_unknown_kind_change_nothing() -> None:
    state = replayed([STUDY, {"event": "of the future", "trial_id": 3}])
    assert state.trials == {}
    assert state.events == 2


def test_trial_waiting_again_keeps_its_curve() -> None:
    events = [STUDY, *trial_events("0000", 0.5, 0.75), waiting(epochs=6, rung=1)]
    (trial,) = replayed(events).trials.values()
    assert (trial.state, trial.epochs, trial.rung, trial.attempt) == (TrialState.WAITING, 6, 1, 0)
    assert len(trial.curve) == 2


@pytest.mark.parametrize(
    "path",
    [
        "../outside.npz",
        "checkpoints/../../outside.npz",
        "/etc/passwd",
        "checkpoints/0000-1.npz/../../x.npz",
        "checkpoints/a/b.npz",
        "checkpoints/0000-1.npz\n",
        "checkpoints/0000.pkl",
        "checkpoints/0000.npz",
        5,
    ],
)
def test_checkpoint_outside_its_directory_is_refused(tmp_path: Path, path) -> None:
    event = {"event": "checkpoint", "trial_id": "0000", "epoch": 1, "path": path}
    with pytest.raises(RunDirectoryError, match=damaged(3, "checkpoint")):
        read_back(tmp_path, STUDY, waiting(), event)


@pytest.mark.parametrize("trial_id", ["../x", "1", "0000\n", "", "\u0660" * 4, None, 12, "0" * 10])
def test_bad_trial_id_is_refused(tmp_path: Path, trial_id) -> None:
    with pytest.raises(RunDirectoryError, match=damaged(2, "trial_waiting")):
        read_back(tmp_path, STUDY, waiting(trial_id))


@pytest.mark.parametrize(
    "event",
    [
        {"event": "study"},
        {"event": "epoch", "trial_id": "0007", "epoch": 1, "metrics": {}, "seconds": 1},
        {"event": "epoch", "trial_id": "0000", "epoch": 1, "metrics": {"auc": "x"}, "seconds": 1},
        {"event": "trial_ended", "trial_id": "0000", "state": "SLEEPING"},
        {"event": "trial_started", "trial_id": "0000"},
        {"event": "note", "text": "x", "time": "yesterday"},
        {"event": "note"},
        {"event": "trial_waiting", "trial_id": "0001", "epochs": 2, "final": True},
    ],
)
def test_damaged_event_is_named(tmp_path: Path, event: dict) -> None:
    with pytest.raises(RunDirectoryError, match=damaged(3, event["event"])):
        read_back(tmp_path, STUDY, waiting(), event)
