"""A run directory that came from elsewhere: links, pipes, another machine."""

import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from planted_run import RUN, plant_run

from recsearch.cli.program import main
from recsearch.errors import RunDirectoryError
from recsearch.results import load_run
from recsearch.study.journal import Journal, JournalFollower, read_events
from recsearch.system.files import lock_directory, require_no_links, whole_file
from recsearch.system.host import host_id

SECRET = "root:a secret that must not be printed\n"
READING = (
    ["trials"],
    ["trials", "--watch"],
    ["report"],
    ["recommend", "--user", "1"],
    ["resume"],
    ["log", "--mlflow", "sqlite:///never.db"],
)
ENTRIES = (
    "lock",
    "journal.jsonl",
    "run.json",
    "checkpoints",
    "data",
    "best",
    "best/metrics.json",
    "best/saved_model",
    "best/saved_model/1/variables",
    "tensorboard",
    "notes.txt",
)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder outside of the run with files that a run would delete, append to or print."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for name in ("secret", "0000-3.npz", ".a.1.partial", "b.partial"):
        (folder / name).write_text(SECRET)
    return folder


def untouched(elsewhere: Path) -> bool:
    return len(list(elsewhere.iterdir())) == 4 and all(
        path.read_text() == SECRET for path in elsewhere.iterdir()
    )


