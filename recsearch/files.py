"""Writing files that are either whole or absent, and locking a run directory."""

import fcntl
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recsearch.errors import RunDirectoryError


def write_text(path: Path, text: str) -> Path:
    """Writes a text file beside its place and renames it, so that no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.partial")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return beside.replace(path)


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

    The kernel drops the lock when the process ends, however it ends: a stale one cannot be.

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
                f"{directory} is in use by another recsearch process (pid {owner}). "
                "Wait for it to end, or give another --out."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
