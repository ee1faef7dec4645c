"""Configurations of a search space: sampled, listed, counted, compared."""

from collections import Counter
from dataclasses import replace

import keras_tuner
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation import layered_space, thirty_configurations, two_families

from recsearch.errors import SpaceError
from recsearch.study.seen_configurations import Tried, configuration_key
from recsearch.study.trial import Trial, TrialState
from recsearch.tuning.space.sampling import (
    as_hyperparameters,
    count_configurations,
    defaults,
    enumerate_configurations,
    fresh_sample,
    next_configuration,
    sample,
    tried_configurations,
    untried_default,
)

SPACE = two_families()
LAYERS = layered_space()


def one_range(add) -> keras_tuner.HyperParameters:
    hp = keras_tuner.HyperParameters()
    hp.Choice("space", ["a"])
    with hp.conditional_scope("space", ["a"]):
        add(hp)
    return hp


def values_of(space: keras_tuner.HyperParameters) -> list:
    return [values["x"] for _, values in enumerate_configurations(space, 1000)]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32))
def test_sample_holds_exactly_the_active_values_within_their_ranges(seed):
    family, values = sample(SPACE, np.random.default_rng(seed))
    if family == "mf":
        assert set(values) == {"learning_rate", "bias"}
        assert 1e-4 <= values["learning_rate"] <= 1e-1
        assert isinstance(values["bias"], bool)
    else:
        has_momentum = values["optimizer"] in ("sgd", "rmsprop")
        names = {"optimizer", "embedding_dim", "batch_size"}
        assert set(values) == (names | {"momentum"} if has_momentum else names)
        assert values["batch_size"] == 256
        if has_momentum:
            low = {"sgd": 0.0, "rmsprop": 0.5}[values["optimizer"]]
            assert low <= values["momentum"] <= low + 0.5


def test_sample_chooses_families_alike_however_many_configurations_they_have():
    rng = np.random.default_rng(0)
    families = Counter(sample(SPACE, rng)[0] for _ in range(600))
    assert 240 < families["mf"] < 360  # 300 expected, deviation sqrt(600 / 4) = 12.2


def test_sample_repeats_with_an_equal_generator_and_leaves_the_space_alone():
    before = SPACE.get_config()
    assert sample(SPACE, np.random.default_rng(3)) == sample(SPACE, np.random.default_rng(3))
    assert SPACE.get_config() == before


def test_defaults_of_each_family_follow_the_conditions():
    assert defaults(SPACE) == [
        ("mf", {"learning_rate": 1e-3, "bias": False}),
        ("neumf", {"optimizer": "adam", "embedding_dim": 4, "batch_size": 256}),
    ]


def test_configuration_key_ignores_rounding_but_not_values():
    assert configuration_key("mf", {"x": 0.1 + 0.2}) == configuration_key("mf", {"x": 0.3})
    assert configuration_key("mf", {"x": 0.3}) != configuration_key("mf", {"x": 0.3000001})
    assert configuration_key("mf", {"x": 0.3}) != configuration_key("neumf", {"x": 0.3})
    assert configuration_key("mf", {"x": 1, "y": 2}) == configuration_key("mf", {"y": 2, "x": 1})


def test_count_follows_conditions():
    assert count_configurations(LAYERS, 100) == 2 + 2 * 2 + 2 * 2 * 2
    assert count_configurations(thirty_configurations(), 30) == 30


def test_count_beyond_the_limit_or_of_a_continuous_range_is_none():
    assert count_configurations(thirty_configurations(), 29) is None
    assert count_configurations(SPACE, 10**6) is None


def test_count_of_a_family_without_hyperparameters_is_one():
    hp = keras_tuner.HyperParameters()
    hp.Choice("space", ["popular"])
    assert enumerate_configurations(hp, 5) == [("popular", {})]


@pytest.mark.parametrize(
    ("add", "expected"),
    [
        (lambda hp: hp.Int("a/x", 1, 40, sampling="log"), list(range(1, 41))),
        (lambda hp: hp.Int("a/x", 2, 32, step=2, sampling="log"), [2, 4, 8, 16, 32]),
        (lambda hp: hp.Int("a/x", 6, 13, step=3), [6, 9, 12]),
        (lambda hp: hp.Float("a/x", 0.0, 1.0, step=0.5), [0.0, 0.5, 1.0]),
        (lambda hp: hp.Float("a/x", 0.5, 0.5), [0.5]),
        (lambda hp: hp.Boolean("a/x"), [True, False]),
        (lambda hp: hp.Choice("a/x", ["u", "v", "u"]), ["u", "v"]),
        (lambda hp: hp.Fixed("a/x", 7), [7]),
    ],
)
def test_enumerated_values_are_those_that_can_be_sampled(add, expected):
    space = one_range(add)
    assert values_of(space) == expected
    assert [type(value) for value in values_of(space)] == [type(value) for value in expected]
    rng = np.random.default_rng(0)
    sampled = {sample(space, rng)[1]["x"] for _ in range(1000)}
    assert sampled == set(expected)


def test_enumeration_lists_what_sampling_finds():
    listed = {configuration_key(*entry) for entry in enumerate_configurations(LAYERS, 100)}
    rng = np.random.default_rng(0)
    assert {configuration_key(*sample(LAYERS, rng)) for _ in range(500)} == listed
    assert len(listed) == 14


