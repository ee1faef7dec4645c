"""Arguments of the Python interface: dicts, functions, numpy's numbers, and what is refused."""

import subprocess
import sys
import typing
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_run import BUILDER, run_settings, write_builder, write_ratings

import recsearch
from recsearch.api.search import as_arguments
from recsearch.cli.program import main
from recsearch.config.arguments import plain
from recsearch.config.run_config import RunConfig, make_config
from recsearch.config.settings import Settings
from recsearch.errors import ConfigError, SpaceError, UsageError
from recsearch.tuning.space.references import reference_of


def module_level(hp: Any, data: Any) -> None:
    """A builder that workers can import."""


def test_names_are_listed_before_their_first_use() -> None:
    script = "import recsearch; print({'search', 'load', 'compare', 'Run'} <= set(dir(recsearch)))"
    printed = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert printed.stdout == "True\n"


def test_keywords_for_editors_are_the_settings() -> None:
    hints = typing.get_type_hints(Settings)
    known = {field.name: field.type for field in fields(RunConfig) if field.name != "spaces"}
    assert set(hints) == set(known)
    for name in set(known) - {"data", "users", "items", "test", "validation", "test_candidates"}:
        kind = str(getattr(known[name], "__name__", known[name])).removesuffix(" | None")
        assert kind.startswith("tuple") or kind in str(hints[name]), name


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("dim=3", ["dim=3"]),
        (["a=1", "b=2:3"], ["a=1", "b=2:3"]),
        ({"dim": 3}, ["dim=3"]),
        ({"units": [16, 32], "rate": (1e-4, 1e-2)}, ["units=16,32", "rate=0.0001:0.01"]),
        ({"bias": True, "neumf/loss": "mse"}, ["bias=true", "neumf/loss=mse"]),
        ({"dim": np.int64(3), "rate": np.float32(0.5)}, ["dim=3", "rate=0.5"]),
        ({"units": np.array([8, 16]), "bias": [True, False]}, ["units=8,16", "bias=true,false"]),
        ([{"a": 1}, "b=2"], ["a=1", "b=2"]),
        (MappingProxyType({"a": 1}), ["a=1"]),
    ],
)
def test_overrides_are_texts_or_dicts(value: Any, texts: list[str]) -> None:
    assert plain("set", value) == texts
    assert make_config({"set": value}).set == tuple(texts)


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ({"dim": 3, "bias": False}, ("dim=3,bias=false",)),
        ([{"space": "neumf", "dim": 3}, "dim=4"], ("space=neumf,dim=3", "dim=4")),
        (Path("best.json"), ("best.json",)),
        ("dim=3", ("dim=3",)),
    ],
)
def test_configurations_to_try_are_texts_paths_or_dicts(value: Any, texts: tuple[str]) -> None:
    assert make_config({"enqueue": value}).enqueue == texts


