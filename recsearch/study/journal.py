"""The journal of a run: one append-only file of JSON lines, `event` first.

The journal is the truth about a search: everything else in a run directory can be rebuilt from it
and the checkpoints. Only the owner of the run writes; any process may read, at any time.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recsearch.errors import RunDirectoryError
from recsearch.study.events import JOURNAL_SCHEMA, Event
from recsearch.system.files import json_safe, open_in_run
from recsearch.text.json_shapes import Mismatch, kind_of, parse_json

UNSYNCED = frozenset({"epoch", "note", "trial_waiting"})
"""Events that a power failure may delete: their trial is proposed, or run, again. The next synced
event of the file also writes them to the disk."""


class Journal:
    """Appends events to a journal; an event that must survive is on disk when `append` returns.

    A torn last line, left by a crash, is cut off when the journal is opened for writing.

    Args:
        path: The file; created if it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._length = _complete_length(path)
        self._file = open_in_run(path, "ab", buffering=0)
        self._file.truncate(self._length)

    def append(self, event: str, **fields: Any) -> Event:
        """Writes one event with the current time; returns it as a reader will see it."""
        line = json.dumps({"event": event, "time": round(time.time(), 3), **json_safe(fields)})
        parsed = Event.from_json(json.loads(line))
        self._write(line.encode() + b"\n")
        if event not in UNSYNCED:
            os.fsync(self._file.fileno())
        return parsed

    def _write(self, line: bytes) -> None:
        """Writes a line completely or not at all: the next one must not be appended to a half."""
        written = 0
        try:
            while written < len(line):
                written += self._file.write(line[written:])
        except OSError:
            self._file.truncate(self._length)
            raise
        self._length += len(line)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _complete_length(path: Path) -> int:
    """Returns the length of the file up to the end of its last complete line."""
    try:
        with open_in_run(path, "rb") as file:
            content: bytes = file.read()
    except FileNotFoundError:
        return 0
    return content.rfind(b"\n") + 1


def read_events(path: Path) -> Iterator[Event]:
    """Yields the events of a journal in order; a torn last line is left out.

    Raises:
        RunDirectoryError: If the file is missing, of a later schema, or damaged before its end.
    """
    if not os.path.lexists(path):
        raise RunDirectoryError(f"No journal at {path}. Is this a run directory of recsearch?")
    with open_in_run(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            yield _parse(line, number, path)


def _parse(line: bytes, number: int, path: Path) -> Event:
    try:
        value = parse_json(line)
        event = Event.from_json(value)
    except Mismatch as mismatch:
        # The line is not shown: the file may not be a journal.
        raise RunDirectoryError(
            f"{path}, line {number}: expected JSON with an 'event', received a line that is not "
            f"an event of a journal ({mismatch})."
        ) from None
    schema = value.get("schema")
    if event.kind == "study" and schema != JOURNAL_SCHEMA:
        received = schema if schema is None or isinstance(schema, int) else kind_of(schema)
        raise RunDirectoryError(
            f"{path}: expected journal schema {JOURNAL_SCHEMA}, received {received}. "
            "It was written by another version of recsearch."
        )
    return event


class JournalFollower:
    """Reads a growing journal; each call continues where the last one ended.

    Args:
        path: The file; it may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._length = 0
        self._lines = 0

    def new_events(self) -> list[Event]:
        """Returns the events appended since the last call; a torn last line is read later.

        Raises:
            RunDirectoryError: If the file is of a later schema, or damaged before its end.
        """
        if not os.path.lexists(self.path):
            return []
        events = []
        with open_in_run(self.path, "rb") as file:
            file.seek(self._length)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._length += len(line)
                self._lines += 1
                events.append(_parse(line, self._lines, self.path))
        return events
