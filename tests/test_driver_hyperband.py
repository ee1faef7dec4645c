"""Hyperband: Keras Tuner's arithmetic, and brackets that failures cannot starve."""

from dataclasses import replace

import keras_tuner
import numpy as np
import pytest
from keras_tuner.oracles import HyperbandOracle
from simulation import LOSS, num_foreseen, run_search, thirty_configurations, two_families

from recsearch.errors import ConfigError
from recsearch.study.decision import Finish, Promote, Propose, Wait
from recsearch.study.seen_configurations import configuration_key
from recsearch.study.trial import Epoch, Trial, TrialState
from recsearch.tuning.drivers.hyperband import HyperbandDriver, hyperband_brackets

SPACE = two_families()
THIRTY = thirty_configurations()


def falling(family, values, epoch):
    """Better with each epoch, and the better the closer the values are to the middle."""
    quality = abs(np.log10(float(values.get("learning_rate", values.get("embedding_dim", 1)))))
    return float(quality + 1 / epoch)


def driver(max_epochs=27, factor=3, seed=0, space=SPACE, **settings):
    return HyperbandDriver(space, LOSS, seed, max_epochs, factor, **settings)


def num_reaching(search, epochs):
    return sum(len(trial.curve) == epochs for trial in search.trials)


@pytest.mark.parametrize("max_epochs", [1, 2, 3, 4, 8, 9, 10, 26, 27, 28, 30, 50, 81, 100, 243])
@pytest.mark.parametrize("factor", [2, 3, 4, 5])
@pytest.mark.parametrize("min_epochs", [1, 2])
def test_brackets_are_those_of_keras_tuner(max_epochs, factor, min_epochs):
    oracle = HyperbandOracle(
        objective=keras_tuner.Objective("loss", "min"), max_epochs=max_epochs, factor=factor
    )
    oracle.min_epochs = min_epochs
    brackets = hyperband_brackets(max_epochs, factor, min_epochs)
    numbers = list(range(oracle._get_num_brackets()))
    assert [bracket.number for bracket in brackets] == numbers[::-1]
    for bracket in brackets:
        assert len(bracket.rungs) == oracle._get_num_rounds(bracket.number)
        for index, rung in enumerate(bracket.rungs):
            assert rung.size == oracle._get_size(bracket.number, index)
            assert rung.epochs == oracle._get_epochs(bracket.number, index)


@pytest.mark.parametrize(
    ("max_epochs", "factor", "rung_trainings", "epochs"),
    [
        (1, 3, 1, 1),
        (2, 3, 2, 4),
        (8, 2, 36, 102),
        (9, 3, 23, 75),
        (10, 3, 30, 120),
        (27, 3, 70, 375),
    ],
)
@pytest.mark.parametrize("workers", [1, 4])
def test_search_trains_what_keras_tuner_trains(max_epochs, factor, rung_trainings, epochs, workers):
    search = run_search(driver(max_epochs, factor), falling, workers)
    assert search.rung_trainings == rung_trainings
    assert search.epochs == epochs == driver(max_epochs, factor).plan().epochs
    assert len(search.trials) == driver(max_epochs, factor).plan().configurations
    assert search.finish == Finish("all brackets are complete")


def test_plan_of_nine_epochs_in_lines():
    assert driver(9).plan().lines == (
        "bracket 2: 9 configurations x 1 epoch -> 3 x 3 -> 1 x 9",
        "bracket 1: 5 configurations x 3 epochs -> 2 x 9",
        "bracket 0: 3 configurations x 9 epochs",
    )


def test_plan_shrinks_to_max_trials_and_to_the_space():
    plan = driver(9, max_trials=11).plan()
    assert plan.lines == (
        "bracket 2: 9 configurations x 1 epoch -> 3 x 3 -> 1 x 9",
        "bracket 1: 2 configurations x 3 epochs -> 2 x 9",
    )
    assert (plan.configurations, plan.epochs) == (11, 9 + 3 * 2 + 6 + 2 * 3 + 2 * 6)
    assert driver(27, space=THIRTY).plan().configurations == 30  # of 27 + 12 + 6 + 4


@pytest.mark.parametrize("space", [THIRTY, SPACE], ids=["thirty", "two families"])
@pytest.mark.parametrize("max_trials", [1, 2, 11, 30, 35])
def test_shrunk_plan_is_what_is_trained(space, max_trials):
    shrunk = driver(27, space=space, max_trials=max_trials)
    search = run_search(shrunk, falling, workers=2)
    assert len(search.trials) == shrunk.plan().configurations <= max_trials
    assert search.epochs == shrunk.plan().epochs
    assert num_reaching(search, 27) > 0


def test_finish_tells_what_ran_out():
    search = run_search(driver(27, max_trials=11), falling)
    assert search.finish == Finish("the limit of 11 configurations was reached")
    search = run_search(driver(27, space=THIRTY), falling)
    assert search.finish == Finish("all 30 configurations have been tried")