def test_numbers_of_numpy_become_numbers_of_python() -> None:
    config = make_config(
        {
            "max_trials": np.int64(5),
            "minutes": np.float32(1.5),
            "search_only": np.bool_(True),
            "task": np.str_("implicit"),
            "seed": np.array(3),
            "out": Path("runs") / "x",
        }
    )
    found = (config.max_trials, config.minutes, config.search_only, config.task, config.seed)
    assert found == (5, 1.5, True, "implicit", 3)
    assert [type(value) for value in found] == [int, float, bool, str, int]
    assert config.out == "runs/x"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_trials": 2.5}, r"max_trials=2\.5: expected a whole number\."),
        ({"max_trials": np.float64(2.5)}, r"max_trials=np\.float64\(2\.5\): expected a whole"),
        ({"max_trials": True}, r"max_trials=True: expected a whole number\."),
        ({"workers": None, "seed": "1"}, r"seed='1': expected a whole number\."),
        ({"max_trials": 0}, r"max_trials must be at least 1\. Received: 0\."),
        ({"epochs": 3}, r"There is no setting 'epochs'\. Did you mean max_epochs\?"),
        ({"trials": 3}, r"There is no setting 'trials'\. Did you mean max_trials\?"),
        ({"engine": "inline", "workers": 2}, r"engine='inline' has one worker\. .*: workers=2\."),
        ({"users": pd.DataFrame({"user_id": [1]})}, r"users needs data\."),
        ({"minutes": 10**400}, r"minutes=an int: expected a number up to"),
        ({"workers": pd.DataFrame({"a": [1]})}, r"workers=a DataFrame of 1 rows and 1 columns: "),
        ({"set": 5}, r"set=5: expected text or a list of texts\."),
        ({"set": {"a": None}}, r"set=\{'a': None\}: expected a number, a text or a bool"),
        ({"set": {"a": (1, 2, 3)}}, r"a tuple is a range of numbers, \(low, high\)\. Give choices"),
        ({"set": {"a": ("x", "y")}}, r"a tuple is a range of numbers"),
        ({"set": {"a": []}}, r"set=\{'a': \[\]\}: expected"),
        ({"set": {3: 4}}, r"set=expected the name of a hyperparameter\. Received 3\."),
        ({"set": ["a=1", 2]}, r"set=\['a=1', 2\]: expected text or a list of texts\."),
        ({"enqueue": {"a": "x,y"}}, r"a value cannot contain a comma here\. Write"),
        ({"enqueue": 5}, r"enqueue=5: expected text or a list of texts\."),
        ({"data": "a\0b"}, r"data='a\\x00b': no path can contain the NUL character"),
        ({"out": "x" * 9000}, r"out=.*\(9,000 characters\): .*longer than a path can be"),
        ({"enqueue": "a\0.json"}, r"enqueue='a\\x00\.json': no path can contain the NUL"),
        ({"spaces": 5}, r"spaces: expected the name of a search space or a builder.* Received 5"),
        ({"spaces": [b"neumf"]}, r"spaces: expected the name .* Received b'neumf'"),
        ({"data": "missing.csv", "spaces": "neumff"}, r"no search space .*'neumff'.*mean neumf\?"),
        ({"data": "missing.csv", "max_trails": 3}, r"no setting 'max_trails'\. Did you mean"),
        ({"set": "embedding_dim", "search_only": True}, r"^set takes NAME=VALUE, .*'embedding"),
    ],
)
def test_wrong_argument_is_one_message_that_names_it(settings: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        recsearch.search(**settings)
    assert "--" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_faults_of_the_command_line_name_flags(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--engine", "inline", "--workers", "2"]) == 2
    assert "--engine inline has one worker. Received: --workers 2." in capsys.readouterr().err


def test_flags_become_arguments_where_they_are_flags() -> None:
    said = "--split and --test cannot be combined; --validation-users 5, --set a=1, --format csv"
    assert as_arguments(said) == (
        "split and test cannot be combined; validation_users=5, set a=1, --format csv"
    )
    assert as_arguments("/a/--data/x --data.") == "/a/--data/x data."


SPACES = (":", "", " ", "a:b:c", "neumf:", "json", "json:a b", "..:x", "no_such_module:build",
          "x.py", "a\0b:build", "\0.py", "x" * 9000 + ".py", "\ud800")  # fmt: skip


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("command", ["run", "check", "spaces"])
def test_reference_that_names_no_builder_is_refused(
    space: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, space]) == 2
    message = capsys.readouterr().err
    assert message.startswith("recsearch: ")
    assert len(message.splitlines()) == 1
    assert len(message) < 400


@pytest.mark.parametrize(
    "argv",
    [
        ["run", "--data", "a\0b"],
        ["run", "--out", "a\0b"],
        ["run", "--config", "a\0b"],
        ["run", "--enqueue", "a\0b.json"],
        ["trials", "a\0b"],
        ["trials", "r", "--format", "csv", "--out", "a\0b"],
        ["compare", "a", "b", "--out", "x" * 9000],
        ["resume", "x" * 9000],
        ["baselines", "--data", "a\0b"],
    ],
)
def test_text_that_can_be_no_path_is_a_usage_error(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: Any = main(argv)
    except SystemExit as ended:  # argparse
        code = ended.code
    assert code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_function_becomes_the_reference_of_its_file_or_module(tmp_path: Path) -> None:
    assert reference_of(module_level) == f"{Path(__file__).resolve()}:module_level"
    assert reference_of(plain) == "recsearch.config.arguments:plain"
    assert reference_of("neumf") == "neumf"
    assert reference_of(tmp_path / "mine.py") == f"{tmp_path}/mine.py"


def _nested() -> Callable[..., None]:
    def build(hp: Any) -> None:
        """A builder that workers cannot find."""

    return build


@pytest.mark.parametrize("space", [_nested(), lambda hp: None, np.add.reduce])
def test_function_that_cannot_be_imported_is_refused_with_a_way_out(space: Any) -> None:
    with pytest.raises(UsageError, match=r"cannot be imported .*%%writefile my_space\.py"):
        reference_of(space)


def test_function_of_a_notebook_is_refused_with_a_way_out() -> None:
    script = """
import recsearch
def build(hp, data): pass
try:
    recsearch.search(build)
except recsearch.api.search.UsageError as error:
    print(error)
"""
    printed = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert "build is defined in a notebook or at a prompt" in printed.stdout
    assert "%%writefile my_space.py" in printed.stdout


SCRIPT = """
import recsearch
{builder}

def search():
    return recsearch.search(
        ["matrix_factorization", build], data="ratings.csv", task="rating", tuner="random",
        max_trials=2, max_epochs=1, set={{"rate": (0.5, 2.0)}}, search_only=True, out="run",
        enqueue={{"space": "script", "rate": 0.75}},
    )

"""


def run_script(folder: Path, ending: str) -> subprocess.CompletedProcess[str]:
    write_ratings(folder / "ratings.csv")
    path = folder / "script.py"
    path.write_text(SCRIPT.format(builder=BUILDER) + ending)
    return subprocess.run(
        [sys.executable, str(path)], cwd=folder, capture_output=True, text=True, timeout=240
    )


@pytest.mark.slow
def test_script_searches_with_its_own_function_in_worker_processes(tmp_path: Path) -> None:
    done = run_script(tmp_path, 'if __name__ == "__main__":\n    print(search())\n')
    assert done.returncode == 0, done.stderr
    run = recsearch.load(tmp_path / "run")
    assert run.config["config"]["spaces"][1] == f"{tmp_path.resolve()}/script.py:build"
    first = run.state.trials["0000"]
    assert (first.space, first.values["rate"]) == ("script", 0.75)


@pytest.mark.slow
def test_script_without_a_guard_is_refused_before_it_searches_in_its_workers(
    tmp_path: Path,
) -> None:
    done = run_script(tmp_path, "search()\n")
    assert done.returncode == 1
    assert 'Put the call of recsearch.search under if __name__ == "__main__":' in done.stderr
    assert not (tmp_path / "run" / "journal.jsonl").exists()


def test_unknown_name_in_set_names_the_argument(tmp_path: Path) -> None:
    settings = run_settings(tmp_path / "files")
    with pytest.raises(SpaceError, match=r"^set rates=3: no hyperparameter of this name\."):
        recsearch.search(**settings, set={"rates": 3})


def test_run_file_takes_tables_and_arrays(tmp_path: Path) -> None:
    from recsearch.config.run_config import read_toml

    path = tmp_path / "run.toml"
    path.write_text('spaces = "neumf"\n[set]\ndim = [8, 16]\nbias = true\n')
    config = make_config(read_toml(path))
    assert (config.spaces, config.set) == (("neumf",), ("dim=8,16", "bias=true"))
    path.write_text("max_trials = 2.5\n")
    with pytest.raises(ConfigError, match=r"max_trials=2\.5: expected a whole number"):
        make_config(read_toml(path))


def test_class_or_file_beside_a_name_is_taken(tmp_path: Path) -> None:
    builder = write_builder(tmp_path)
    with pytest.raises(SpaceError, match=r"There is no file .*absent\.py"):
        recsearch.search([f"{builder}:build", tmp_path / "absent.py"], data="missing.csv")


@pytest.mark.parametrize("value", [5, None, "a\0b", "x" * 9000, b"run", "\ud800"])
def test_load_refuses_what_is_no_path(value: Any) -> None:
    with pytest.raises(UsageError) as caught:
        recsearch.load(value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("value", [None, "runs/a", 5, [5, 6], [None], Path("x")])
def test_compare_refuses_what_is_no_list_of_runs(value: Any) -> None:
    with pytest.raises(UsageError, match=r"expected a list|Expected the path"):
        recsearch.compare(value)
