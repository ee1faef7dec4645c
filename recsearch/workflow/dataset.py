"""Reads, checks and splits the data that the settings name."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from recsearch.config.arguments import PATHS
from recsearch.config.run_config import RunConfig
from recsearch.data.cleaning import TaskData, prepare_task
from recsearch.data.columns import ColumnNames
from recsearch.data.features import load_features, title_column
from recsearch.data.frames import Frame, Source, source_of
from recsearch.data.given_parts import split_given
from recsearch.data.interactions import Features, Interactions, Split
from recsearch.data.readers import Loaded, load_candidates, load_interactions
from recsearch.data.splitting import needs_timestamps, split_interactions
from recsearch.data.synthetic import generate
from recsearch.data.task import Task
from recsearch.data.validated import carried
from recsearch.errors import UsageError


@dataclass(frozen=True)
class Dataset:
    """Split data, before they are prepared for models.

    Attributes:
        task: The prediction task.
        split: Train, validation and test.
        users: User table, or None.
        items: Item table, or None.
        columns: Role -> name of the column that has this role.
        notes: Decisions and dropped rows, as notes for the user.
        fingerprint: SHA-256 of the bytes of the files, or of the values of the tables.
        seed: Seed of the run, also used for random draws while the data are prepared.
    """

    task: Task
    split: Split
    users: Features | None
    items: Features | None
    columns: dict[str, str]
    notes: tuple[str, ...]
    fingerprint: str
    seed: int = 0


def load_dataset(config: RunConfig, frames: Mapping[str, Frame] | None = None) -> Dataset:
    """Reads, checks and splits the data that the settings name.

    Args:
        config: The settings.
        frames: Setting -> table, for tables in memory.

    Raises:
        DataError: If a file cannot be used; reports all faults of the file together.
        UsageError: If the settings are not compatible with the data.
    """
    if config.data is None:
        return _generated(config)
    names = ColumnNames(
        config.user_column,
        config.item_column,
        config.label_column,
        config.timestamp_column,
        config.no_header,
    )
    sources = _sources(config, frames or {})
    loaded = load_interactions(sources["data"], names)
    data = prepare_task(loaded, _task(config), config.positive_from, config.missing_label)
    notes = list(data.notes)
    with carried(notes):
        users, user_notes = _table(sources.get("users"), "user", names, data.interactions.user_id)
        notes += user_notes
        items, item_notes = _table(sources.get("items"), "item", names, data.interactions.item_id)
        notes += item_notes
        split, part_notes = _split(config, sources, data, names, loaded)
    notes += (*part_notes, *split.notes, *_cold_notes(config))
    fingerprint = _fingerprint(sources.values())
    return Dataset(
        data.task, split, users, items, loaded.columns, tuple(notes), fingerprint, config.seed
    )


def _task(config: RunConfig) -> Task | None:
    return None if config.task is None else Task(config.task)


def _generated(config: RunConfig) -> Dataset:
    """Returns the built-in data set, for the given task or for ratings."""
    made = generate()
    loaded = Loaded(made.interactions, {}, True, (), source="the built-in data set")
    data = prepare_task(loaded, _task(config) or Task.RATING, config.positive_from, None)
    split = split_interactions(data.interactions, config.split, data.task, config.seed)
    note = "No --data was given: using the built-in data set, generated with seed 0."
    notes = (note, *data.notes, *split.notes)
    digest = hashlib.sha256(made.interactions.label.tobytes()).hexdigest()
    return Dataset(data.task, split, made.users, made.items, {}, notes, digest, config.seed)


def _table(
    source: Source | None, role: str, names: ColumnNames, like: pa.Array
) -> tuple[Features | None, tuple[str, ...]]:
    return (None, ()) if source is None else load_features(source, role, names, like)


def _split(
    config: RunConfig,
    sources: Mapping[str, Source],
    data: TaskData,
    names: ColumnNames,
    loaded: Loaded,
) -> tuple[Split, tuple[str, ...]]:
    if "test" not in sources:
        _require_times(config, data, loaded)
        return split_interactions(data.interactions, config.split, data.task, config.seed), ()
    test, test_notes = _part(config, sources["test"], data, names)
    validation: Interactions | None = None
    validation_notes: tuple[str, ...] = ()
    if "validation" in sources:
        validation, validation_notes = _part(config, sources["validation"], data, names)
    candidates = None
    if "test_candidates" in sources:
        candidates = load_candidates(sources["test_candidates"], names, data.interactions)
    split = split_given(data.interactions, test, validation, candidates, data.task, config.seed)
    return split, (*test_notes, *validation_notes)


def _cold_notes(config: RunConfig) -> tuple[str, ...]:
    """Returns a note if held-out users (items) have no feature columns."""
    tables = {"cold-users": ("users", config.users), "cold-items": ("items", config.items)}
    side, path = tables.get(config.split or "", ("", ""))
    if path is not None:
        return ()
    return (
        f"Without --{side}, all held-out {side} of a {config.split} split get the same scores.",
    )


def _require_times(config: RunConfig, data: TaskData, loaded: Loaded) -> None:
    """Refuses a split by time if the user chose it and the file's timestamps cannot be read."""
    if data.interactions.timestamp is not None or not loaded.time_fault:
        return
    if config.split is not None and needs_timestamps(config.split):
        raise UsageError(
            f"{loaded.time_fault} A {config.split} split needs timestamps; "
            "to split without timestamps, pass --split random."
        )


def _part(
    config: RunConfig, source: Source, data: TaskData, names: ColumnNames
) -> tuple[Interactions, tuple[str, ...]]:
    """Reads a given test or validation part in the same way as the training part."""
    loaded = load_interactions(source, names, like=data.interactions)
    part = prepare_task(loaded, data.task, config.positive_from, config.missing_label, is_part=True)
    own = [note for note in part.notes if note not in data.notes]
    return part.interactions, tuple(f"{loaded.source}: {note}" for note in own)


def _sources(config: RunConfig, frames: Mapping[str, Frame]) -> dict[str, Source]:
    """Returns setting -> source of its table, for the settings that name a table."""
    named = {name: getattr(config, name) for name in PATHS if name != "out"}
    return {n: source_of(n, text, frames) for n, text in named.items() if text is not None}


def _fingerprint(sources: Iterable[Source]) -> str:
    digest = hashlib.sha256()
    for source in sources:
        if isinstance(source, Frame):
            digest.update(source.digest)
            continue
        files = sorted(p for p in source.rglob("*") if p.is_file()) if source.is_dir() else [source]
        for file in files:
            with file.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def item_titles(items: Features | None) -> pa.Table | None:
    """Returns a table of `id` and `title` of the items, or None if there are no titles."""
    name = title_column(items) if items is not None else None
    if items is None or name is None:
        return None
    ids = items.id.dictionary_decode() if pa.types.is_dictionary(items.id.type) else items.id
    return pa.table({"id": ids, "title": items.columns[name].values})
