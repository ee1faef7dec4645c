import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scripted_driver import ScriptedDriver

from recsearch.tuning.drivers.decision import Finish, Promote, Propose, Wait
from recsearch.tuning.journal import read_events
from recsearch.tuning.study import (
    MAX_CRASHES,
    MAX_FRUITLESS_SESSIONS,
    MAX_STARTS,
    Study,
    trial_seed,
)
from recsearch.tuning.trial import Assignment, Epoch, Objective, Outcome, Policy, TrialState

RMSE = Objective("rmse", "min")
FINAL = Propose("mf", {"dim": 8}, epochs=2)
RUNG_0 = Propose("mf", {"dim": 8}, epochs=2, final=False, bracket=1, rung=0)
DONE = Outcome(TrialState.COMPLETED, values={"dim": 8}, seconds=1.5, num_parameters=10)
SAVED = Outcome(TrialState.COMPLETED, values={"dim": 8}, checkpoint_saved=True)
CRASHED = Outcome(TrialState.FAILED, message="The worker process died.", crashed=True)


@pytest.fixture
def open_study() -> Iterator[Callable[..., Study]]:
    opened: list[Study] = []

    def make(
        directory: Path, *decisions, promotable: tuple[str, ...] = (), keep_best: int = 0
    ) -> Study:
        driver = ScriptedDriver(list(decisions), set(promotable))
        opened.append(Study(directory, driver, RMSE, seed=7, policy=Policy(keep_best=keep_best)))
        return opened[-1]

    yield make
    for study in opened:
        study.close()


def next_assignment(study: Study) -> Assignment:
    assignment = study.ask()
    assert isinstance(assignment, Assignment)
    return assignment


def run(study: Study, outcome: Outcome, scores: tuple[float, ...]) -> Assignment:
    """Asks, reports an epoch a score, writes the checkpoint if the outcome says so, and tells."""
    assignment = next_assignment(study)
    for number, score in enumerate(scores, assignment.initial_epoch + 1):
        study.tell_epoch(assignment.trial_id, Epoch(number, {"rmse": score}, 0.5))
    if outcome.checkpoint_saved:
        assert assignment.save_checkpoint is not None
        path = Path(assignment.save_checkpoint)
        path.parent.mkdir(exist_ok=True)
        path.touch()
    study.tell(assignment.trial_id, outcome)
    return assignment


def events_of(directory: Path) -> list[str]:
    return [event["event"] for event in read_events(directory / "journal.jsonl")]


def checkpoints(directory: Path) -> list[str]:
    return sorted(path.name for path in (directory / "checkpoints").glob("*"))


def test_trial_from_proposal_to_score(open_study, tmp_path: Path) -> None:
    study = open_study(tmp_path, FINAL)
    assignment = run(study, DONE, (1.25, 1.0))
    stop_checkpoint = str(tmp_path / "checkpoints" / "0000-{epoch}.npz")
    assert assignment == Assignment(
        "0000", "mf", {"dim": 8}, 0, 2, trial_seed(7, "0000"), stop_checkpoint=stop_checkpoint
    )
    (trial,) = study.trials
    assert (trial.state, trial.score, trial.best_epoch) == (TrialState.COMPLETED, 1.0, 2)
    assert (trial.seconds, trial.num_parameters, trial.attempt) == (1.5, 10, 1)
    assert [point.metrics["rmse"] for point in trial.curve] == [1.25, 1.0]
    assert study.ask() == Finish("the script is over")
    assert events_of(tmp_path) == [
        "study", "trial_waiting", "trial_started", "epoch", "epoch", "trial_ended",
    ]  # fmt: skip


def test_reopened_study_knows_what_the_live_one_knew(open_study, tmp_path: Path) -> None:
    study = open_study(tmp_path, FINAL, RUNG_0, Wait(), promotable=("0001",))
    run(study, DONE, (1.0, 2.0))
    run(study, SAVED, (0.5, 0.75))
    assert study.ask() == Wait()
    study.note("a remark")
    study.stage("baselines", {"popularity": 1.0})
    study.close()
    again = open_study(tmp_path, promotable=("0001",))
    assert list(again.trials) == list(study.trials)
    assert again.state.notes == ["a remark"]
    assert again.state.stages == {"baselines": {"popularity": 1.0}}
    assert [trial.trial_id for trial in again.state.ranked()] == ["0001", "0000"]


