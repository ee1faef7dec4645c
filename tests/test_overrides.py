import keras_tuner
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras_tuner.engine import hyperparameters as kt

from recsearch.errors import SpaceError
from recsearch.tuning.space.overrides import Override

DIM = kt.Int("mf/dim", 8, 128, step=2, sampling="log", default=32)
RATE = kt.Float("mf/rate", 1e-4, 1e-1, sampling="log", default=1e-2)
DROPOUT = kt.Float("mf/dropout", 0.0, 0.5, step=0.1, default=0.1)
BATCH = kt.Choice("mf/batch", [256, 512, 1024], default=512)
LOSS = kt.Choice("mf/loss", ["bce", "bpr"])
PRETRAIN = kt.Boolean("mf/pretrain")
SWITCH = kt.Choice("mf/switch", [True, False])  # Keras Tuner keeps 1 and 0
TITLE = kt.Choice("mf/title", ["a,b", "c", "x=1:2", '"q"'])


def applied(hyperparameter, text: str):
    return Override("x", text).apply(hyperparameter)


@pytest.mark.parametrize(
    ("hyperparameter", "text", "expected"),
    [
        (DIM, "64", [64]),
        (DIM, "16, 64", [16, 64]),
        (DIM, "-3", [-3]),
        (RATE, "1e-3", [0.001]),
        (RATE, "1", [1.0]),
        (BATCH, "4096", [4096]),
        (LOSS, "bpr", ["bpr"]),
        (LOSS, "bpr,bce", ["bpr", "bce"]),
        (PRETRAIN, "true", [True]),
        (PRETRAIN, "False", [False]),
        (PRETRAIN, "true,false", [True, False]),
        (PRETRAIN, "1", [True]),
        (PRETRAIN, "0", [False]),
        (SWITCH, "true", [1]),
        (SWITCH, "False", [0]),
        (SWITCH, "1", [1]),
        (SWITCH, "false,true", [0, 1]),
        (TITLE, "a,b", ["a,b"]),
        (TITLE, '"a,b",c', ["a,b", "c"]),
        (TITLE, 'c, "a,b"', ["c", "a,b"]),
        (TITLE, "x=1:2", ["x=1:2"]),
        (TITLE, '"q"', ['"q"']),
        (TITLE, '"""q"""', ['"q"']),
        (kt.Float("mf/y", -1.0, 1.0), "-0.5,-1e-3", [-0.5, -0.001]),
        (kt.Fixed("mf/fixed", 5), "7", [7]),
        (kt.Float("mf/x", 0.0, 1.0, default=0), "0.25", [0.25]),
    ],
)
def test_values_become_choices(hyperparameter, text: str, expected: list) -> None:
    made = applied(hyperparameter, text)
    assert made.name == hyperparameter.name
    assert list(made.values) == expected
    assert [type(value) for value in made.values] == [type(value) for value in expected]
    assert made.default in expected


def test_default_is_kept_where_it_is_among_the_choices() -> None:
    assert applied(DIM, "16,32").default == 32
    assert applied(DIM, "64,16").default == 64


@pytest.mark.parametrize(
    ("hyperparameter", "text", "low", "high", "sampling", "step", "default"),
    [
        (DIM, "16:64", 16, 64, "log", 2, 32),
        (DIM, "64:256", 64, 256, "log", 2, 64),
        (RATE, "1e-3:1", 1e-3, 1.0, "log", None, 1e-2),
        (kt.Float("mf/y", -1.0, 1.0), "-0.5:-0.25", -0.5, -0.25, "linear", None, -0.5),
        (DROPOUT, "0.2:0.4", 0.2, 0.4, "linear", 0.1, 0.2),
        (BATCH, "100:2000", 100, 2000, "log", None, 512),
        (kt.Choice("mf/c", [0.0, 0.5]), "0:1", 0.0, 1.0, "linear", None, 0.0),
    ],
)
def test_ranges_keep_the_sampling(hyperparameter, text, low, high, sampling, step, default) -> None:
    made = applied(hyperparameter, text)
    assert type(made) is (kt.Int if isinstance(low, int) else kt.Float)
    assert (made.min_value, made.max_value, made.default) == (low, high, default)
    assert (made.sampling, made.get_config()["step"]) == (sampling, step)


