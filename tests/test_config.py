import sys
from dataclasses import fields
from pathlib import Path

import pytest

from recsearch.config.descriptions import DATA, MACHINE, SEARCH, SETTINGS
from recsearch.config.run_config import DEFAULT_SPACES, RunConfig, make_config, read_toml
from recsearch.errors import ConfigError, UsageError


def test_config_without_settings_is_the_default() -> None:
    config = make_config()
    assert config == RunConfig()
    assert config.spaces == DEFAULT_SPACES == ("matrix_factorization", "neural_cf")
    assert (config.tuner, config.max_epochs, config.workers, config.seed) == ("hyperband", 9, 1, 0)


def test_config_takes_the_default_then_the_file_then_the_flag(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('tuner = "random"\nmax-epochs = 4\nmax_trials = 7\nset = ["dim=8"]\n')
    flags = {"max_epochs": 2, "max_trials": None, "seed": None}
    config = make_config(read_toml(path), flags)
    assert config.seed == 0  # the default
    assert (config.tuner, config.max_trials, config.set) == ("random", 7, ("dim=8",))  # the file
    assert config.max_epochs == 2  # the flag


def test_config_survives_the_way_through_json() -> None:
    config = make_config({"spaces": ["neumf"], "data": "d.csv", "minutes": 2, "enqueue": ["a=1"]})
    stored = config.to_json()
    assert stored["out"] is None
    stored["spaces"] = list(stored["spaces"])  # as JSON has it
    assert make_config(stored) == config
    assert make_config(stored, {"max_trials": 3}).max_trials == 3


def test_tensorboard_is_yes_or_no_and_a_flag_that_was_not_given_leaves_the_file() -> None:
    assert make_config().tensorboard is False
    assert make_config({"tensorboard": True}, {"tensorboard": None}).tensorboard is True
    for wrong in (1, "yes"):
        with pytest.raises(ConfigError, match=r"tensorboard=.*: expected true or false"):
            make_config({"tensorboard": wrong})
    with pytest.raises(ConfigError, match="workers=True: expected a whole number"):
        make_config({"workers": True})


def test_config_turns_lists_into_tuples() -> None:
    assert make_config({"spaces": ["a", "b"], "set": ["x=1"]}).spaces == ("a", "b")


def test_whole_number_is_good_for_a_fraction_and_not_the_other_way() -> None:
    assert make_config({"data": "d", "positive_from": 4}).positive_from == 4
    with pytest.raises(ConfigError, match=r"seed=1\.5: expected a whole number\."):
        make_config({"seed": 1.5})


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("max_trials", True, "a whole number"),
        ("max_trials", "5", "a whole number"),
        ("minutes", "1", "a number"),
        ("data", 3, "text"),
        ("tuner", 3, "text"),
        ("set", 8, "text or a list of texts"),
        ("spaces", [1], "text or a list of texts"),
    ],
)
def test_value_of_the_wrong_type_is_refused(name: str, value: object, kind: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name}=.*: expected {kind}\."):
        make_config({name: value})


