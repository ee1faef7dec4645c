"""The journal of a run: one append-only file of JSON lines, `event` first.

It is the truth about a search: everything else in a run directory can be rebuilt from it and the
checkpoints. Only the owner of the run writes; anybody may read, at any time.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from recsearch.errors import RunDirectoryError
from recsearch.study.aliases import with_current_names
from recsearch.study.events import check_event
from recsearch.system.files import json_safe, open_in_run
from recsearch.text.json_shapes import Mismatch, kind_of, parse_json

SCHEMA = 1
UNSYNCED = frozenset({"epoch", "note", "trial_waiting"})
"""Events that may be lost with the power: their trial is proposed, or run, again; and what follows
in the same file takes them to the disk."""

Event = Mapping[str, Any]


class Journal:
    """Appends events to a journal; every event that must survive is on disk when `append` returns.

    A torn last line, left by a crash, is cut off when the journal is opened for writing.

    Args:
        path: The file; made if it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._length = _complete_length(path)
        self._file = open_in_run(path, "ab", buffering=0)
        self._file.truncate(self._length)

    def append(self, event: str, **fields: Any) -> Event:
        """Writes one event with the time it happened; returns it as a reader will see it."""
        line = json.dumps({"event": event, "time": round(time.time(), 3), **json_safe(fields)})
        self._write(line.encode() + b"\n")
        if event not in UNSYNCED:
            os.fsync(self._file.fileno())
        parsed: Event = json.loads(line)
        return parsed

    def _write(self, line: bytes) -> None:
        """Writes a line whole or not at all: the next one must not be appended to half of it."""
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
    """Returns the length of the file up to the end of its last whole line."""
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
        event = parse_json(line)
        check_event(event)
    except Mismatch as mismatch:
        # The line itself is not shown: the file may be another one than a journal.
        raise RunDirectoryError(
            f"{path}, line {number}: expected JSON with an 'event', received a line that is not "
            f"an event of a journal ({mismatch})."
        ) from None
    if event["event"] == "study" and event.get("schema") != SCHEMA:
        raise RunDirectoryError(
            f"{path}: expected journal schema {SCHEMA}, received {_version(event)}. "
            "It was written by another version of recsearch."
        )
    parsed: Event = event
    if isinstance(event.get("values"), dict):
        parsed = {**event, "values": with_current_names(event["values"])}
    return parsed


def _version(event: Event) -> str:
    schema = event.get("schema")
    return str(schema) if schema is None or isinstance(schema, int) else kind_of(schema)


class JournalFollower:
    """Reads a journal while it grows, from its beginning or from where it was read last.

    Args:
        path: The file; it may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._length = 0
        self._lines = 0

    def new_events(self) -> list[Event]:
        """Returns the events that were appended since the last call; a torn last line waits.

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
