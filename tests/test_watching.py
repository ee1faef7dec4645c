import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from planted_run import plant_run

from recsearch.cli.program import main
from recsearch.console.progress import Lines, Silent
from recsearch.console.watching import watch
from recsearch.errors import RunDirectoryError

MESSAGE = "trial 0000 neumf: rmse 0.9000 (epoch 2 of 3, 2.5 s, completed)"


def own(directory: Path, pid: int, host: str | None = None) -> None:
    name = host or socket.gethostname()
    (directory / "lock").write_text(f"pid {pid} on {name}, since 2026-01-01 12:00:00\n")


@pytest.fixture
def growing(tmp_path: Path) -> tuple[Path, list[bytes]]:
    """A run of this process whose journal has one line so far; and the lines to come."""
    directory = plant_run(tmp_path / "run", finished=False)
    first, *others = (directory / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (directory / "journal.jsonl").write_bytes(first)
    own(directory, os.getpid())
    return directory, others


class Ending(Lines):
    """Lines; when a trial has been told, the rest of the run happens."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory

    def news(self, state: object, trial_id: str) -> None:
        super().news(state, trial_id)
        best = self._directory / "best"
        best.mkdir(exist_ok=True)
        (best / "metrics.json").write_text("{}")


def test_run_is_told_as_its_journal_grows_until_it_ends(
    growing: tuple[Path, list[bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    directory, others = growing

    def write() -> None:
        with (directory / "journal.jsonl").open("ab", buffering=0) as journal:
            for line in others:
                journal.write(line[:10])  # a reader may see half a line
                journal.write(line[10:])

    timer = threading.Timer(0.1, write)
    timer.start()
    watch(directory, Ending(directory), pause=0.02)
    timer.join()
    told = capsys.readouterr().err.splitlines()
    assert told[:2] == [
        "plan: 5 configurations, 9 epochs in total",
        "bracket 0: 5 configurations",
    ]
    assert told[2].startswith(MESSAGE)
    assert told[-1].startswith("search ended (the run has ended): ")


def test_run_that_has_ended_is_not_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watch(plant_run(tmp_path), Lines())
    told = capsys.readouterr().err.splitlines()
    assert told[-1] == f"search ended (the run has ended): 6 trials; best: {MESSAGE}"
    assert len(told) == 3  # what happened before is not told again


def test_run_that_nobody_works_on_is_not_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = plant_run(tmp_path, finished=False)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    own(directory, ended.pid)
    watch(directory, Lines())
    assert f"continue it with `recsearch resume {directory}`" in capsys.readouterr().err
    (directory / "lock").unlink()
    watch(directory, Lines())
    assert "no process works on it" in capsys.readouterr().err


def test_owner_on_another_machine_counts_as_alive(tmp_path: Path) -> None:
    directory = plant_run(tmp_path, finished=False)
    own(directory, 999_999_999, "elsewhere")
    end = threading.Timer(0.2, lambda: (directory / "lock").unlink())
    end.start()
    watch(directory, Silent(), pause=0.02)  # it would never end if the lock stayed
    assert not end.is_alive()


def test_watching_a_directory_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match=r"it has no run\.json"):
        watch(tmp_path, Silent())


def test_watching_from_the_command_line_ends_with_the_table(
    finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(finished_run, tmp_path / "copy"))
    assert main(["trials", str(copy), "--watch", "--best", "1"]) == 0
    captured = capsys.readouterr()
    assert re.search(r"search ended \(the run has ended\): 4 trials; best: ", captured.err)
    assert len(captured.out.splitlines()) == 2