def test_proposal_that_contains_the_values_of_a_trial_is_tried():
    trial = Trial("0000", "mlp", {"num_layers": 1, "units_0": 8}, 5, TrialState.COMPLETED)
    tried = tried_configurations(LAYERS, [trial])
    proposed = {"num_layers": 1, "units_0": 8, "units_1": 16}
    assert ("mlp", proposed) in tried
    assert ("mlp", {**proposed, "units_0": 16}) not in tried
    assert ("gru", proposed) not in tried


def test_names_that_the_space_does_not_know_do_not_hide_a_tried_configuration():
    values = {"num_layers": 1, "units_0": 8}
    trial = Trial("0000", "mlp", {**values, "units_7": 4}, 5, TrialState.COMPLETED)
    assert ("mlp", values) in tried_configurations(LAYERS, [trial])


def test_trial_that_died_without_values_rules_out_its_familys_default_alone():
    died = Trial("0000", "mlp", {}, 5, TrialState.FAILED)
    tried = tried_configurations(LAYERS, [died])
    assert untried_default(LAYERS, tried) is None
    assert fresh_sample(LAYERS, np.random.default_rng(0), tried) is not None


def test_fresh_sample_finds_each_configuration_once_then_none():
    rng = np.random.default_rng(0)
    tried = tried_configurations(LAYERS, [])
    for _ in range(14):
        configuration = fresh_sample(LAYERS, rng, tried)
        assert configuration not in tried
        tried.add(*configuration)
    assert fresh_sample(LAYERS, rng, tried) is None


def test_fresh_sample_chooses_alike_among_the_few_that_draws_do_not_find():
    space = one_range(lambda hp: hp.Int("a/x", 1, 9000))
    left = {17, 4000, 8999}
    tried = Tried(frozenset({"a/x"}))
    for x in set(range(1, 9001)) - left:
        tried.add("a", {"x": x})
    chosen = {fresh_sample(space, np.random.default_rng(s), tried)[1]["x"] for s in range(12)}
    assert chosen == left  # a value is missed by 12 choices once in 3 * (2/3)**12 = 43


def test_fresh_sample_of_a_continuous_range_that_nobody_reads_is_exhausted():
    space = one_range(lambda hp: (hp.Boolean("a/bias"), hp.Float("a/x", 0.0, 1.0)))
    tried = tried_configurations(space, [])
    for bias in (True, False):
        tried.add("a", {"bias": bias})
    assert fresh_sample(space, np.random.default_rng(0), tried) is None


def test_next_configuration_follows_from_seed_and_trials():
    trials = [
        Trial(f"{i:04d}", family, values, 5) for i, (family, values) in enumerate(defaults(SPACE))
    ]
    assert next_configuration(SPACE, 0, trials[:1]) == defaults(SPACE)[1]
    assert next_configuration(SPACE, 0, trials) == next_configuration(SPACE, 0, trials)
    drawn = [configuration_key(*next_configuration(SPACE, seed, trials)) for seed in range(50)]
    assert len(set(drawn)) == 50


def test_as_hyperparameters_is_what_a_builder_reads():
    before = SPACE.get_config()
    hp = as_hyperparameters(SPACE, "neumf", {"optimizer": "sgd", "momentum": 0.25})
    assert hp.get("space") == "neumf"
    with hp.name_scope("neumf"):
        assert hp.Choice("optimizer", ["sgd", "rmsprop", "adam"]) == "sgd"
    assert hp.get("neumf/momentum") == 0.25
    assert hp.get("neumf/embedding_dim") == 4  # not given: the default
    assert "mf/bias" not in hp.values
    assert SPACE.get_config() == before
    hp.values["neumf/momentum"] = 0.5
    assert SPACE.get_config() == before


def test_as_hyperparameters_keeps_values_that_discovery_did_not_see():
    hp = as_hyperparameters(LAYERS, "mlp", {"num_layers": 2, "units_9": 4})
    assert hp.values["mlp/units_9"] == 4
    assert hp.Int("mlp/units_9", 1, 8) == 4


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_as_hyperparameters_holds_exactly_a_sampled_configuration(seed):
    family, values = sample(SPACE, np.random.default_rng(seed))
    hp = as_hyperparameters(SPACE, family, values)
    expected = {"space": family} | {f"{family}/{name}": value for name, value in values.items()}
    assert hp.values == expected


def test_unknown_family_is_refused_with_those_that_exist():
    with pytest.raises(SpaceError, match=r"one of \['mf', 'neumf'\]. Received: 'mlp'"):
        as_hyperparameters(SPACE, "mlp", {})


def test_space_without_root_choice_is_refused():
    hp = keras_tuner.HyperParameters()
    hp.Int("num_layers", 1, 3)
    with pytest.raises(SpaceError, match=r"root choice named 'space'.*\['num_layers'\]"):
        sample(hp, np.random.default_rng(0))


def test_failed_trial_counts_as_tried():
    family, values = enumerate_configurations(LAYERS, 100)[0]
    trial = Trial("0000", family, values, 5)
    for state in TrialState:
        tried = tried_configurations(LAYERS, [replace(trial, state=state)])
        assert (family, values) in tried
