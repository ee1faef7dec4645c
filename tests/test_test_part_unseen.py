"""No code path of the search reads a test row: other test rows change nothing before the end.

Whole runs are made twice, with test parts that have no row, label, id or candidate in common; the
number of negatives of a list is part of the protocol, and stays.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from small_run import write_builder

from recsearch.config.run_config import RunConfig, make_config
from recsearch.console.progress import Silent
from recsearch.errors import SearchError
from recsearch.study.decision import Plan
from recsearch.study.replay import SearchState
from recsearch.workflow.dataset import Dataset, load_dataset
from recsearch.workflow.directory import prepare_search, write_data

NUM_USERS, NUM_ITEMS = 12, 15
LABELS = {"rating": (1, 5), "implicit": (1, 1), "click": (0, 1)}

Rows = NDArray[np.int64]
"""[n, 4]: user, item, label, timestamp."""


def write(path: Path, rows: Rows, columns: str = "user_id,item_id,label,timestamp") -> str:
    np.savetxt(path, rows, fmt="%d", delimiter=",", header=columns, comments="")
    return str(path)


def known_rows(rng: np.random.Generator, task: str) -> Rows:
    """Returns 120 training and validation rows, in order of time; user 1 has item 1 among them."""
    pairs = rng.permutation(NUM_USERS * NUM_ITEMS)[:120]
    pairs[0] = 0
    pairs = np.unique(pairs)
    user, item = 1 + pairs // NUM_ITEMS, 1 + pairs % NUM_ITEMS
    low, high = LABELS[task]
    label = rng.integers(low, high + 1, len(pairs))
    label[:2] = low, high
    return np.column_stack([user, item, label, rng.permutation(len(pairs))])


def held_out_rows(rng: np.random.Generator, task: str, known: Rows, variant: int) -> Rows:
    """Returns test rows of the variant 0 or 1: known and new users and items, no known pair."""
    pair = np.arange(NUM_USERS * NUM_ITEMS)
    seen = (known[:, 0] - 1) * NUM_ITEMS + known[:, 1] - 1
    free = np.setdiff1d(pair, seen)
    free = free[free % 2 == variant][: 10 + 5 * variant]
    new = 100 * (1 + variant) + np.arange(4)
    user, item = np.append(1 + free // NUM_ITEMS, new), np.append(1 + free % NUM_ITEMS, new)
    low, high = LABELS[task]
    label = rng.integers(low, high + 1, len(user))
    return np.column_stack([user, item, label, 10_000 * (1 + variant) + rng.permutation(len(user))])


def write_parts(folder: Path, task: str, seed: int, variant: int) -> dict[str, Any]:
    """Writes the files of a run whose test part alone depends on the variant."""
    folder.mkdir(parents=True)
    known = known_rows(np.random.default_rng(seed), task)
    rng = np.random.default_rng([seed, variant])
    test = held_out_rows(rng, task, known, variant)
    columns = np.column_stack([np.arange(1, 300), 1900 + np.arange(1, 300) % 7])
    found = {
        "data": write(folder / "train.csv", known),
        "test": write(folder / "test.csv", test),
        "items": write(folder / "items.csv", columns, "item_id,year"),
        "users": write(folder / "users.csv", columns, "user_id,age"),
        "task": task,
        "seed": seed,
    }
    if task == "implicit":
        negatives = rng.integers(1, NUM_ITEMS + 1, (len(test), 3))
        lists = np.column_stack([test[:, :2], negatives])
        found["test_candidates"] = write(folder / "lists.csv", lists, "user_id,item_id,a,b,c")
    return found


def write_file(folder: Path, task: str, seed: int, variant: int, split: str) -> dict[str, Any]:
    """Writes one file; of the rows that the split takes for test, item and label are changed."""
    folder.mkdir(parents=True)
    rows = known_rows(np.random.default_rng(seed), task)
    found = {"task": task, "seed": seed, "split": split}
    found["data"] = write(folder / "all.csv", rows)
    test = load_dataset(make_config(found)).split.test
    assert test.timestamp is not None
    held_out = np.isin(rows[:, 3], test.timestamp)
    low, high = LABELS[task]
    rows[held_out, 1] = 100 * (1 + variant) + np.arange(held_out.sum())
    rows[held_out, 2] = low if variant else high
    write(folder / "all.csv", rows)
    return found


def prepared_files(folder: Path, settings: Mapping[str, Any]) -> tuple[Dataset, dict[str, bytes]]:
    """Returns the data set, and every file of the data that the search reads."""
    dataset = load_dataset(make_config(settings))
    write_data(folder, dataset, prepare_search(dataset))
    return dataset, {path.name: path.read_bytes() for path in (folder / "data/search").iterdir()}


def pairs(part: Any) -> set[tuple[int, int]]:
    return set(zip(part.user_id.to_pylist(), part.item_id.to_pylist(), strict=True))


@settings(max_examples=12, deadline=None)
@given(task=st.sampled_from(sorted(LABELS)), seed=st.integers(0, 10**6))
def test_given_test_parts_leave_no_trace_in_the_data_of_the_search(
    tmp_path_factory: pytest.TempPathFactory, task: str, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    made = [
        prepared_files(
            folder / str(variant), write_parts(folder / str(variant), task, seed, variant)
        )
        for variant in (0, 1)
    ]
    (first, first_files), (other, other_files) = made
    assert not pairs(first.split.test) & pairs(other.split.test)
    assert first_files == other_files
    assert ("candidates.item.npy" in first_files) == (task == "implicit")
    assert {"spec.json", "holdout.item.npy", "feature.item_year.npy"} < first_files.keys()


@settings(max_examples=12, deadline=None)
@given(
    split=st.sampled_from(["random", "leave-last-out", "leave-one-out", "temporal", "cold-users"]),
    task=st.sampled_from(sorted(LABELS)),
    seed=st.integers(0, 10**6),
)
def test_split_off_test_rows_leave_no_trace_in_the_data_of_the_search(
    tmp_path_factory: pytest.TempPathFactory, split: str, task: str, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("file")
    made = [
        prepared_files(
            folder / str(variant), write_file(folder / str(variant), task, seed, variant, split)
        )
        for variant in (0, 1)
    ]
    (first, first_files), (other, other_files) = made
    assert len(first.split.test) > 0
    assert not pairs(first.split.test) & pairs(other.split.test)
    assert first_files == other_files


class WithoutFinalData(Silent):
    """Takes the data of the final evaluation away as soon as the search begins."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.reason = ""

    def begin_search(self, plan: Plan, state: SearchState) -> None:
        shutil.rmtree(self.directory / "data" / "final")

    def end_search(self, reason: str, state: SearchState) -> None:
        self.reason = reason


