"""Reading a run directory."""

import os
from pathlib import Path
from typing import Any

from recsearch.errors import RunDirectoryError, UsageError
from recsearch.results import shapes
from recsearch.results.record import RunRecord
from recsearch.results.records import measure
from recsearch.study.aliases import with_current_name, with_current_names
from recsearch.study.journal import read_events
from recsearch.system.files import open_in_run, require_no_links
from recsearch.text.json_shapes import Mismatch, Shape, kind_of, parse_json, require_flat
from recsearch.text.shown import path_fault, shown

SCHEMA = 1


def load_run(directory: str | Path) -> RunRecord:
    """Returns the run that a directory holds, finished or not.

    Args:
        directory: As given to, or made by, `recsearch run`.

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
    config = _read_config(directory)
    require_no_links(directory)
    journal = directory / "journal.jsonl"
    state, measurements, trainings = measure(read_events(journal) if journal.exists() else ())
    metrics = _read_metrics(directory)
    examples = _read_json(directory / "best" / "examples.json", shapes.EXAMPLES)
    return RunRecord(directory, config, state, measurements, metrics, trainings, examples)


def _read_config(directory: Path) -> dict[str, Any]:
    path = directory / "run.json"
    config = _read_json(path, _run_of_this_schema)
    if config is None:
        raise RunDirectoryError(
            f"{directory} is not a run directory of recsearch: it has no run.json. "
            "Give the directory that `recsearch run` named in its last line."
        )
    space = [with_current_name(entry) for entry in config.get("space", ())]
    return {**config, "space": space} if space else config


def _read_metrics(directory: Path) -> dict[str, Any] | None:
    metrics = _read_json(directory / "best" / "metrics.json", shapes.METRICS)
    winner = (metrics or {}).get("winner", {})
    if "hyperparameters" in winner:
        winner["hyperparameters"] = with_current_names(winner["hyperparameters"])
    return metrics


def _run_of_this_schema(value: Any) -> None:
    schema = value.get("schema")
    if isinstance(schema, bool) or schema != SCHEMA:
        received = schema if isinstance(schema, int | None) else kind_of(schema)
        raise Mismatch(
            f"schema {SCHEMA}", f"{received}. It was written by another version of recsearch"
        )
    shapes.RUN(value)


def _read_json(path: Path, shape: Shape) -> dict[str, Any] | None:
    """Returns the object that a file holds, or None if there is no such file."""
    try:
        with open_in_run(path, "rb") as file:
            content = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        value: Any = parse_json(content)
        require_flat(value)
        if not isinstance(value, dict):
            raise Mismatch("a JSON object", kind_of(value))
        shape(value)
    except Mismatch as mismatch:
        raise RunDirectoryError(f"{path} is damaged: {mismatch}.") from None
    found: dict[str, Any] = value
    return found
