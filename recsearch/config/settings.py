"""The keyword arguments of `recsearch.search` for editors and type checkers."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

Table = Any
"""A path, a DataFrame of pandas or Polars, an Arrow table, or an object with __arrow_c_stream__."""


class Settings(TypedDict, total=False):
    """One key per setting of `RunConfig`; `recsearch.config.descriptions` describes them.

    None means "not given". `set` and `enqueue` also accept dicts of Python values.
    """

    data: Table
    users: Table
    items: Table
    test: Table
    validation: Table
    test_candidates: Table
    user_column: str | None
    item_column: str | None
    label_column: str | None
    timestamp_column: str | None
    task: str | None
    positive_from: float | None
    missing_label: float | None
    no_header: bool
    split: str | None
    tuner: str | None
    objective: str | None
    max_trials: int | None
    max_epochs: int | None
    min_epochs: int | None
    validation_users: int | None
    max_parameters: int | None
    patience: int | None
    trial_minutes: float | None
    minutes: float | None
    final_seeds: int | None
    keep_checkpoints: int | None
    set: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]] | None
    enqueue: str | os.PathLike[str] | Mapping[str, Any] | Sequence[Any] | None
    workers: int | None
    engine: str | None
    address: str | None
    cpus_per_trial: float | None
    gpus_per_trial: float | None
    seed: int | None
    search_only: bool | None
    tensorboard: bool | None
    out: str | os.PathLike[str] | None