def test_ids_count_up_and_seeds_differ(open_study, tmp_path: Path) -> None:
    study = open_study(tmp_path, *[FINAL] * 12)
    assignments = [next_assignment(study) for _ in range(12)]
    assert [a.trial_id for a in assignments] == [f"{number:04d}" for number in range(12)]
    assert len({a.seed for a in assignments}) == 12
    assert {a.attempt for a in assignments} == {1}


def test_trial_seed_depends_on_both_and_fits_31_bits() -> None:
    seeds = {trial_seed(seed, f"{number:04d}") for seed in range(20) for number in range(20)}
    assert len(seeds) == 400
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert trial_seed(0, "0001") == trial_seed(0, "0001")


def test_enqueued_configurations_come_first(open_study, tmp_path: Path) -> None:
    study = open_study(tmp_path, FINAL)
    assert study.enqueue(Propose("mf", {"dim": 64}, epochs=5)) == "0000"
    assert next_assignment(study).values == {"dim": 64}
    assert next_assignment(study).values == {"dim": 8}


def test_values_that_the_builder_did_not_read_are_dropped(open_study, tmp_path: Path) -> None:
    study = open_study(tmp_path, Propose("mf", {"dim": 8, "unused": 1}, epochs=1))
    run(study, DONE, (1.0,))
    assert study.trials[0].values == {"dim": 8}


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


def test_paused_trial_that_cannot_be_promoted_is_stopped_at_once(
    open_study, tmp_path: Path
) -> None:
    study = open_study(tmp_path, RUNG_0)
    run(study, SAVED, (1.0, 0.75))
    (trial,) = study.trials
    assert (trial.state, trial.score) == (TrialState.STOPPED_EARLY, 0.75)
    assert (trial.seconds, trial.values) == (0.0, {"dim": 8})


def test_trial_that_its_callback_stopped_is_over(open_study, tmp_path: Path) -> None:
    study = open_study(tmp_path, RUNG_0, promotable=("0000",))
    run(study, Outcome(TrialState.COMPLETED, values={"dim": 8}, stopped_itself=True), (1.0,))
    (trial,) = study.trials
    assert (trial.state, trial.score, len(trial.curve)) == (TrialState.COMPLETED, 1.0, 1)


def test_crashed_worker_is_tried_again_and_then_fails(open_study, tmp_path: Path) -> None:
    assert MAX_CRASHES == 2
    study = open_study(tmp_path, FINAL)
    assert run(study, CRASHED, (1.0,)).attempt == 1
    assert study.trials[0].state is TrialState.WAITING
    assert run(study, CRASHED, (1.0,)).attempt == 2
    (trial,) = study.trials
    assert (trial.state, trial.score) == (TrialState.FAILED, None)
    assert trial.message == "The worker process died."
    assert isinstance(study.ask(), Finish)


def test_second_attempt_starts_its_curve_anew(open_study, tmp_path: Path) -> None:
    study = open_study(tmp_path, FINAL)
    run(study, CRASHED, (9.0,))
    run(study, DONE, (1.0, 2.0))
    (trial,) = study.trials
    assert [point.metrics["rmse"] for point in trial.curve] == [1.0, 2.0]


def test_next_rung_has_attempts_of_its_own(open_study, tmp_path: Path) -> None:
    promote = Promote("0000", epochs=4, rung=1, final=True)
    study = open_study(tmp_path, RUNG_0, promote, promotable=("0000",))
    run(study, CRASHED, ())
    assert run(study, SAVED, (1.0, 2.0)).attempt == 2
    assert run(study, CRASHED, (3.0,)).attempt == 1
    last = next_assignment(study)
    assert (last.attempt, last.initial_epoch, len(study.trials[0].curve)) == (2, 2, 2)


def test_kills_of_the_run_do_not_count_as_crashes_of_the_worker(open_study, tmp_path: Path) -> None:
    study = open_study(tmp_path, FINAL)
    for _ in range(3):
        next_assignment(study)
        study.close()  # killed here
        study = open_study(tmp_path)
    assert run(study, CRASHED, ()).attempt == 4
    assert study.trials[0].state is TrialState.WAITING
    assert run(study, CRASHED, ()).attempt == 5
    assert study.trials[0].state is TrialState.FAILED


