"""A disk without room, and a directory that cannot be written: real ones, where root may mount."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from planted_run import plant_run

from recsearch.cli.program import main


def mount(*words: str) -> bool:
    return subprocess.run(["mount", *words], capture_output=True, check=False).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with room for 128 KiB; a report needs more than 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        mounted = mount("-t", "tmpfs", "-o", "size=128k", "none", str(folder))
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_report_on_a_full_disk_ends_with_one_message(
    small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = plant_run(small_disk / "run")
    before = {path.name for path in directory.iterdir()}
    assert main(["report", str(directory)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(
        f"recsearch: {directory / 'report.html'} cannot be written: the disk is"
    )
    assert error.count("\n") == 1
    assert {path.name for path in directory.iterdir()} == before  # no half of a page


@pytest.mark.parametrize(("command", "file"), [("report", "report.html"), ("resume", "lock")])
def test_read_only_directory_ends_with_one_message(
    command: str, file: str, small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = plant_run(small_disk / "run")
    assert mount("-o", "remount,ro", str(small_disk))
    assert main([command, str(directory)]) == 1
    error = capsys.readouterr().err
    assert f"recsearch: {directory / file} cannot be written: Read-only file system." in error
    assert "Traceback" not in error
    assert main(["trials", str(directory)]) == 0  # reading needs no room


def test_export_on_a_full_disk_is_the_error_of_a_full_disk(small_disk: Path) -> None:
    import tensorflow as tf

    from recsearch.serving.saved_model import full_disk_as_os_error

    module = tf.Module()
    module.table = tf.Variable(tf.zeros([100_000]))
    with pytest.raises(OSError, match="No space left on device"), full_disk_as_os_error(small_disk):
        tf.saved_model.save(module, str(small_disk / "saved_model"))


def test_other_errors_of_an_export_stay_as_they_are(tmp_path: Path) -> None:
    import tensorflow as tf

    from recsearch.serving.saved_model import full_disk_as_os_error

    with pytest.raises(tf.errors.NotFoundError), full_disk_as_os_error(tmp_path):
        tf.io.read_file(str(tmp_path / "absent"))
