"""Prepared data on disk: plain .npy arrays that every worker maps, never copies.

```
<directory>/
  spec.json            the DataSpec
  <part>.<field>.npy   train.user, train.item, train.label, holdout.*, seen.*, candidates.*,
                       and with timestamps order.*
  candidates.json      how the negatives were drawn, if there are lists
  feature.<name>.npy   one array a feature column
  users.parquet        column "id": raw user ids by index - 1   (items.parquet likewise)
```
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recsearch.data.interactions import ColumnKind, Encoded
from recsearch.data.preparation import (
    EncodedCandidates,
    PreparedData,
    SeenItems,
    Vocabularies,
)
from recsearch.data.task import Task
from recsearch.data.time_order import TimeOrder
from recsearch.data.vocabulary import ColumnSpec, DataSpec, Vocabulary


def write_prepared(directory: Path, data: PreparedData, vocabularies: Vocabularies) -> None:
    """Creates `directory` and writes everything into it; the spec last."""
    directory.mkdir(parents=True)
    for name, part in _parts(data).items():
        for field, value in vars(part).items():
            if isinstance(value, np.ndarray):
                np.save(directory / f"{name}.{field}.npy", value)
    for name, array in data.features.items():
        np.save(directory / f"feature.{name}.npy", array)
    if data.candidates is not None:
        drawn = {"drawn": data.candidates.drawn}
        (directory / "candidates.json").write_text(json.dumps(drawn, indent=2))
    pq.write_table(pa.table({"id": vocabularies.users.ids}), directory / "users.parquet")
    pq.write_table(pa.table({"id": vocabularies.items.ids}), directory / "items.parquet")
    (directory / "spec.json").write_text(json.dumps(asdict(data.spec), indent=2))


def _parts(data: PreparedData) -> dict[str, Any]:
    parts: dict[str, Any] = {"train": data.train, "holdout": data.holdout, "seen": data.seen}
    if data.candidates is not None:
        parts["candidates"] = data.candidates
    if data.order is not None:
        parts["order"] = data.order
    return parts


def open_prepared(directory: Path) -> PreparedData:
    """Returns the data that `write_prepared` wrote, mapped from disk, read-only."""

    def array(name: str) -> NDArray[Any]:
        mapped: NDArray[Any] = np.load(directory / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return mapped

    def encoded(part: str) -> Encoded:
        return Encoded(array(f"{part}.user"), array(f"{part}.item"), array(f"{part}.label"))

    spec = read_spec(directory)
    lists = directory / "candidates.json"
    drawn = json.loads(lists.read_text())["drawn"] if lists.exists() else None
    return PreparedData(
        spec=spec,
        train=encoded("train"),
        holdout=encoded("holdout"),
        seen=SeenItems(
            array("seen.offsets"), array("seen.items"), array("seen.age") if spec.has_ages else None
        ),
        features={column.name: array(f"feature.{column.name}") for column in spec.columns},
        candidates=None
        if drawn is None
        else EncodedCandidates(array("candidates.user"), array("candidates.item"), drawn),
        order=TimeOrder(array("order.offsets"), array("order.row")) if spec.has_order else None,
    )


def read_spec(directory: Path) -> DataSpec:
    """Returns the DataSpec of a directory of prepared data."""
    fields = json.loads((directory / "spec.json").read_text())
    for side in ("user_columns", "item_columns"):
        fields[side] = tuple(
            ColumnSpec(**{**column, "kind": ColumnKind(column["kind"])}) for column in fields[side]
        )
    return DataSpec(**{**fields, "task": Task(fields["task"])})


def read_vocabularies(directory: Path) -> Vocabularies:
    """Returns the raw ids of a directory of prepared data."""
    users, items = (
        pq.read_table(directory / f"{name}.parquet").column("id").combine_chunks()
        for name in ("users", "items")
    )
    return Vocabularies(Vocabulary(users), Vocabulary(items))