def replace(path: Path, make: Callable[[Path], None]) -> None:
    """Puts something else in the place of a file or folder of a run."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    make(path)


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize("to_folder", [False, True])
def test_link_in_a_run_directory_is_refused_by_every_command(
    name: str,
    to_folder: bool,
    tmp_path: Path,
    elsewhere: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    directory = plant_run(tmp_path / "run")
    target = elsewhere if to_folder else elsewhere / "secret"
    replace(directory / name, lambda path: path.symlink_to(target))
    for command, *flags in READING:
        assert main([command, str(directory), *flags]) == 1
        captured = capsys.readouterr()
        assert captured.err.startswith(f"recsearch: {directory / name} is a symbolic link. A run")
        assert captured.err.count("\n") == 1
        assert "secret that" not in captured.err + captured.out
    assert main(["compare", str(directory), str(directory)]) == 1
    with pytest.raises(RunDirectoryError, match="is a symbolic link"), lock_directory(directory):
        pytest.fail("the directory was taken")
    assert untouched(elsewhere)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize("name", ["lock", "journal.jsonl", "run.json", "best/metrics.json"])
@pytest.mark.parametrize("make", [_pipe, _socket, Path.mkdir])
def test_what_is_no_file_is_refused_at_once(
    name: str,
    make: Callable[[Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    directory = plant_run(tmp_path / "run")
    monkeypatch.chdir(directory.parent)  # the path of a socket is short
    replace(Path("run") / name, make)
    with pytest.raises(RunDirectoryError, match="not a regular file"):
        load_or_lock(directory, name)
    if (name, make) != ("lock", Path.mkdir):  # an empty folder harms no reader
        assert main(["report", "run"]) == 1
        assert f"run/{name} is not a regular file." in capsys.readouterr().err


def load_or_lock(directory: Path, name: str) -> None:
    if name != "lock":
        load_run(directory)
        return
    with lock_directory(directory):
        pytest.fail("the directory was taken")


def test_journal_is_never_opened_through_a_link(tmp_path: Path, elsewhere: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.symlink_to(elsewhere / "secret")
    for use in (Journal, lambda p: list(read_events(p)), lambda p: JournalFollower(p).new_events()):
        with pytest.raises(RunDirectoryError, match="is a symbolic link"):
            use(path)
    assert untouched(elsewhere)


def test_partial_file_that_is_a_link_is_not_written_through(
    tmp_path: Path, elsewhere: Path
) -> None:
    beside = tmp_path / f".report.html.{os.getpid()}.partial"
    beside.symlink_to(elsewhere / "secret")
    with whole_file(tmp_path / "report.html") as file:
        file.write(b"page")
    assert (tmp_path / "report.html").read_bytes() == b"page"
    assert not os.path.lexists(beside)
    assert untouched(elsewhere)


def test_run_directory_may_itself_be_reached_through_links(tmp_path: Path) -> None:
    plant_run(tmp_path / "disk" / "run")
    (tmp_path / "short").symlink_to(tmp_path / "disk")
    (tmp_path / "night").symlink_to(tmp_path / "short" / "run")
    assert len(load_run(tmp_path / "night").trials()) == 6
    with lock_directory(tmp_path / "night"):
        pass


def test_folders_deeper_than_those_of_a_run_are_refused(tmp_path: Path) -> None:
    tmp_path.joinpath(*["a"] * 17).mkdir(parents=True)
    with pytest.raises(RunDirectoryError, match="more than 16 levels deep"):
        require_no_links(tmp_path)


@pytest.mark.parametrize(
    "line", [SECRET, '{"event": "note", "time": 1, "text": 5, "s": "secret"}\n']
)
def test_damaged_journal_is_located_but_not_quoted(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = plant_run(tmp_path / "run")
    journal = directory / "journal.jsonl"
    journal.write_text(line + journal.read_text())
    assert main(["trials", str(directory)]) == 1
    error = capsys.readouterr().err
    assert f"{journal}, line 1: expected JSON with an 'event', received" in error
    assert "secret" not in error


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("baselines.bias.rmse", "low", "baselines.bias.rmse: expected a number, received a text"),
        ("winner.hyperparameters", [], "hyperparameters: expected an object, received a list"),
        ("test_looks", 2.5, "test_looks: expected a whole number, received a fraction"),
        ("export.bytes", -1, "export.bytes: expected a whole number from 0 to 2"),
        ("objective.direction", "up", "direction: expected one of min, max, received another text"),
    ],
)
def test_wrong_type_in_metrics_is_named_by_its_place(
    place: str, value: object, message: str, tmp_path: Path
) -> None:
    directory = plant_run(tmp_path / "run")
    path = directory / "best" / "metrics.json"
    metrics = json.loads(path.read_text())
    *parents, key = place.split(".")
    inner = metrics
    for parent in parents:
        inner = inner[parent]
    inner[key] = value
    path.write_text(json.dumps(metrics))
    with pytest.raises(RunDirectoryError, match=rf"metrics\.json is damaged: .*{message}"):
        load_run(directory)


@pytest.mark.parametrize("key", ["config", "data", "space", "validation_protocol"])
def test_resume_names_a_key_that_run_json_lacks(
    key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = plant_run(tmp_path / "run")
    (directory / "run.json").write_text(json.dumps({k: v for k, v in RUN.items() if k != key}))
    assert main(["resume", str(directory)]) == 1
    assert f"run.json is damaged: expected the key '{key}'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("machine", "message"),
    [
        ({"host": host_id()}, None),
        ({"host": "0123456789abcdef"}, "says that the run was made on another machine"),
        ({}, "does not say on which machine the run was made"),
        (None, "does not say on which machine the run was made"),
    ],
)
def test_recommend_warns_once_of_a_model_from_another_machine(
    machine: dict[str, str] | None,
    message: str | None,
    finished_run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy = Path(shutil.copytree(finished_run, tmp_path / "copy"))
    described = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**described, "machine": machine}))
    assert main(["recommend", str(copy), "--user", "1", "-k", "1"]) == 0
    error = capsys.readouterr().err
    if message is None:
        assert error == ""
    else:
        assert error.startswith("recsearch: warning: ")
        assert message in error
        assert error.count("executable code") == error.count("\n") == 1


def test_host_id_differs_by_machine_and_is_no_secret(tmp_path: Path) -> None:
    numbers = [tmp_path / "one", tmp_path / "two", tmp_path / "absent"]
    numbers[0].write_text("b08dfa6083e7567a1921a715000001fb\n")
    numbers[1].write_text("0000000083e7567a1921a715000001fb\n")
    found = [host_id(path) for path in numbers]
    assert len(set(found)) == 3
    assert found == [host_id(path) for path in numbers]
    assert all(len(each) == 16 and int(each, 16) >= 0 for each in found)
