"""A run directory: creating it, writing data/, and making paths absolute."""

import shutil
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from recsearch.config.arguments import PATHS
from recsearch.config.run_config import RunConfig
from recsearch.data.preparation import PreparedData, Vocabularies, concatenate, prepare
from recsearch.data.store import write_prepared
from recsearch.data.task import Task
from recsearch.data.validation_lists import draw_lists
from recsearch.errors import UsageError
from recsearch.system.files import make_directory, rename_durably
from recsearch.workflow.dataset import Dataset, item_titles

MAX_NAME = 100
"""Maximum characters of the space names in a directory name; file systems allow 255 bytes."""


def prepare_search(dataset: Dataset) -> tuple[PreparedData, Vocabularies]:
    """Returns the data of the search: the training part, with the validation part held out.

    If the test part is ranked in given candidate lists, the validation part is ranked in random
    lists of the same length.
    """
    split = dataset.split
    data, vocabularies = prepare(
        split.train, split.validation, dataset.task, users=dataset.users, items=dataset.items
    )
    if split.candidates is not None and dataset.task is Task.IMPLICIT:
        lists = draw_lists(data, split.candidates.num_negatives, dataset.seed)
        data = replace(data, candidates=lists)
    return data, vocabularies


def write_data(
    directory: Path, dataset: Dataset, searched: tuple[PreparedData, Vocabularies]
) -> None:
    """Writes data/: `search` without the test part, `final` with it; completely or not at all."""
    partial = directory / "data.partial"
    shutil.rmtree(partial, ignore_errors=True)  # left by a killed process
    write_prepared(partial / "search", *searched)
    write_prepared(partial / "final", *prepare_final(dataset))
    titles = item_titles(dataset.items)
    if titles is not None:
        pq.write_table(titles, partial / "titles.parquet")
    rename_durably(partial, directory / "data")


def prepare_final(dataset: Dataset) -> tuple[PreparedData, Vocabularies]:
    """Returns train + validation as arrays, with the test part held out."""
    split = dataset.split
    return prepare(
        concatenate(split.train, split.validation),
        split.test,
        dataset.task,
        users=dataset.users,
        items=dataset.items,
        candidates=split.candidates,
    )


def new_directory(config: RunConfig) -> Path:
    """Creates the directory of a new run and returns it.

    Raises:
        UsageError: If `--out` names a directory that is not empty or cannot be created.
    """
    if config.out is not None:
        directory = Path(config.out)
        if directory.is_dir() and not _is_unused(directory):
            raise UsageError(
                f"{directory} exists and is not empty; recsearch never overwrites a run. Continue "
                f"it with `recsearch resume {directory}`, or pass another --out."
            )
    else:
        names = "-".join(Path(space.partition(":")[0]).stem for space in config.spaces)
        names = names[:MAX_NAME]
        directory = _unused(Path("runs") / f"{datetime.now():%Y%m%d-%H%M%S}-{names}")
    try:
        make_directory(directory)
    except OSError as error:
        raise UsageError(f"{directory} cannot be created: {error}. Pass another --out.") from error
    return directory


def _is_unused(directory: Path) -> bool:
    """Returns whether there are only files of a run that was killed before writing run.json."""
    return all(path.name == "lock" or path.suffix == ".partial" for path in directory.iterdir())


def _unused(path: Path) -> Path:
    """Returns the first of path, path-2, path-3, ... that does not exist."""
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate


def absolute_paths(config: RunConfig, in_memory: Collection[str] = ()) -> RunConfig:
    """Returns the settings with absolute paths, so that `resume` works from any directory.

    Args:
        config: The settings.
        in_memory: Settings whose table is in memory; they have no path.
    """
    paths = {n: getattr(config, n) for n in PATHS if n != "out" and n not in in_memory}
    found: dict[str, Any] = {n: str(Path(p).resolve()) for n, p in paths.items() if p is not None}
    spaces = tuple(_absolute_reference(space) for space in config.spaces)
    enqueue = tuple(
        str(Path(text).resolve()) if text.endswith(".json") else text for text in config.enqueue
    )
    return replace(config, spaces=spaces, enqueue=enqueue, **found)


def _absolute_reference(reference: str) -> str:
    location, colon, attribute = reference.partition(":")
    if not location.endswith(".py"):
        return reference
    return f"{Path(location).resolve()}{colon}{attribute}"