def test_trial_that_ran_at_each_of_many_kills_is_failed(open_study, tmp_path: Path) -> None:
    study = open_study(tmp_path, FINAL)
    for attempt in range(1, MAX_STARTS + 1):
        assert next_assignment(study).attempt == attempt
        study.tell_epoch("0000", Epoch(1, {"rmse": 1.0}, 0.1))
        study.close()  # killed here
        study = open_study(tmp_path)
    assert study.trials[0].state is TrialState.FAILED


def test_trial_whose_sessions_are_all_killed_before_an_epoch_is_failed(
    open_study, tmp_path: Path
) -> None:
    study = open_study(tmp_path, FINAL)
    for attempt in range(1, MAX_FRUITLESS_SESSIONS + 1):
        assert next_assignment(study).attempt == attempt
        study.close()  # killed here
        study = open_study(tmp_path)
    (trial,) = study.trials
    assert trial.state is TrialState.FAILED
    assert trial.message == "The run was killed 5 times while this trial was running."
    study.close()
    assert list(open_study(tmp_path).trials) == list(study.trials)


def test_kill_at_any_byte_never_loses_a_finished_trial(open_study, tmp_path: Path) -> None:
    study = open_study(tmp_path, FINAL, RUNG_0, promotable=("0001",))
    run(study, DONE, (1.0, 0.5))
    finished = (tmp_path / "journal.jsonl").stat().st_size
    run(study, SAVED, (1.0, 0.75))
    study.close()
    whole = (tmp_path / "journal.jsonl").read_bytes()
    for length in range(finished, len(whole) + 1, 7):
        directory = tmp_path / str(length)
        directory.mkdir()
        (directory / "journal.jsonl").write_bytes(whole[:length])
        again = open_study(directory, RUNG_0, promotable=("0001",))
        assert again.trials[0] == study.trials[0]
        assert len(again.trials) <= 2
        if len(again.trials) == 1 or again.trials[1].state is not TrialState.PAUSED:
            assert next_assignment(again).trial_id == "0001"
        again.close()


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


@pytest.mark.parametrize("scores", [(math.nan, math.nan), (math.inf,), ()])
def test_trial_without_a_finite_score_has_failed(open_study, tmp_path: Path, scores: tuple) -> None:
    study = open_study(tmp_path, FINAL)
    run(study, DONE, scores)
    (trial,) = study.trials
    assert (trial.state, trial.score) == (TrialState.FAILED, None)
    assert trial.message == "rmse was never a finite number."
    assert study.state.ranked() == []


def test_nan_of_some_epochs_does_not_fail_a_trial(open_study, tmp_path: Path) -> None:
    study = open_study(tmp_path, FINAL)
    run(study, DONE, (0.5, math.nan))
    assert study.trials[0].score == 0.5
    study.close()
    reopened = open_study(tmp_path).trials[0]
    assert math.isnan(reopened.curve[1].metrics["rmse"])
    assert reopened.score == 0.5


def test_failed_rung_leaves_no_checkpoint_event(open_study, tmp_path: Path) -> None:
    study = open_study(tmp_path, RUNG_0, promotable=("0000",))
    run(study, SAVED, (math.nan, math.nan))
    assert "checkpoint" not in events_of(tmp_path)
    assert study.trials[0].state is TrialState.FAILED
    assert checkpoints(tmp_path) == []


def test_reopened_search_forgets_its_end_stages_but_not_its_looks(
    open_study, tmp_path: Path
) -> None:
    study = open_study(tmp_path)
    study.stage("tested", {})
    study.test_look()
    study.reopen()
    study.test_look()
    for state in (study.state, open_study(tmp_path).state):
        assert state.stages == {}
        assert state.test_looks == 2


def test_values_foreseen_are_not_asked_for_again(tmp_path: Path) -> None:
    asked: list[dict] = []

    def reads(space: str, values: dict) -> dict:
        asked.append(values)
        return {"dim": values["dim"]}

    first, second = (Propose("mf", {"dim": dim, "unread": 1}, epochs=1) for dim in (8, 16))
    driver = ScriptedDriver([first, second])
    study = Study(tmp_path, driver, RMSE, seed=7, reads=reads)
    study.look_ahead()
    assert next_assignment(study).values == {"dim": 8}
    assert asked == [first.values]
    assert next_assignment(study).values == {"dim": 16}  # what was foreseen was another one
    assert asked == [first.values, second.values]
    study.look_ahead()
    assert asked == [first.values, second.values]  # nothing follows
    study.close()
