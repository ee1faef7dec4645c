"""Reading a run directory."""

import json
import os
from pathlib import Path
from typing import Any

from recsearch.arguments import path_fault, shown
from recsearch.errors import RunDirectoryError, UsageError
from recsearch.results.records import measure
from recsearch.results.run import Run
from recsearch.tuning.journal import read_events

SCHEMA = 1


def load_run(directory: str | Path) -> Run:
    """Returns the run that a directory holds, finished or not.

    Args:
        directory: As given to, or made by, `recsearch run`.

    Raises:
        UsageError: If it is not a path.
        RunDirectoryError: If it is no run directory, or one of its files is damaged.
    """
    if not isinstance(directory, str | os.PathLike):
        raise UsageError(f"Expected the path of a run directory. Received {shown(directory)}.")
    fault = path_fault(os.fspath(directory))
    if fault is not None:
        raise UsageError(f"{shown(os.fspath(directory))} is no run directory: {fault}.")
    directory = Path(directory)
    if not directory.is_dir():
        raise RunDirectoryError(f"Expected a run directory. There is no directory {directory}.")
    config = _read_json(directory / "run.json")
    if config is None:
        raise RunDirectoryError(
            f"{directory} is not a run directory of recsearch: it has no run.json. "
            "Give the directory that `recsearch run` named in its last line."
        )
    if config.get("schema") != SCHEMA:
        raise RunDirectoryError(
            f"{directory / 'run.json'}: expected schema {SCHEMA}, received "
            f"{config.get('schema')!r}. It was written by another version of recsearch."
        )
    journal = directory / "journal.jsonl"
    state, measurements, trainings = measure(read_events(journal) if journal.exists() else ())
    metrics = _read_json(directory / "best" / "metrics.json")
    examples = _read_json(directory / "best" / "examples.json")
    return Run(directory, config, state, measurements, metrics, trainings, examples)


def _read_json(path: Path) -> dict[str, Any] | None:
    """Returns the object that a file holds, or None if there is no such file."""
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunDirectoryError(f"{path} is damaged: expected JSON, received {error}.") from error
    if not isinstance(value, dict):
        raise RunDirectoryError(f"{path} is damaged: expected a JSON object, received {value!r}.")
    return value
