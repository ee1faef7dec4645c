"""Reading a run directory."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from recsearch.errors import RunDirectoryError, UsageError
from recsearch.results.measurements import search_record
from recsearch.results.record import RunRecord
from recsearch.results.run_description import RunDescription
from recsearch.results.run_metrics import RunMetrics
from recsearch.results.user_examples import UserExamples
from recsearch.study.journal import read_events
from recsearch.system.files import open_in_run, require_no_links
from recsearch.text.json_shapes import Mismatch, kind_of, parse_json, require_flat
from recsearch.text.shown import path_fault, shown

Stored = TypeVar("Stored")


def load_run(directory: str | Path) -> RunRecord:
    """Returns the run in a directory, finished or not.

    Args:
        directory: The directory given to `recsearch run`, or created by it.

    Raises:
        UsageError: If it is not a path.
        RunDirectoryError: If it is not a run directory, one of its files is damaged, or it contains
            a symbolic link.
    """
    if not isinstance(directory, str | os.PathLike):
        raise UsageError(f"Expected the path of a run directory. Received {shown(directory)}.")
    fault = path_fault(os.fspath(directory))
    if fault is not None:
        raise UsageError(f"{shown(os.fspath(directory))} is no run directory: {fault}.")
    directory = Path(directory)
    if not directory.is_dir():
        raise RunDirectoryError(f"Expected a run directory. There is no directory {directory}.")
    try:
        return _load(directory)
    except OSError as error:
        place = error.filename or directory
        raise RunDirectoryError(f"{place} cannot be read: {error.strerror or error}.") from error


def _load(directory: Path) -> RunRecord:
    description = _read_json(directory / "run.json", RunDescription.from_json)
    if description is None:
        raise RunDirectoryError(
            f"{directory} is not a run directory of recsearch: it has no run.json. "
            "Give the directory that `recsearch run` named in its last line."
        )
    require_no_links(directory)
    journal = directory / "journal.jsonl"
    state, measurements, trainings = search_record(read_events(journal) if journal.exists() else ())
    tested = _read_json(directory / "best" / "metrics.json", RunMetrics.from_json)
    examples = _read_json(directory / "best" / "examples.json", UserExamples.from_json)
    return RunRecord(directory, description, state, measurements, tested, trainings, examples)


def _read_json(path: Path, from_json: Callable[[Mapping[str, Any]], Stored]) -> Stored | None:
    """Returns the record in a file, or None if there is no such file."""
    try:
        with open_in_run(path, "rb") as file:
            content = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        value = parse_json(content)
        require_flat(value)
        if not isinstance(value, dict):
            raise Mismatch("a JSON object", kind_of(value))
        return from_json(value)
    except Mismatch as mismatch:
        raise RunDirectoryError(f"{path} is damaged: {mismatch}.") from None
