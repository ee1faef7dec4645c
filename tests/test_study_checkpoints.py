"""When the checkpoint of a trial is kept, handed over and dropped."""

import json
import math
from pathlib import Path

import pytest
from studies import DONE, FINAL, RUNG_0, SAVED, checkpoints, events_of, next_assignment, run

from recsearch.study.decision import Promote
from recsearch.study.trial import Epoch, Outcome, TrialState


def test_promotion_continues_the_same_trial_from_its_checkpoint(open_study, tmp_path: Path) -> None:
    promote = Promote("0000", epochs=4, rung=1, final=True)
    study = open_study(tmp_path, RUNG_0, promote, promotable=("0000",))
    first = run(study, SAVED, (1.0, 0.75))
    assert first.save_checkpoint == str(tmp_path / "checkpoints" / "0000-2.npz")
    (trial,) = study.trials
    assert (trial.state, trial.score, trial.bracket, trial.rung) == (TrialState.PAUSED, 0.75, 1, 0)
    second = next_assignment(study)
    assert (second.trial_id, second.initial_epoch, second.epochs) == ("0000", 2, 4)
    assert (second.load_checkpoint, second.save_checkpoint) == (first.save_checkpoint, None)
    assert (second.seed, second.attempt) == (first.seed, 1)
    study.tell_epoch("0000", Epoch(3, {"rmse": 0.5}, 0.1))
    study.tell_epoch("0000", Epoch(4, {"rmse": 0.625}, 0.1))
    study.tell("0000", DONE)
    (trial,) = study.trials
    assert (trial.state, trial.score, trial.best_epoch) == (TrialState.COMPLETED, 0.5, 3)
    assert [point.epoch for point in trial.curve] == [1, 2, 3, 4]
    assert (trial.bracket, trial.rung) == (1, 1)


def test_checkpoints_stay_while_needed_and_go_afterwards(open_study, tmp_path: Path) -> None:
    promote = Promote("0000", epochs=4, rung=1, final=False)
    study = open_study(tmp_path, RUNG_0, RUNG_0, promote, promotable=("0000", "0001"))
    run(study, SAVED, (1.0, 0.75))
    run(study, SAVED, (2.0, 1.75))
    assert checkpoints(tmp_path) == ["0000-2.npz", "0001-2.npz"]
    study.driver.may_be_promoted = {"0000"}
    run(study, SAVED, (0.5, 0.25))  # the promoted trial; the other has lost
    assert study.trials[1].state is TrialState.STOPPED_EARLY
    assert study.trials[1].score == 1.75
    assert checkpoints(tmp_path) == ["0000-4.npz"]
    study.finish()
    assert study.trials[0].state is TrialState.STOPPED_EARLY
    assert checkpoints(tmp_path) == []


def test_best_trials_that_are_over_keep_their_checkpoints(open_study, tmp_path: Path) -> None:
    study = open_study(tmp_path, *[FINAL] * 5, RUNG_0, keep_best=2)
    left = []
    for score in (3.0, 2.0, 4.0, math.nan, 1.0, 2.5):  # the last is paused, and not promoted
        run(study, SAVED, (score, score))
        left.append(checkpoints(tmp_path))
    assert left == [
        ["0000-2.npz"],
        ["0000-2.npz", "0001-2.npz"],
        ["0000-2.npz", "0001-2.npz"],
        ["0000-2.npz", "0001-2.npz"],
        ["0001-2.npz", "0004-2.npz"],
        ["0001-2.npz", "0004-2.npz"],
    ]


def test_trial_whose_checkpoint_was_deleted_starts_anew(open_study, tmp_path: Path) -> None:
    promote = Promote("0000", epochs=4, rung=1, final=True)
    study = open_study(tmp_path, RUNG_0, promote, promotable=("0000",))
    first = run(study, SAVED, (1.0, 0.75))
    Path(str(first.save_checkpoint)).unlink()
    second = next_assignment(study)
    assert (second.initial_epoch, second.load_checkpoint, second.epochs) == (0, None, 4)
    assert study.trials[0].curve == ()


def test_file_that_a_killed_worker_left_half_written_is_dropped(open_study, tmp_path: Path) -> None:
    study = open_study(tmp_path, FINAL, FINAL)
    left, running = (
        tmp_path / "checkpoints" / f".{trial_id}-2.npz.123.partial" for trial_id in ("0001", "0000")
    )
    next_assignment(study)
    left.parent.mkdir()
    left.touch()
    running.touch()
    run(study, DONE, (1.0,))
    assert not left.exists()
    assert running.exists()  # its worker writes it at this moment


def test_checkpoint_of_a_running_trial_is_kept(open_study, tmp_path: Path) -> None:
    study = open_study(tmp_path, RUNG_0, FINAL, promotable=("0000",))
    running = next_assignment(study)
    assert running.save_checkpoint is not None
    path = Path(running.save_checkpoint)
    path.parent.mkdir()
    path.touch()
    run(study, DONE, (1.0,))
    assert path.exists()


@pytest.mark.parametrize("state", [TrialState.FAILED, TrialState.INFEASIBLE])
def test_checkpoint_of_a_trial_that_failed_is_dropped(
    open_study, tmp_path: Path, state: TrialState
) -> None:
    promote = Promote("0000", epochs=4, rung=1, final=True)
    study = open_study(tmp_path, RUNG_0, promote, promotable=("0000",))
    run(study, SAVED, (1.0, 0.75))
    run(study, Outcome(state, message="ValueError: too large"), ())
    (trial,) = study.trials
    assert (trial.state, trial.score, trial.message) == (state, None, "ValueError: too large")
    assert checkpoints(tmp_path) == []


def test_kill_between_checkpoint_and_pause_repeats_no_epoch(open_study, tmp_path: Path) -> None:
    study = open_study(tmp_path, RUNG_0, promotable=("0000",))
    run(study, SAVED, (1.0, 0.75))
    study.close()
    path = tmp_path / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert json.loads(lines[-1])["event"] == "trial_paused"
    path.write_bytes(b"".join(lines[:-1]))
    again = open_study(tmp_path, promotable=("0000",))
    assignment = next_assignment(again)
    assert (assignment.initial_epoch, assignment.epochs) == (2, 2)
    again.tell("0000", SAVED)
    assert again.trials[0].state is TrialState.PAUSED
    assert again.trials[0].score == 0.75


def test_failed_rung_leaves_no_checkpoint_event(open_study, tmp_path: Path) -> None:
    study = open_study(tmp_path, RUNG_0, promotable=("0000",))
    run(study, SAVED, (math.nan, math.nan))
    assert "checkpoint" not in events_of(tmp_path)
    assert study.trials[0].state is TrialState.FAILED
    assert checkpoints(tmp_path) == []
