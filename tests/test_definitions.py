"""Ranges that depend on another hyperparameter."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import keras_tuner
import numpy as np
import pytest
from prepared import prepared
from simulation import LOSS, run_search
from test_space import linear_model, space_of

from recsearch.data.task import Task
from recsearch.errors import SpaceError
from recsearch.tuning.drivers.bayesian import BayesianDriver
from recsearch.tuning.drivers.encoding import encode, neighbour
from recsearch.tuning.drivers.hyperband import HyperbandDriver
from recsearch.tuning.drivers.random import RandomDriver
from recsearch.tuning.space.sampling import allows, defaults, enumerate_configurations, sample

SPEC = prepared(Task.RATING).spec


def by_optimizer(hp, data):
    hp.Int("deep", 1, 3)
    optimizer = hp.Choice("optimizer", ["adam", "sgd", "rmsprop"])
    low, high = (0.1, 1.0) if optimizer == "sgd" else (1e-4, 1e-2)
    hp.Float("rate", low, high, sampling="log")
    return linear_model()


def by_scope(hp, data):
    hp.Choice("optimizer", ["adam", "sgd", "rmsprop"])
    with hp.conditional_scope("optimizer", ["adam", "rmsprop"]):
        hp.Float("rate", 1e-4, 1e-2, sampling="log")
    with hp.conditional_scope("optimizer", ["sgd"]):
        hp.Float("rate", 0.1, 1.0, sampling="log")
    return linear_model()


def by_truth(hp, data):
    wide = hp.Boolean("wide")
    if wide:
        hp.Int("units", 64, 256, step=64)
    else:
        hp.Choice("units", [1, 2, 3])
    hp.Choice("other", ["a", "b"])
    return linear_model()


def by_number(hp, data):
    layers = hp.Int("layers", 1, 3)
    hp.Int("units", layers, 10 * layers)
    return linear_model()


def by_default(hp, data):
    kind = hp.Choice("kind", ["a", "b"])
    hp.Float("rate", 0.0, 1.0, default=0.1 if kind == "a" else 0.2)
    return linear_model()


def by_sampling(hp, data):
    kind = hp.Choice("kind", ["a", "b"])
    hp.Float("rate", 0.01, 1.0, sampling="log" if kind == "a" else "linear")
    return linear_model()


def by_step(hp, data):
    kind = hp.Choice("kind", ["a", "b"])
    hp.Int("units", 2, 8, step=2 if kind == "a" else 3)
    return linear_model()


def nested(hp, data):
    if hp.Boolean("deep"):
        with hp.conditional_scope("deep", [True]):
            kind = hp.Choice("kind", ["a", "b"])
            hp.Int("units", 1 if kind == "a" else 50, 9 if kind == "a" else 60)
    return linear_model()


def rate_allowed(values: dict) -> bool:
    low, high = (0.1, 1.0) if values["optimizer"] == "sgd" else (1e-4, 1e-2)
    return low * 0.999999 <= values["rate"] <= high * 1.000001


def units_allowed(values: dict) -> bool:
    return values["units"] in ([64, 128, 192, 256] if values["wide"] else [1, 2, 3])


@cache
def discovered(builder: Callable[..., Any]) -> keras_tuner.HyperParameters:
    return space_of(builder).discover(SPEC)


def definitions(builder: Callable[..., Any], name: str) -> list[tuple[Any, list]]:
    """Returns each definition of a name, and the condition that separates it."""
    found = [hp for hp in discovered(builder).space if hp.name.endswith(f"/{name}")]
    return [(hp, list(hp.conditions[-1].values)) for hp in found]


def test_ranges_stand_under_the_values_that_decide() -> None:
    (small, adaptive), (large, plain) = definitions(by_optimizer, "rate")
    assert (small.min_value, small.max_value, adaptive) == (1e-4, 1e-2, ["adam", "rmsprop"])
    assert (large.min_value, large.max_value, plain) == (0.1, 1.0, ["sgd"])


def test_definitions_may_differ_in_anything() -> None:
    kinds = {values[0]: type(hp).__name__ for hp, values in definitions(by_truth, "units")}
    assert kinds == {False: "Choice", True: "Int"}
    spans = {v[0]: (hp.min_value, hp.max_value) for hp, v in definitions(by_number, "units")}
    assert spans == {1: (1, 10), 2: (2, 20), 3: (3, 30)}
    assert {v[0]: hp.default for hp, v in definitions(by_default, "rate")} == {"a": 0.1, "b": 0.2}
    sampled = {v[0]: hp.sampling for hp, v in definitions(by_sampling, "rate")}
    assert sampled == {"a": "log", "b": "linear"}
    assert {v[0]: hp.step for hp, v in definitions(by_step, "units")} == {"a": 2, "b": 3}
    lows = {v[0]: hp.min_value for hp, v in definitions(nested, "units")}
    assert lows == {"a": 1, "b": 50}


@pytest.mark.parametrize("builder", [by_optimizer, by_scope])
def test_samples_and_neighbours_lie_in_their_own_range(builder, rng) -> None:
    space = discovered(builder)
    drawn = [sample(space, rng) for _ in range(200)]
    near = [neighbour(space, each, rng) for each in drawn]
    assert {values["optimizer"] for _, values in drawn} == {"adam", "sgd", "rmsprop"}
    for _, values in [*drawn, *near, *defaults(space)]:
        assert rate_allowed(values), values


def test_listed_configurations_lie_in_their_own_range() -> None:
    listed = enumerate_configurations(discovered(by_truth), 100)
    assert listed is not None
    assert len(listed) == 2 * (4 + 3)
    assert all(units_allowed(values) for _, values in listed)


def proposals(driver: Any) -> list[dict]:
    """Returns the values of what a driver tries; its scores draw it to the ends of the ranges."""

    def score(family: str, values: Mapping[str, Any], epoch: int) -> float:
        return -float(values.get("rate", values.get("units", 0))) / epoch

    return [dict(trial.values) for trial in run_search(driver, score).trials]


@pytest.mark.parametrize("builder", [by_optimizer, by_scope, by_truth])
@pytest.mark.parametrize(
    "driver",
    [
        lambda space: RandomDriver(space, LOSS, 0, 14, 1),
        lambda space: HyperbandDriver(space, LOSS, 0, 9),
        lambda space: BayesianDriver(space, LOSS, 0, 14, 1),
    ],
    ids=["random", "hyperband", "bayesian"],
)
def test_drivers_propose_values_of_the_active_range(builder, driver) -> None:
    allowed = units_allowed if builder is by_truth else rate_allowed
    values = proposals(driver(discovered(builder)))
    assert len(values) >= 10
    assert all(map(allowed, values)), [v for v in values if not allowed(v)]


def test_encoding_keeps_a_column_for_each_range(rng) -> None:
    space = discovered(by_optimizer)
    drawn = [sample(space, rng) for _ in range(50)]
    points = encode(space, drawn)
    assert points.shape == (50, 1 + 3 + 2)
    plain = np.array([values["optimizer"] == "sgd" for _, values in drawn])
    assert (points[plain, -2] == 0.5).all()
    assert (points[~plain, -1] == 0.5).all()
    assert np.ptp(points[plain, -1]) > 0.5


def test_range_of_two_parents_is_refused_with_the_values() -> None:
    def both(hp, data):
        first, second = hp.Boolean("first"), hp.Boolean("second")
        hp.Int("units", 1, 9 if first and second else 5)
        return linear_model()

    message = (
        r"units has different ranges: .*max_value: 5.* at (first|second)=False.*max_value: 9.* at "
        r"(first|second)=True.*Use two names, .*conditional_scope\(\"(first|second)\""
    )
    with pytest.raises(SpaceError, match=message):
        discovered(both)


def test_range_that_follows_a_number_is_refused() -> None:
    def follows(hp, data):
        low = hp.Float("low", 0.0, 1.0)
        hp.Float("high", low, 2.0)
        return linear_model()

    with pytest.raises(SpaceError, match=r"high has different ranges: .* at low=0\.0.* at low=1"):
        discovered(follows)


def test_override_makes_the_ranges_one() -> None:
    space = space_of(by_optimizer, overrides=("rate=0.05",)).discover(SPEC)
    (rate,) = [hp for hp in space.space if hp.name.endswith("rate")]
    assert list(rate.values) == [0.05]


def test_builder_never_gets_a_value_of_another_branch_in_discovery() -> None:
    seen = []

    def noting(hp, data):
        wide = hp.Boolean("wide")
        units = hp.Int("units", 100, 200) if wide else hp.Int("units", 1, 2)
        seen.append((wide, units))
        return linear_model()

    discovered(noting)
    assert {wide for wide, _ in seen} == {True, False}
    assert all((units >= 100) == wide for wide, units in seen)


def test_allows_knows_ranges_choices_and_defaults() -> None:
    hp = keras_tuner.HyperParameters()
    hp.Float("a", 0.1, 1.0, default=5.0)
    hp.Choice("b", ["x", "y"])
    number, choice = hp.space
    given = [0.1, 1.0, 5.0, 0.05, 1.1, "x"]
    assert [allows(number, v) for v in given] == [True, True, True, False, False, False]
    assert [allows(choice, v) for v in ("x", "z")] == [True, False]
