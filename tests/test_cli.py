import re
import subprocess
import sys
from pathlib import Path

import pytest
from flag_tables import README, actions, commands_in, parsers, with_tables
from small_run import write_builder, write_ratings

import recsearch
from recsearch.cli.program import main
from recsearch.tuning.space.builtin import builtin_names

COMMANDS = (
    "run", "resume", "spaces", "check", "trials", "report", "recommend", "baselines",
    "compare", "log",
)  # fmt: skip


def test_commands_are_those_of_the_design() -> None:
    assert tuple(parsers()) == COMMANDS


def test_every_command_and_flag_has_help() -> None:
    assert all(parser.description for parser in parsers().values())
    seen = 0
    for command, parser in parsers().items():
        for action in actions(parser):
            seen += 1
            assert action.help, f"{command} {action.dest}"
            assert action.default in (None, False, []), f"{command} {action.dest}: a default wins"
    assert seen > 45


def test_every_command_and_flag_is_in_the_readme() -> None:
    readme = README.read_text()
    assert [name for name in COMMANDS if f"recsearch {name}" not in readme] == []
    assert set(commands_in(readme)) == set(COMMANDS) - {"report"}  # it has no flags
    assert with_tables(readme) == readme, "write the tables: python tests/flag_tables.py"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_ends_with_examples(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    _, found, examples = capsys.readouterr().out.partition("examples:\n")
    assert found
    assert examples.splitlines()
    assert all(line.startswith(f"  recsearch {command}") for line in examples.splitlines())


@pytest.mark.parametrize("argv", [["--help"], ["run", "--help"], ["--version"], ["spaces"]])
def test_help_needs_no_tensorflow(argv: list[str]) -> None:
    probe = (
        "import sys\nfrom recsearch.__main__ import main\n"
        "try:\n    code = main(sys.argv[1:])\nexcept SystemExit as error:\n    code = error.code\n"
        "heavy = sys.modules.keys() & {'tensorflow', 'keras', 'keras_tuner', 'pandas'}\n"
        "print(code, sorted(heavy), file=sys.stderr)"
    )
    command = [sys.executable, "-c", probe, *argv]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == "0 []\n"
    assert done.stdout


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"recsearch {recsearch.__version__}\n"


def test_spaces_are_listed_with_their_summaries(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spaces"]) == 0
    lines = capsys.readouterr().out.splitlines()
    listed = {line.split()[0] for line in lines if line and not line.startswith("Your own")}
    assert listed == set(builtin_names()) >= {"matrix_factorization", "neural_cf"}
    assert lines[-1].startswith("Your own space: ./file.py:build")


def test_space_is_shown_with_its_hyperparameters(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spaces", "matrix_factorization"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if line.startswith("embedding_dim")]
    assert "8, 16, 32, 64, 128 (default 32)" in line
    assert any("only if optimizer is sgd" in line for line in lines)
    assert main(["spaces", "neumff"]) == 2
    assert "Did you mean neumf" in capsys.readouterr().err


ROWS = [f"{u},{i},{1 + (u + i) % 5},{100 * u + i}" for u in range(1, 7) for i in range(1, 6)]


def table(*rows: str, header: str = "user,item,rating,timestamp") -> str:
    return "\n".join([header, *rows]) + "\n"


def without(column: int) -> str:
    """Returns the table without one of its columns."""
    cells = [line.split(",") for line in table(*ROWS).splitlines()]
    return "\n".join(",".join(c[:column] + c[column + 1 :]) for c in cells) + "\n"


BAD_FILES = {
    "empty": ("", [], "The file is empty. Expected a header line"),
    "header only": (table(), [], "no row of data"),
    "missing column": (without(0), [], "No user column found.*has columns: item, rating, timest"),
    "named column": (table(*ROWS), ["--item-column", "movie"], "--item-column names 'movie'"),
    "label": (table(*ROWS[:6], "1,9,good,5", *ROWS[6:]), [], "row 7: the label 'good' is not a n"),
    "missing ids": (table(",3,4,9", ",4,4,9"), [], "no user id in column 'user'"),
    "constant label": (
        table(*[row.replace(row.split(",")[2], "3", 1) for row in _constant])
        if (_constant := [f"{u},{i},3,{u}" for u in range(1, 7) for i in range(4, 9)])
        else "",
        ["--task", "rating"],
        "Every label in column 'rating' is 3: there is nothing to learn",
    ),
    "too few users": (table(*[f"1,{i},{i % 5},9" for i in range(20)]), [], "1 users remain"),
    "clicks": (table(*ROWS), ["--task", "click"], "row 1: label 3.*expects 0 or 1"),
    "no timestamps": (without(3), ["--split", "temporal"], "needs timestamps.*--split random"),
    "no labels": (without(2), ["--task", "rating"], "--task rating needs labels"),
    "setting": (table(*ROWS), ["--max-trials", "0"], "--max-trials must be at least 1"),
    "inline": (table(*ROWS), ["--engine", "inline", "--workers", "2"], "has one worker"),
    "address": (table(*ROWS), ["--address", "auto"], "--address needs --engine ray"),
    "unknown space": (table(*ROWS), ["@neumff"], "no search space called 'neumff'.*mean neumf"),
    "missing space": (table(*ROWS), ["@./none.py:build"], "There is no file .*none.py"),
    "unknown set": (table(*ROWS), ["--set", "rat=1"], "--set rat=1: no hyperp.*Did you mean rate"),
    "bad set": (table(*ROWS), ["--set", "rate=high"], "--set rate=high: expected a number"),
    "bad enqueue": (table(*ROWS), ["--enqueue", "rat=1"], "no hyperparameter called 'rat'.*rate"),
    "objective": (table(*ROWS), ["--objective", "auc"], "auc is not available for task rating"),
    "no objective": (table(*ROWS), ["--objective", "rmsee"], "must be one of rmse, mae"),
    "table": (table(*ROWS), ["--users", "none.csv"], "none.csv: There is no such file"),
    "toml": (table(*ROWS), ["--config", "none.toml"], "none.toml cannot be read: .*No such file"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_input_is_one_message_and_leaves_nothing(
    case: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content, flags, message = BAD_FILES[case]
    builder = write_builder(tmp_path)
    data = tmp_path / "r.csv"
    data.write_text(content)
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    spaces = [flag[1:] for flag in flags if flag[0] == "@"] or [str(builder)]
    flags = [flag for flag in flags if flag[0] != "@"]
    assert main(["run", *spaces, "--data", str(data), "--out", "run", "--quiet", *flags]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("recsearch: ")
    assert captured.err.count("recsearch: ") == 1
    assert re.search(message, captured.err, re.DOTALL)
    assert "Traceback" not in captured.err
    assert list(empty.iterdir()) == []


def test_engine_ray_without_ray_is_refused_before_a_directory_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    data = str(write_ratings(tmp_path / "r.csv"))
    out = tmp_path / "run"
    assert main(["run", "--data", data, "--engine", "ray", "--out", str(out)]) == 2
    assert "Install it: pip install 'recsearch[ray]'" in capsys.readouterr().err
    assert not out.exists()


def test_missing_file_names_those_that_are_like_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_ratings(tmp_path / "ratings.csv")
    assert main(["run", "--data", str(tmp_path / "rating.csv")]) == 2
    assert f"Similar names in {tmp_path}: ratings.csv." in capsys.readouterr().err


def test_all_faults_of_a_file_are_told_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "r.csv"
    data.write_text(table(*ROWS[:3], ",1,good,soon", "1,,3,4"))
    assert main(["run", "--data", str(data)]) == 2
    notes, _, told = capsys.readouterr().err.partition("recsearch: ")
    assert "1 of 5 rows were dropped: they have no user id in column 'user' (row 4)" in notes
    assert "1 of 5 rows were dropped: they have no item id in column 'item' (row 5)" in notes
    assert told.startswith(f"{data}:\n  - ")
    for fault in ("Column 'rating', row 4: the label 'good' is not a number", "timestamp"):
        assert fault in told
    assert told.count("\n  - ") == 2


def test_existing_out_is_refused_and_stays_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(write_ratings(tmp_path / "r.csv"))
    out = tmp_path / "run"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    space = str(write_builder(tmp_path))
    assert main(["run", space, "--data", data, "--out", str(out), "--quiet"]) == 2
    assert f"Continue it with `recsearch resume {out}`" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_bad_toml_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.toml"
    path.write_text('tunner = "random"\nmax-epochs = "3"\n')
    assert main(["run", "--config", str(path)]) == 2
    told = capsys.readouterr().err
    assert "There is no setting 'tunner'. Did you mean tuner?" in told
    assert "max_epochs='3': expected a whole number." in told


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["run", "--task", "guess"], "invalid choice: 'guess'"),
        (["run", "--max-trials", "many"], "invalid int value: 'many'"),
        (["run", "--unknown"], "unrecognized arguments: --unknown"),
        (["fly"], "invalid choice: 'fly'"),
        ([], "required: COMMAND"),
        (["recommend", "somewhere"], "required: --user"),
    ],
)
def test_wrong_usage_exits_with_2(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(argv)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        ["resume"],
        ["trials"],
        ["trials", "--watch"],
        ["report"],
        ["recommend", "--user", "1"],
        ["log", "--mlflow", "sqlite:///mlflow.db"],
    ],
    ids=" ".join,
)
def test_directory_that_is_no_run_exits_with_1(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *flags = command
    assert main([name, str(tmp_path), *flags]) == 1
    assert "is not a run directory of recsearch: it has no run.json" in capsys.readouterr().err
    assert main([name, str(tmp_path / "none"), *flags]) == 1
    assert "There is no directory" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_quiet_and_verbose_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["run", "--quiet", "--verbose"])
    assert "not allowed with argument" in capsys.readouterr().err
