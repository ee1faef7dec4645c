import json
import math
import os
import re
import signal
import socket
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsearch.errors import RunDirectoryError
from recsearch.system.files import (
    json_safe,
    lock_directory,
    make_durable,
    rename_durably,
    whole_file,
    write_json,
    write_text,
)

HOLDER = """
import sys, time
from pathlib import Path
from recsearch.system.files import lock_directory
with lock_directory(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""

WRITER = """
import sys
from pathlib import Path
from recsearch.system.files import write_text
write_text(Path(sys.argv[1]), "quick")
"""


def test_text_replaces_the_old_one_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    assert write_text(path, "one\n") == path
    write_text(path, "zwei ü\n")
    assert path.read_bytes() == "zwei ü\n".encode()
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_half_of_a_surrogate_pair_is_written_as_its_escape(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.txt", "file \udcff.csv")
    assert path.read_text() == "file \\udcff.csv"


def test_file_has_no_name_before_its_block_ends(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a", "old")
    with whole_file(path) as file:
        file.write(b"new")
        assert path.read_text() == "old"
        assert {p.name for p in tmp_path.iterdir()} == {"a", f".a.{os.getpid()}.partial"}
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_block_that_fails_leaves_the_old_file_and_gives_its_room_back(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a", "old")
    with pytest.raises(TypeError, match="bytes-like"), whole_file(path) as file:
        file.writelines([b"half", 1])  # type: ignore[list-item]  # that is the fault
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a", "old")]


def test_two_processes_that_write_one_file_leave_one_of_them_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with whole_file(path) as file:
        file.write(b"of the slow one, " * 1000)
        subprocess.run([sys.executable, "-c", WRITER, str(path)], check=True)
        assert path.read_text() == "quick"
    assert path.read_bytes() == b"of the slow one, " * 1000
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What has been synchronised with the disk, in its order, under the name of that moment."""
    found: list[Path] = []
    really = os.fsync

    def sync(descriptor: int) -> None:
        really(descriptor)
        found.append(Path(f"/proc/self/fd/{descriptor}").readlink())

    monkeypatch.setattr(os, "fsync", sync)
    return found


def test_directory_is_on_the_disk_before_it_gets_its_name(
    tmp_path: Path, synced: list[Path]
) -> None:
    beside = tmp_path / "beside"
    inside = [beside / "a", beside / "deep" / "b"]
    for path in inside:
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("c")
    rename_durably(beside, tmp_path / "data")
    assert (tmp_path / "data" / "deep" / "b").read_text() == "c"
    assert not beside.exists()
    assert set(synced[:-1]) == {*inside, beside, beside / "deep"}
    assert synced[-1] == tmp_path  # the new name, which is given after all else


def test_names_of_new_directories_are_on_the_disk(tmp_path: Path, synced: list[Path]) -> None:
    write_text(tmp_path / "a" / "b" / "c.txt", "c")
    assert synced[:2] == [tmp_path, tmp_path / "a"]
    assert synced[-1] == tmp_path / "a" / "b"  # the name of the file
    assert len(synced) == 4


def test_directory_that_does_not_exist_needs_no_synchronising(
    tmp_path: Path, synced: list[Path]
) -> None:
    make_durable(tmp_path / "nothing")
    assert synced == []


def test_json_has_null_for_what_json_cannot_say(tmp_path: Path) -> None:
    value = {"a": math.nan, "b": [math.inf, 1.5, (-math.inf, "x")], "c": {"d": True, "e": 3}}
    path = write_json(tmp_path / "a.json", value)
    assert path.read_text().endswith("}\n")
    expected = {"a": None, "b": [None, 1.5, [None, "x"]], "c": {"d": True, "e": 3}}
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == expected


def test_json_that_cannot_be_written_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(tmp_path / "a.json", {"a": object()})
    assert list(tmp_path.iterdir()) == []


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_json_safe_value_is_always_strict_json(value: object) -> None:
    safe = json_safe(value)
    assert json.loads(json.dumps(safe, allow_nan=False)) == safe
    assert json_safe(safe) == safe


def owner(directory: Path) -> tuple[int, str, datetime]:
    """Returns what the lock file says: pid, host and since when."""
    text = (directory / "lock").read_text()
    found = re.fullmatch(r"pid (\d+) on (\S+), since (.+)\n", text)
    assert found, text
    return int(found[1]), found[2], datetime.fromisoformat(found[3])


def test_lock_names_its_owner_and_is_free_after_the_block(tmp_path: Path) -> None:
    for _ in range(2):
        with lock_directory(tmp_path):
            pid, host, since = owner(tmp_path)
            assert (pid, host) == (os.getpid(), socket.gethostname())
            assert timedelta(0) <= datetime.now() - since < timedelta(minutes=1)


def test_lock_is_free_after_an_error_in_the_block(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), lock_directory(tmp_path):
        raise ZeroDivisionError
    with lock_directory(tmp_path):
        pass


def test_lock_deletes_what_a_killed_owner_left_half_written(tmp_path: Path) -> None:
    for name in ("best/.metrics.json.17.partial", ".run.json.17.partial", "run.json"):
        write_text(tmp_path / name, "half")
    with lock_directory(tmp_path):
        found = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
        assert found == {"lock", "run.json"}


def test_lock_of_another_process_is_refused_until_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        message = (
            rf"in use by another recsearch process \(pid {holder.pid} on "
            rf"{re.escape(socket.gethostname())}, since 2\d\d\d-.*\)\. Wait until it has ended"
        )
        with pytest.raises(RunDirectoryError, match=message), lock_directory(tmp_path):
            pytest.fail("two processes own one directory")
        assert owner(tmp_path)[0] == holder.pid  # the refused one wrote nothing
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with lock_directory(tmp_path):
            assert owner(tmp_path)[0] == os.getpid()
