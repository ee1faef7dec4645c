"""Whether a proposal repeats a trial."""

from recsearch.study.seen_configurations import Tried, configuration_key

KNOWN = frozenset({"mlp/layers", "mlp/units_1", "mlp/rate"})


def test_values_that_the_trial_did_not_read_do_not_count() -> None:
    tried = Tried(KNOWN)
    tried.add("mlp", {"layers": 1})
    assert ("mlp", {"layers": 1, "units_1": 8}) in tried
    assert ("mlp", {"layers": 2, "units_1": 8}) not in tried
    assert ("mlp", {}) not in tried


def test_family_without_hyperparameters_is_tried_once() -> None:
    tried = Tried(frozenset())
    assert ("mean", {}) not in tried
    tried.add("mean", {})
    assert ("mean", {}) in tried


def test_trial_that_died_unread_says_nothing_of_other_values() -> None:
    tried = Tried(KNOWN)
    tried.add("mlp", {})
    assert ("mlp", {"layers": 1}) not in tried
    assert tried.holds_unread("mlp")
    assert not tried.holds_unread("mf")


def test_what_was_added_twice_must_be_removed_twice() -> None:
    tried = Tried(KNOWN)
    tried.add("mlp", {"layers": 1})
    tried.add("mlp", {"layers": 1})
    tried.remove("mlp", {"layers": 1})
    assert ("mlp", {"layers": 1}) in tried
    assert len(tried) == 1
    tried.remove("mlp", {"layers": 1})
    assert ("mlp", {"layers": 1}) not in tried
    assert len(tried) == 0


def test_floats_count_to_12_digits() -> None:
    tried = Tried(KNOWN)
    tried.add("mlp", {"rate": 0.1 + 0.2})
    assert ("mlp", {"rate": 0.3}) in tried
    assert ("mlp", {"rate": 0.30000001}) not in tried
    assert configuration_key("mlp", {"rate": 0.1 + 0.2}) == configuration_key("mlp", {"rate": 0.3})
