import math
from pathlib import Path

import pytest
from scripted_driver import ScriptedDriver
from studies import CRASHED, DONE, FINAL, RMSE, RUNG_0, SAVED, events_of, next_assignment, run

from recsearch.study.decision import Finish, Promote, Propose, Wait
from recsearch.study.study import (
    MAX_CRASHES,
    MAX_FRUITLESS_SESSIONS,
    MAX_STARTS,
    Study,
    trial_seed,
)
from recsearch.study.trial import Assignment, Epoch, Outcome, TrialState


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