def test_conditions_are_kept() -> None:
    hp = keras_tuner.HyperParameters()
    hp.Choice("space", ["mf"])
    with hp.conditional_scope("space", ["mf"]):
        hp.Int("units", 1, 9)
    original = hp.space[1]
    assert [condition.name for condition in original.conditions] == ["space"]
    for text in ("3", "2:4"):
        assert applied(original, text).conditions == original.conditions


@given(low=st.integers(1, 50), width=st.integers(1, 100), seed=st.integers(0, 2**31 - 1))
def test_samples_of_a_range_lie_in_it(low: int, width: int, seed: int) -> None:
    for hyperparameter in (kt.Int("mf/n", 1, 10), BATCH):
        made = applied(hyperparameter, f"{low}:{low + width}")
        assert low <= made.random_sample(seed) <= low + width
    low_rate, high_rate = low / 1000, (low + width) / 1000
    sampled = applied(RATE, f"{low_rate}:{high_rate}").random_sample(seed)
    assert low_rate * (1 - 1e-9) <= sampled <= high_rate * (1 + 1e-9)


@pytest.mark.parametrize(
    ("hyperparameter", "text", "message"),
    [
        (DIM, "1.5", r"--set x=1\.5: expected a whole number, received '1\.5'"),
        (DIM, "many", "expected a whole number, received 'many'"),
        (DIM, "1,,2", "expected a whole number, received ''"),
        (DIM, "1:2,5", "expected a whole number, received '2,5'"),
        (DIM, "64:16", "low end must lie below the high end"),
        (DIM, "16:16", "low end must lie below the high end"),
        (DIM, "0:16", "does not support negative values, found min_value: 0"),
        (RATE, "fast", "expected a number, received 'fast'"),
        (RATE, "nan", "expected a number, received 'nan'"),
        (RATE, "0.1:inf", "expected a number, received 'inf'"),
        (RATE, "1:2:3", "expected a number, received '2:3'"),
        (LOSS, "mse", "expected one of bce, bpr, received 'mse'"),
        (LOSS, "bce:bpr", "expected one of bce, bpr, received 'bce:bpr'"),
        (PRETRAIN, "2", "expected true or false, received '2'"),
        (SWITCH, "on", "expected true or false, received 'on'"),
        (TITLE, '"a,b', r"--set x=\"a,b: a double quote is not closed in '\"a,b'"),
        (TITLE, "c,a,b", "expected one of a,b, c, x=1:2, .*received 'a'"),
        (PRETRAIN, "false:true", "expected true or false, received 'false:true'"),
    ],
)
def test_values_that_do_not_fit_are_refused(hyperparameter, text: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        applied(hyperparameter, text)


@pytest.mark.parametrize("argument", ["dim", "=64", "dim=", " = 1", ""])
def test_parse_refuses_another_form(argument: str) -> None:
    with pytest.raises(SpaceError, match=r"--set takes NAME=VALUE.*Received: "):
        Override.parse(argument)


def test_parse_keeps_what_stands_after_the_first_equals_sign() -> None:
    assert Override.parse(" dim = 64 ") == Override("dim", "64")
    assert Override.parse("mf/loss=a=b") == Override("mf/loss", "a=b")


def test_bare_name_acts_on_every_family_and_a_full_one_on_its_own() -> None:
    bare, full = Override("dim", "1"), Override("mf/dim", "1")
    assert [bare.matches(name) for name in ("mf/dim", "ncf/dim", "mf/dimension", "space")] == [
        True, True, False, False,
    ]  # fmt: skip
    assert [full.matches(name) for name in ("mf/dim", "ncf/dim")] == [True, False]
