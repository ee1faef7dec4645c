"""Random search: defaults first, nothing twice, the whole of a small space."""

import pytest
from simulation import LOSS, num_foreseen, run_search, thirty_configurations, two_families

from recsearch.errors import ConfigError
from recsearch.study.decision import Finish, Plan, Propose, Wait
from recsearch.study.seen_configurations import configuration_key
from recsearch.study.trial import Trial, TrialState
from recsearch.tuning.drivers.random import RandomDriver

SPACE = two_families()
THIRTY = thirty_configurations()


def by_layers(family, values, epoch):
    return float(values.get("num_layers", 1))


def keys(trials):
    return [configuration_key(trial.space, trial.values) for trial in trials]


def test_defaults_of_each_family_are_the_first_trials():
    search = run_search(RandomDriver(SPACE, LOSS, 0, 5, 3), by_layers)
    assert [trial.space for trial in search.trials[:2]] == ["mf", "neumf"]
    assert search.trials[0].values == {"learning_rate": 1e-3, "bias": False}
    assert search.trials[1].values["optimizer"] == "adam"


def test_max_trials_and_max_epochs_are_kept():
    search = run_search(RandomDriver(SPACE, LOSS, 0, 7, 3), by_layers, workers=2)
    assert len(search.trials) == 7
    assert search.epochs == 7 * 3
    assert search.finish == Finish("the limit of 7 trials was reached")


@pytest.mark.parametrize("seed", range(5))
def test_space_of_thirty_is_tried_whole_and_each_configuration_once(seed):
    search = run_search(RandomDriver(THIRTY, LOSS, seed, 100, 1), by_layers, workers=2)
    assert len(search.trials) == 30
    assert len(set(keys(search.trials))) == 30
    assert search.finish == Finish("all 30 configurations have been tried")


def test_values_that_no_builder_reads_make_the_space_smaller():
    driver = RandomDriver(THIRTY, LOSS, 0, 100, 1)
    search = run_search(driver, by_layers, reads=lambda v: {"num_layers": v["num_layers"]})
    assert sorted(trial.values["num_layers"] for trial in search.trials) == [1, 2, 3, 4, 5, 6]
    assert search.finish == Finish("all 6 configurations have been tried")


def test_failed_configurations_are_not_tried_again():
    driver = RandomDriver(THIRTY, LOSS, 0, 100, 1)
    search = run_search(driver, by_layers, fails=lambda trial: int(trial.trial_id) % 3 == 0)
    assert len(set(keys(search.trials))) == len(search.trials) == 30


def test_seed_zero_is_a_seed_and_nearby_seeds_share_nothing():
    searches = [
        run_search(RandomDriver(SPACE, LOSS, seed, 12, 1), by_layers) for seed in (0, 0, 1, 2)
    ]
    sampled = [keys(search.trials[2:]) for search in searches]
    assert sampled[0] == sampled[1]
    for other in sampled[2:]:
        assert not set(sampled[0]) & set(other)
    assert not set(sampled[2]) & set(sampled[3])


def test_decisions_follow_from_the_trials_alone():
    search = run_search(RandomDriver(SPACE, LOSS, 4, 10, 1), by_layers, workers=3)
    for trials, decision in search.decisions:
        assert RandomDriver(SPACE, LOSS, 4, 10, 1).propose(trials) == decision


@pytest.mark.parametrize("state", [TrialState.WAITING, TrialState.RUNNING])
def test_driver_waits_for_what_is_not_finished(state):
    driver = RandomDriver(THIRTY, LOSS, 0, 1, 1)
    proposal = driver.propose([])
    assert isinstance(proposal, Propose)
    assert driver.propose([Trial("0000", proposal.space, proposal.values, 1, state)]) == Wait()


def test_larger_max_trials_continues_the_same_search():
    short = run_search(RandomDriver(SPACE, LOSS, 0, 5, 1), by_layers)
    long = run_search(RandomDriver(SPACE, LOSS, 0, 9, 1), by_layers)
    assert keys(long.trials[:5]) == keys(short.trials)


def test_plan_of_a_large_and_of_a_small_space():
    plan = RandomDriver(SPACE, LOSS, 0, 40, 5).plan()
    assert plan == Plan(40, 200, ("40 configurations x 5 epochs",))
    plan = RandomDriver(THIRTY, LOSS, 0, 40, 5).plan()
    assert plan == Plan(30, 150, ("30 configurations x 5 epochs",))


def test_nothing_is_promotable():
    assert RandomDriver(SPACE, LOSS, 0, 5, 3).promotable([]) == frozenset()


def test_impossible_settings_are_told_together():
    with pytest.raises(ConfigError, match=r"(?s)seed must.*-1.*max_trials must.*0.*max_epochs"):
        RandomDriver(SPACE, LOSS, -1, 0, 0)


def test_next_configuration_is_foreseen():
    driver = RandomDriver(SPACE, LOSS, 0, 8, 1)
    search = run_search(driver, lambda family, values, epoch: 1.0, workers=3)
    num_foreseen(driver, search)
    foreseen = [driver.foresee(trials) is not None for trials, _ in search.decisions]
    assert foreseen == [len(trials) < 8 for trials, _ in search.decisions]