def test_best_of_each_rung_are_promoted():
    search = run_search(driver(9), falling, workers=3)
    bracket = [trial for trial in search.trials if trial.bracket == 2]
    ranked = sorted(bracket, key=lambda trial: (trial.curve[0].metrics["loss"], trial.trial_id))
    assert [len(trial.curve) for trial in ranked] == [9, 3, 3, 1, 1, 1, 1, 1, 1]
    states = [trial.state for trial in ranked]
    assert states == [TrialState.COMPLETED] + [TrialState.STOPPED_EARLY] * 8


def test_equal_scores_are_ordered_by_trial():
    search = run_search(driver(9), lambda family, values, epoch: 1.0, workers=3)
    bracket = [trial for trial in search.trials if trial.bracket == 2]
    assert [len(trial.curve) for trial in bracket] == [9, 3, 3, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("failed", ["0000", "0005", "0026"])
@pytest.mark.parametrize("workers", [1, 3])
def test_one_failure_still_gives_finals_in_each_bracket(failed, workers):
    search = run_search(driver(27), falling, workers, fails=lambda trial: trial.trial_id == failed)
    finals = [trial.bracket for trial in search.trials if len(trial.curve) == 27]
    assert sorted(finals) == [0, 0, 0, 0, 1, 1, 2, 2, 3]
    assert search.rung_trainings == 70


def test_failure_of_the_only_promoted_trial_leaves_other_brackets_alone():
    # Bracket 3's single final fails at its last rung: nobody replaces a loser.
    search = run_search(
        driver(27), falling, fails=lambda trial: trial.bracket == 3 and trial.rung == 3
    )
    assert search.rung_trainings == 70
    finals = [trial.bracket for trial in search.trials if len(trial.curve) == 27]
    assert sorted(finals) == [0, 0, 0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("share", [0.05, 0.2])
@pytest.mark.parametrize("seed", range(3))
def test_random_failures_never_starve_a_bracket(share, seed):
    rng = np.random.default_rng([seed, 1])
    search = run_search(
        driver(27, seed=seed), falling, workers=2, fails=lambda trial: rng.random() < share
    )
    assert search.finish == Finish("all brackets are complete")
    assert len(search.trials) == 27 + 12 + 6 + 4
    for bracket in hyperband_brackets(27, 3):
        members = [trial for trial in search.trials if trial.bracket == bracket.number]
        for below, rung in zip(bracket.rungs, bracket.rungs[1:], strict=False):
            survivors = sum(len(trial.curve) >= below.epochs for trial in members)
            entered = sum(trial.epochs >= rung.epochs for trial in members)
            assert entered == min(rung.size, survivors)


def test_survivors_fewer_than_the_next_rung_are_all_promoted():
    search = run_search(
        driver(9), falling, fails=lambda trial: trial.bracket == 2 and trial.trial_id > "0001"
    )
    bracket = [trial for trial in search.trials if trial.bracket == 2]
    assert sorted(len(trial.curve) for trial in bracket) == [0] * 7 + [3, 9]


def test_all_trials_failing_ends_the_search():
    search = run_search(driver(9), falling, workers=2, fails=lambda trial: True)
    assert len(search.trials) == 9 + 5 + 3
    assert search.finish == Finish("all brackets are complete")


def test_trial_without_a_finite_score_loses_its_rung():
    search = run_search(driver(9), lambda family, values, epoch: float("nan"))
    assert search.rung_trainings == 9 + 5 + 3


def test_nothing_idles_while_something_can_be_started():
    search = run_search(driver(27), falling, workers=4)
    for trials, decision in search.decisions:
        if isinstance(decision, Wait):
            assert len(trials) == 27 + 12 + 6 + 4


def standing(scores, num_running=0):
    """Trials of bracket 2 of 9 epochs, paused after epoch 1 with the given scores."""
    trials = [
        Trial(
            f"{i:04d}", "mf", {"learning_rate": 0.001 + i * 1e-5}, 1, TrialState.PAUSED, 2, 0,
            curve=(Epoch(1, {"loss": score}, 0.1),), score=score, best_epoch=1,
        )
        for i, score in enumerate(scores)
    ]  # fmt: skip
    running = [
        Trial(f"{i:04d}", "mf", {"bias": True}, 1, TrialState.RUNNING, 2, 0)
        for i in range(len(scores), len(scores) + num_running)
    ]
    return trials + running


def test_promotion_waits_until_no_running_trial_can_displace():
    # Three of nine go on. With six finished and three running, the best may still become fourth.
    decision = driver(9).propose(standing([6, 5, 4, 3, 2, 1], num_running=3))
    assert isinstance(decision, Propose)
    assert decision.bracket == 1
    # With seven finished and two running, the best is third at worst, the second is not sure.
    trials = standing([6, 5, 4, 3, 2, 1, 7], num_running=2)
    assert driver(9).propose(trials) == Promote("0005", epochs=3, rung=1, final=False)
    trials[5] = replace(trials[5], state=TrialState.WAITING, epochs=3, rung=1)
    assert isinstance(driver(9).propose(trials), Propose)


def test_promoted_trial_that_waits_for_its_start_keeps_its_place():
    trials = standing([6, 5, 4, 3, 2, 1, 7, 8, 9])
    waiting = replace(trials[5], state=TrialState.WAITING, epochs=3)  # rung still says 0
    decision = driver(9).propose([*trials[:5], waiting, *trials[6:]])
    assert decision == Promote("0004", epochs=3, rung=1, final=False)


def test_promoted_trial_that_starts_over_keeps_its_place():
    trials = standing([6, 5, 4, 3, 2, 1, 7, 8, 9])
    for index in (3, 4, 5):
        trials[index] = replace(trials[index], state=TrialState.RUNNING, epochs=3, rung=1)
    trials[5] = replace(trials[5], curve=(), score=None)
    assert driver(9).promotable(trials) == frozenset()
    assert isinstance(driver(9).propose(trials), Propose)


@pytest.mark.parametrize("state", [TrialState.STOPPED_EARLY, TrialState.COMPLETED])
def test_trial_that_ended_on_its_rung_leaves_its_place_to_the_next(state):
    # Out of time, or stopped by a callback: it has the best score, and cannot go on.
    trials = standing([6, 5, 4, 3, 2, 1, 7, 8, 9])
    trials[5] = replace(trials[5], state=state)
    assert driver(9).promotable(trials) == {"0002", "0003", "0004"}
    for number in (4, 3, 2):
        decision = driver(9).propose(trials)
        assert decision == Promote(f"{number:04d}", epochs=3, rung=1, final=False)
        trials[number] = replace(trials[number], state=TrialState.RUNNING, epochs=3, rung=1)
    for number in (4, 3, 2):
        done = tuple(Epoch(i, {"loss": 1.0}, 0.1) for i in (1, 2, 3))
        trials[number] = replace(trials[number], state=TrialState.PAUSED, curve=done)
    assert driver(9).propose(trials) == Promote("0002", epochs=9, rung=2, final=True)


def test_promotable_are_those_still_among_the_best_of_their_rung():
    trials = standing([6, 5, 4, 3, 2, 1], num_running=3)
    assert driver(9).promotable(trials) == {"0003", "0004", "0005"}
    assert driver(9).promotable(trials[:2]) == {"0000", "0001"}


def test_standing_is_the_best_epoch_up_to_the_rung():
    better_later = (Epoch(1, {"loss": 9.0}, 0.1), Epoch(2, {"loss": 0.0}, 0.1))
    trials = standing([6, 5, 4, 3, 2, 1, 7, 8, 8.5])
    trials[8] = replace(trials[8], curve=better_later, score=0.0)
    assert "0008" not in driver(9).promotable(trials)


def test_direction_max_promotes_the_highest():
    trials = standing([6, 5, 4, 3, 2, 1, 7, 8, 9])
    highest = replace(driver(9), objective=replace(LOSS, direction="max"))
    assert highest.promotable(trials) == {"0006", "0007", "0008"}


def test_trial_outside_the_brackets_takes_no_place_but_is_not_repeated():
    default = Trial("0000", "mf", {"learning_rate": 1e-3, "bias": False}, 9, TrialState.COMPLETED)
    decision = driver(9).propose([default])
    assert isinstance(decision, Propose)
    assert (decision.space, decision.bracket, decision.rung) == ("neumf", 2, 0)


@pytest.mark.parametrize("space", [THIRTY, SPACE], ids=["thirty", "two families"])
def test_no_configuration_is_proposed_twice(space):
    search = run_search(driver(27, space=space), falling, workers=3)
    keys = {configuration_key(trial.space, trial.values) for trial in search.trials}
    assert len(keys) == len(search.trials) == (30 if space is THIRTY else 49)


def test_no_pseudo_hyperparameter_appears():
    search = run_search(driver(9), falling)
    assert not any("tuner" in name for trial in search.trials for name in trial.values)


def test_seed_zero_repeats_and_nearby_seeds_differ():
    searches = [run_search(driver(9, seed=seed), falling).trials for seed in (0, 0, 1)]
    keys = [[configuration_key(t.space, t.values) for t in trials] for trials in searches]
    assert keys[0] == keys[1]
    assert len(set(keys[0]) & set(keys[2])) == 2  # the defaults of two families


def test_decisions_follow_from_the_trials_alone():
    rng = np.random.default_rng(0)
    search = run_search(driver(9), falling, workers=3, fails=lambda trial: rng.random() < 0.1)
    for trials, decision in search.decisions:
        assert driver(9).propose(trials) == decision


def test_impossible_settings_are_told_together():
    with pytest.raises(ConfigError, match=r"(?s)seed must.*factor must be at least 2. Received: 1"):
        driver(9, factor=1, seed=-1)
    with pytest.raises(
        ConfigError, match=r"min_epochs must be at most max_epochs, 9. Received: 10"
    ):
        driver(9, min_epochs=10)
    with pytest.raises(ConfigError, match=r"max_trials must be at least 1. Received: 0"):
        driver(9, max_trials=0)


def test_next_configuration_is_foreseen_whatever_the_running_trials_score():
    rng = np.random.default_rng(1)
    search = run_search(driver(9), falling, workers=3, fails=lambda trial: rng.random() < 0.1)
    assert num_foreseen(driver(9), search) > 3  # over promotions and waits
    assert driver(9).foresee(search.trials) is None
