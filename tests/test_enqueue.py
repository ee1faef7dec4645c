import json
from pathlib import Path

import keras_tuner
import pytest
from simulation import thirty_configurations, two_families

from recsearch.errors import SpaceError
from recsearch.tuning.space.enqueue import parse_configuration


def test_text_gives_typed_values_and_the_rest_are_defaults() -> None:
    text = "space=neumf, optimizer=sgd, momentum=0.25, embedding_dim=64"
    assert parse_configuration(text, two_families()) == (
        "neumf",
        {"optimizer": "sgd", "momentum": 0.25, "embedding_dim": 64, "batch_size": 256},
    )


def test_family_need_not_be_named_if_there_is_one() -> None:
    family, values = parse_configuration("num_layers=3", thirty_configurations())
    assert (family, values) == ("mf", {"optimizer": "sgd", "num_layers": 3})


def test_truth_values_are_read_as_such() -> None:
    values = parse_configuration("space=mf,bias=True", two_families())[1]
    assert values["bias"] is True
    assert parse_configuration("space=mf,bias=false", two_families())[1]["bias"] is False


@pytest.mark.parametrize(
    "content",
    [
        {"space": "mf", "hyperparameters": {"learning_rate": 0.002, "bias": True}},
        {"space": "mf", "learning_rate": 0.002, "bias": True},
    ],
)
def test_file_may_be_that_of_an_earlier_run_or_flat(tmp_path: Path, content: dict) -> None:
    path = tmp_path / "hyperparameters.json"
    path.write_text(json.dumps(content))
    assert parse_configuration(str(path), two_families()) == (
        "mf",
        {"learning_rate": 0.002, "bias": True},
    )


@pytest.mark.parametrize("text", ["num_layers", "num_layers=", "=3", "num_layers=3,", ""])
def test_text_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(SpaceError, match=r"--enqueue takes NAME=VALUE,NAME=VALUE,\.\.\. or a \.j"):
        parse_configuration(text, thirty_configurations())


def test_family_that_is_missing_or_unknown_is_refused() -> None:
    with pytest.raises(SpaceError, match=r"expected space=NAME with one of mf, neumf, received ''"):
        parse_configuration("embedding_dim=8", two_families())
    with pytest.raises(SpaceError, match=r"one of mf, neumf, received 'wide'"):
        parse_configuration("space=wide", two_families())


def test_unknown_name_is_refused_with_close_ones_or_all() -> None:
    space = thirty_configurations()
    with pytest.raises(SpaceError, match=r"'num_layer'\. Did you mean num_layers\?"):
        parse_configuration("num_layer=3", space)
    with pytest.raises(SpaceError, match=r"mf has no .* 'xyz'\. There are: num_layers, optimizer"):
        parse_configuration("xyz=3", space)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("num_layers=x", "expected a whole number, received 'x'"),
        ("num_layers=2.5", "expected a whole number, received '2.5'"),
        ("optimizer=sgdd", "expected one of sgd, adam, adagrad, ftrl, lion"),
        ("num_layers=1:3", r"num_layers takes one value\. Received: '1:3'"),
    ],
)
def test_value_that_does_not_fit_is_refused(text: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        parse_configuration(text, thirty_configurations())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "Expecting property name"),
        (b"[1, 2]", r"expected a JSON object, received \[1, 2\]"),
        (b'{"hyperparameters": 3}', "expected a JSON object, received 3"),
        (b'"\xe9"', "utf-8"),
        (b'{"num_layers": [1, 2]}', "expected a whole number"),
        (b'{"num_layers": null}', "expected a whole number, received 'None'"),
    ],
)
def test_broken_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(content)
    with pytest.raises(SpaceError, match=message):
        parse_configuration(str(path), thirty_configurations())


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"--enqueue .*none\.json: .*No such file"):
        parse_configuration(str(tmp_path / "none.json"), thirty_configurations())


def two_ranges_of_one_name() -> keras_tuner.HyperParameters:
    hp = keras_tuner.HyperParameters()
    hp.Choice("space", ["mf"])
    with hp.conditional_scope("space", ["mf"]), hp.name_scope("mf"):
        hp.Choice("kind", ["flat", "deep"])
        with hp.conditional_scope("kind", ["flat"]):
            hp.Choice("loss", ["mse", "a,b"])
        with hp.conditional_scope("kind", ["deep"]):
            hp.Int("loss", 1, 9)
    return hp


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kind=deep,loss=7", {"kind": "deep", "loss": 7}),
        ("loss=7,kind=deep", {"kind": "deep", "loss": 7}),
        ("loss=mse", {"kind": "flat", "loss": "mse"}),
        ('kind=flat,loss="a,b"', {"kind": "flat", "loss": "a,b"}),
        ("kind=deep", {"kind": "deep", "loss": 1}),
    ],
)
def test_value_has_the_type_of_the_active_hyperparameter(text: str, expected: dict) -> None:
    assert parse_configuration(text, two_ranges_of_one_name()) == ("mf", expected)


def test_value_of_another_branch_is_refused() -> None:
    with pytest.raises(SpaceError, match="expected a whole number, received 'mse'"):
        parse_configuration("kind=deep,loss=mse", two_ranges_of_one_name())
    with pytest.raises(SpaceError, match="a double quote is not closed"):
        parse_configuration('loss="a,b', two_ranges_of_one_name())
