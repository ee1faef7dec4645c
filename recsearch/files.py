"""Writing files that are either whole or absent, and locking a run directory."""

import fcntl
import json
import math
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from recsearch.errors import RunDirectoryError


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Yields a file that gets its name when the block ends: no reader ever sees half of it.

    It is written beside its place, in `.<name>.<pid>.partial`, so that two processes never write
    into one file; then it is renamed. File and name survive a loss of power. A block that fails
    leaves nothing; a process that is killed leaves the partial file.

    Args:
        path: The file; its directory is made if it does not exist.
    """
    make_directory(path.parent)
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)  # above all on a full disk
        raise
    _sync(path.parent)


def make_directory(directory: Path) -> None:
    """Makes a directory, and those above it; their names survive a loss of power."""
    if not directory.is_dir():
        make_directory(directory.parent)
        directory.mkdir(exist_ok=True)
        _sync(directory.parent)


def make_durable(directory: Path) -> None:
    """Makes all files and names under a directory survive a loss of power."""
    for folder, _, names in os.walk(directory):
        for name in names:
            _sync(Path(folder) / name)
        _sync(Path(folder))


def rename_durably(old: Path, new: Path) -> None:
    """Renames a directory; what it holds, and its new name, survive a loss of power."""
    make_durable(old)
    old.rename(new)
    _sync(new.parent)


def _sync(path: Path) -> None:
    """Waits until a file, or the names in a directory, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> Path:
    """Writes a text file in UTF-8, whole or not at all; returns its path."""
    with whole_file(path) as file:
        file.write(text.encode())
    return path


def write_json(path: Path, value: Any) -> Path:
    """Writes strict JSON (NaN and infinities as null), readable by people; whole or not at all."""
    return write_text(path, json.dumps(json_safe(value), indent=2, allow_nan=False) + "\n")


def json_safe(value: Any) -> Any:
    """Returns the value with every NaN and infinity as None: strict JSON has neither."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: json_safe(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(inner) for inner in value]
    return value


def disk_full(directory: Path) -> RunDirectoryError:
    """Returns the error to raise when a run finds no more room on the disk."""
    return RunDirectoryError(
        f"The disk of {directory} is full. Nothing that was finished is lost: make room, then "
        f"continue with `recsearch resume {directory}`."
    )


@contextmanager
def lock_directory(directory: Path) -> Iterator[None]:
    """Makes this process the owner of a run directory for the duration of the block.

    The file `lock` names the owner for people. What counts is the kernel's lock on it, which ends
    with the process, however it ends: a stale one cannot be. Partial files that a killed owner has
    left are deleted.

    Raises:
        RunDirectoryError: If another process owns it.
    """
    with (directory / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise RunDirectoryError(
                f"{directory} is in use by another recsearch process ({owner}). "
                "Wait for it to end, or give another --out."
            ) from None
        file.truncate(0)
        file.write(f"pid {os.getpid()} on {socket.gethostname()}, since {datetime.now():%F %T}\n")
        file.flush()
        for left in (*directory.glob(".*.partial"), *directory.glob("best/.*.partial")):
            left.unlink(missing_ok=True)
        yield