def search_without_final_data(config: RunConfig, directory: Path) -> tuple[Any, list[Any]]:
    """Runs until the final evaluation finds nothing; returns what is known then.

    Returns:
        What run.json says of the search, and the journal without times.
    """
    from recsearch.workflow.flow import run

    observer = WithoutFinalData(directory)
    with pytest.raises(SearchError, match=r"FileNotFoundError.*final"):
        run(config, load_dataset(config), [], observer)
    assert observer.reason
    described = json.loads((directory / "run.json").read_text())
    lines = (directory / "journal.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    return described, [_without_clock(event) for event in events]


def _without_clock(value: Any) -> Any:
    clocks = ("time", "seconds", "peak_memory_mb", "worker", "pid")
    if isinstance(value, dict):
        return {k: _without_clock(v) for k, v in value.items() if k not in clocks}
    return [_without_clock(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize("task", ["rating", "implicit"])
def test_search_ends_without_the_test_part_and_is_the_same_with_any(
    tmp_path: Path, task: str
) -> None:
    made = []
    for variant in (0, 1):
        folder = tmp_path / str(variant)
        files = write_parts(folder, task, seed=3, variant=variant)
        out = folder / "run"
        config = make_config(
            {
                **files,
                "spaces": [f"{write_builder(folder)}:build"],
                "tuner": "random",
                "max_trials": 2,
                "max_epochs": 2,
                "engine": "inline",
                "out": str(out),
            }
        )
        made.append(search_without_final_data(config, out))
    (first, first_events), (other, other_events) = made
    for key in ("space", "plan", "objective", "validation_protocol"):
        assert first[key] == other[key]
    assert first["data"]["fingerprint"] != other["data"]["fingerprint"]
    assert first["data"]["test"] != other["data"]["test"]
    assert [event["event"] for event in first_events].count("epoch") == 4
    stages = [event["stage"] for event in first_events if event["event"] == "stage"]
    assert stages[0] == "searched"
    assert not {"retrained", "tested"} & set(stages)
    assert first_events == other_events
