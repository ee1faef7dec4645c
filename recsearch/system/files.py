"""Writes files that are either complete or absent, and opens the files of a run safely.

Links in a run directory are never followed: a run directory from an untrusted source must not make
the user's process read, overwrite or delete files elsewhere.
"""

import errno
import fcntl
import json
import math
import os
import re
import socket
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any, BinaryIO

from recsearch.errors import RunDirectoryError
from recsearch.text.printable import printable_line

DEEPEST = 16
"""Maximum depth of folders in a run directory; a run creates five levels."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Error numbers that mean that there is no space left."""


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Yields a file that gets its name when the block ends: readers never see an incomplete file.

    The file is written as `.<name>.<pid>.partial` in the same directory, so that two processes
    never write to one file, and then renamed. File and name survive a loss of power. If the block
    fails, nothing remains; if the process is killed, the partial file remains.

    Args:
        path: The file; its directory is created if it does not exist.
    """
    make_directory(path.parent)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with _open_new(partial) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)  # especially on a full disk
        raise
    _sync(path.parent)


def _open_new(path: Path) -> BinaryIO:
    """Opens a new file; deletes a file that a killed process has left."""
    try:
        return path.open("xb")  # never through a link
    except FileExistsError:
        path.unlink()
        return path.open("xb")


def make_directory(directory: Path) -> None:
    """Creates a directory and its parents; their names survive a loss of power."""
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
    """Renames a directory; its contents and its new name survive a loss of power."""
    make_durable(old)
    old.rename(new)
    _sync(new.parent)


def _sync(path: Path) -> None:
    """Waits until a file, or the names in a directory, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> Path:
    """Writes a text file in UTF-8, completely or not at all; returns its path.

    Half of a surrogate pair, which has no encoding (it represents a byte of a file name that is not
    UTF-8), is written as a Python escape sequence.
    """
    with whole_file(path) as file:
        file.write(text.encode(errors="backslashreplace"))
    return path


def write_json(path: Path, value: Any) -> Path:
    """Writes indented, strict JSON (NaN and infinities as null), completely or not at all."""
    return write_text(path, json.dumps(json_safe(value), indent=2, allow_nan=False) + "\n")


def json_safe(value: Any) -> Any:
    """Returns the value with None for every NaN and infinity, which strict JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: json_safe(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(inner) for inner in value]
    return value


def open_in_run(path: Path, mode: str, buffering: int = -1) -> IO[Any]:
    """Opens a file of a run directory; refuses links and everything that is not a regular file.

    Args:
        path: The file.
        mode: "rb", "ab" or "a+"; "ab" and "a+" create the file.
        buffering: As in `open`.

    Raises:
        RunDirectoryError: If the path is a link, a directory, a pipe, a socket or a device.
        OSError: If the file cannot be opened.
    """

    def opener(name: str, flags: int) -> int:
        # O_NONBLOCK: opening a pipe without a writer would wait forever.
        return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)

    try:
        file = open(path, mode, buffering, opener=opener)  # noqa: SIM115  # the caller closes it
    except OSError as error:
        if path.is_symlink() or error.errno in (errno.EISDIR, errno.ENXIO):
            raise _no_file(path) from None
        raise
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise _no_file(path)
    return file


def require_no_links(directory: Path) -> None:
    """Refuses a run directory that contains a link, a pipe, a socket or a device, at any depth.

    The path of the directory itself may contain links.

    Raises:
        RunDirectoryError: If there is one (the message names it), or if the tree is too deep.
    """
    pending = [(directory, 0)]
    while pending:
        folder, depth = pending.pop()
        if depth > DEEPEST:
            raise RunDirectoryError(
                f"{directory} is not a run directory of recsearch: it contains folders more than "
                f"{DEEPEST} levels deep."
            )
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append((folder / entry.name, depth + 1))
                elif not entry.is_file(follow_symlinks=False):
                    raise _no_file(folder / entry.name)


def _no_file(path: Path) -> RunDirectoryError:
    kind = "a symbolic link" if path.is_symlink() else "not a regular file"
    return RunDirectoryError(
        f"{path} is {kind}. A run directory may only contain regular files and folders. Replace it "
        "with a copy of the file if you trust it."
    )


def unwritable(path: Path, error: OSError) -> RunDirectoryError:
    """Returns the error to raise when a file of a run cannot be written."""
    if error.errno in FULL:
        return RunDirectoryError(
            f"{path} cannot be written: the disk is full. Finished work is kept: free some "
            "space, then repeat the command."
        )
    return RunDirectoryError(
        f"{path} cannot be written: {error.strerror or error}. Make the directory writable, or "
        "work on a copy of it."
    )


def disk_full(directory: Path) -> RunDirectoryError:
    """Returns the error to raise when the disk of a run is full."""
    return RunDirectoryError(
        f"The disk of {directory} is full. Finished work is kept: free some space, then "
        f"continue with `recsearch resume {directory}`."
    )


_OWNER = "pid {} on {}, since {:%F %T}\n"
"""The text of the file `lock`: process, machine, time."""

_OWNER_PATTERN = re.compile(rb"pid ([1-9][0-9]{0,8}) on (\S+), since ")
_LONGEST_OWNER = 1000  # bytes of the file that are read


def is_worked_on(directory: Path) -> bool:
    """Returns whether the process that owns a run directory is alive; on another machine, True.

    The lock itself is not tried: a run that starts at that moment would find it taken.

    Raises:
        RunDirectoryError: If the file `lock` is a link or not a regular file.
    """
    try:
        with open_in_run(directory / "lock", "rb") as lock:
            owner = _OWNER_PATTERN.match(lock.read(_LONGEST_OWNER))
    except FileNotFoundError:
        return False
    if owner is None:
        return False
    if owner[2] != os.fsencode(socket.gethostname()):
        return True
    try:
        os.kill(int(owner[1]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # the process is alive and belongs to another user
        pass
    return True


@contextmanager
def lock_directory(directory: Path) -> Iterator[None]:
    """Makes this process the owner of a run directory for the duration of the block.

    The file `lock` names the owner, for messages. The actual lock is the kernel's lock on this
    file, which ends with the process and so is never stale. Partial files of a killed owner are
    deleted.

    Raises:
        RunDirectoryError: If the directory has another owner, contains a link or is read-only.
    """
    require_no_links(directory)
    lock = directory / "lock"
    try:
        opened = open_in_run(lock, "a+")
    except OSError as error:
        raise unwritable(lock, error) from error
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = printable_line(file.read(200).strip()) or "unknown"
            raise RunDirectoryError(
                f"{directory} is in use by another recsearch process ({owner}). "
                "Wait until it has ended, or pass another --out."
            ) from None
        file.truncate(0)
        file.write(_OWNER.format(os.getpid(), socket.gethostname(), datetime.now()))
        file.flush()
        for left in (*directory.glob(".*.partial"), *directory.glob("best/.*.partial")):
            left.unlink(missing_ok=True)
        yield