def test_every_setting_is_described_once() -> None:
    described, declared = set(SETTINGS), {field.name for field in fields(RunConfig)}
    assert described == declared == {"spaces", *DATA, *SEARCH, *MACHINE}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task": "ranking"}, r"--task must be one of rating, implicit, click\. .*'ranking'"),
        ({"split": "half"}, r"--split must be one of random, .*, cold-items\. .*'half'"),
        ({"tuner": "grid"}, r"--tuner must be one of random, hyperband, bayesian\. .*'grid'"),
        ({"engine": "dask"}, r"--engine must be one of local, ray, inline\. Received: 'dask'"),
        ({"address": "auto"}, r"--address needs --engine ray"),
        ({"cpus_per_trial": 2}, r"--cpus-per-trial needs --engine ray"),
        ({"engine": "inline", "gpus_per_trial": 0.5}, r"--gpus-per-trial needs --engine ray"),
        (
            {"engine": "ray", "cpus_per_trial": 0},
            r"--cpus-per-trial must be above 0\. Received: 0",
        ),
        ({"engine": "ray", "cpus_per_trial": float("inf")}, r"--cpus-per-trial .*Received: inf"),
        ({"engine": "ray", "gpus_per_trial": -1}, r"--gpus-per-trial must be 0, a fr.*: -1"),
        ({"engine": "ray", "gpus_per_trial": 1.5}, r"--gpus-per-trial must be 0, a fr.*: 1\.5"),
        ({"engine": "inline", "trial_minutes": 1}, r"--trial-minutes needs --engine local or ray"),
        ({"spaces": []}, "at least one search space"),
        ({"max_trials": 0}, r"--max-trials must be at least 1\. Received: 0"),
        ({"max_epochs": 0}, r"--max-epochs must be at least 1\. Received: 0"),
        ({"min_epochs": 0}, r"--min-epochs must be at least 1\. Received: 0"),
        ({"min_epochs": 5, "max_epochs": 4}, r"--min-epochs must be at most --max-epochs, 4\."),
        ({"max_parameters": 0}, r"--max-parameters must be at least 1\. Received: 0"),
        ({"trial_minutes": 0}, r"--trial-minutes must be above 0\. Received: 0"),
        ({"minutes": float("nan")}, r"--minutes must be above 0\. Received: nan"),
        ({"workers": -1}, r"--workers must be at least 1\. Received: -1"),
        ({"minutes": 0}, r"--minutes must be above 0\. Received: 0"),
        ({"seed": -3}, r"--seed must not be negative\. Received: -3"),
        ({"engine": "inline", "workers": 2}, r"--engine inline has one worker\. .*--workers 2"),
        ({"users": "u.csv"}, r"--users needs --data"),
        ({"items": "i.csv"}, r"--items needs --data"),
        ({"test": "t.csv"}, r"--test needs --data"),
        ({"missing_label": 0}, r"--missing-label needs --data"),
        ({"data": "d", "validation": "v"}, r"--validation needs --test"),
        ({"data": "d", "test_candidates": "c"}, r"--test-candidates needs --test, whose rows"),
        (
            {"data": "d", "test": "t", "split": "random"},
            r"--split and --test cannot be combined",
        ),
    ],
)
def test_setting_out_of_range_is_refused(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_config(settings)


def test_engine_ray_without_ray_names_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"not installed.*pip install 'recsearch\[ray\]'"):
        make_config({"engine": "ray"})


def test_engine_ray_takes_an_address_and_shares_of_a_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    config = make_config({"engine": "ray", "address": "head:6379", "gpus_per_trial": 0.25})
    assert (config.address, config.cpus_per_trial, config.gpus_per_trial) == ("head:6379", 1, 0.25)
    assert make_config(config.to_json(), {"address": "auto"}).address == "auto"


def test_all_faults_of_the_settings_are_told_together() -> None:
    with pytest.raises(ConfigError) as caught:
        make_config({"tuner": "grid", "max_trials": 0, "seed": -1, "items": "i.csv"})
    assert [fault.split(" ")[0] for fault in caught.value.faults] == [
        "--tuner", "--max-trials", "--seed", "--items",
    ]  # fmt: skip
    assert str(caught.value).count("\n  - ") == 4
    assert isinstance(caught.value, UsageError)


def test_unknown_settings_are_told_together_with_close_names() -> None:
    with pytest.raises(ConfigError) as caught:
        make_config({"max_trails": 3, "xyz": 1, "tuner": 2})
    assert caught.value.faults == (
        "There is no setting 'max_trails'. Did you mean max_trials?",
        "There is no setting 'xyz'.",
        "tuner=2: expected text.",
    )


def test_toml_names_may_have_hyphens_and_tables_are_no_settings(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('test-candidates = "c.csv"\n[search]\ntuner = "random"\n')
    assert read_toml(path) == {"test_candidates": "c.csv", "search": {"tuner": "random"}}
    with pytest.raises(ConfigError, match="There is no setting 'search'"):
        make_config(read_toml(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"tuner = ", r"bad\.toml cannot be read: Invalid value"),
        (b'tuner = "caf\xe9"', r"bad\.toml cannot be read: .*utf-8"),
    ],
)
def test_broken_toml_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_toml(path)


def test_missing_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read: .*No such file"):
        read_toml(tmp_path / "none.toml")
