"""Every reading command on run directories that somebody else, or a broken disk, has changed."""

import shutil
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest
from tampering import FILES, tamper

from recsearch.cli.program import main
from recsearch.system.files import lock_directory

NUM_SLOW = 2_000
NUM_QUICK = 120
LOGGED = 50  # one in so many is logged to MLflow, which takes seconds
REPORTED = 3  # one in so many of the readable ones gets a report, which takes a second


@pytest.fixture(scope="session")
def json_of_a_run(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run without its model: `recommend` ends where it would need TensorFlow."""
    directory = tmp_path_factory.mktemp("json") / "run"
    for name in FILES:
        (directory / name).parent.mkdir(exist_ok=True, parents=True)
        shutil.copyfile(finished_run / name, directory / name)
    return directory


def commands(directory: Path, whole: Path, number: int) -> list[list[str]]:
    """Returns the commands that are tried on a tampered directory."""
    form = ("table", "csv", "json")[number % 3]
    found = [
        ["trials", directory, "--format", form],
        ["trials", directory, "--watch", "--best", 2],
        ["compare", directory, whole, "--format", form if form != "csv" else "table"],
        ["recommend", directory, "--user", "1"],
        ["resume", directory, "--quiet"],
        ["report", directory],
    ]
    if number % LOGGED == 0:
        found.append(["log", directory, "--mlflow", f"sqlite:///{directory.parent / 'm.db'}"])
    return [[str(word) for word in command] for command in found]


def outcomes(
    whole: Path, folder: Path, numbers: range, capsys: pytest.CaptureFixture[str]
) -> "Counter[tuple[str, int]]":
    """Returns how often each command ended with each exit code."""
    found: Counter[tuple[str, int]] = Counter()
    for number in numbers:
        directory = Path(shutil.copytree(whole, folder / "copy"))
        what = tamper(directory, number)
        with lock_directory(directory):  # so that `resume` reads, and then goes no further
            readable = False
            for command in commands(directory, whole, number):
                if command[0] == "report" and readable and number % REPORTED:
                    continue
                try:
                    code = main(command)
                except Exception as error:
                    raise AssertionError(f"{number}, {what}: {command}") from error
                captured = capsys.readouterr()
                assert code in (0, 1, 2), f"{number}, {what}: {command}: {code}"
                assert "Traceback" not in captured.err, f"{number}, {what}: {command}"
                assert (code == 0) or captured.err.startswith("recsearch: "), command
                assert len(captured.err) < 5_000
                readable = readable or code == 0
                found[command[0] + (" --watch" if "--watch" in command else ""), code] += 1
        shutil.rmtree(directory)
    return found


def test_reading_commands_survive_tampered_files(
    json_of_a_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = outcomes(json_of_a_run, tmp_path, range(NUM_QUICK), capsys)
    assert found.total() >= 5 * NUM_QUICK
    assert found["trials", 0] > NUM_QUICK / 10  # some faults hit nothing that is read
    assert found["trials", 1] > NUM_QUICK / 3
    assert found["resume", 0] == 0


@pytest.mark.slow
def test_reading_commands_survive_two_thousand_tampered_directories(
    json_of_a_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = outcomes(json_of_a_run, tmp_path, range(NUM_QUICK, NUM_QUICK + NUM_SLOW), capsys)
    assert found["report", 0] > NUM_SLOW / 50
    if find_spec("mlflow") is not None:  # without the extra, each `log` exits with 1
        assert found["log", 0] > 0
    with capsys.disabled():
        print(sorted(found.items()))
