"""Cleaning: drops missing labels and repeated pairs, and determines the task."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recsearch.data.arrow import count_distinct
from recsearch.data.duplicates import last_of_each_pair
from recsearch.data.interactions import Interactions
from recsearch.data.readers import Loaded
from recsearch.data.splitting import MIN_INTERACTIONS, MIN_ITEMS, MIN_USERS
from recsearch.data.task import Task
from recsearch.data.validated import carried
from recsearch.errors import ConfigError, DataError

ZERO_FRACTION = 0.2
"""If at least this fraction of the ratings are 0, zeros are suspected to mean 'not rated'."""


@dataclass(frozen=True)
class TaskData:
    """Interactions that are ready to be split.

    Attributes:
        task: What is learned.
        interactions: Each (user, item) pair once; labels in the form of the task (1 for implicit).
        notes: What was dropped or decided, and why.
    """

    task: Task
    interactions: Interactions
    notes: tuple[str, ...]


def prepare_task(
    loaded: Loaded,
    task: Task | None,
    positive_from: float | None,
    missing_label: float | None,
    *,
    is_part: bool = False,
) -> TaskData:
    """Cleans interactions and determines the task, in this order.

    1. Rows whose label is `missing_label` are dropped.
    2. If a (user, item) pair occurs more than once, its last row is kept. If all labels are 0 and 1
       and the task is not rating, the last row with label 1 is kept instead, if there is one.
    3. The task is detected if it is None.
    4. Labels are checked against the task. For the implicit task they become 1, and
       `positive_from` decides which rows are kept.

    Args:
        loaded: A file's interactions.
        task: What is learned; None detects it from the labels.
        positive_from: Implicit only: labels of at least this value are positives, other rows are
            dropped. With None, each row is a positive.
        missing_label: A label that means "not rated"; None if there is none.
        is_part: Whether this is a test or validation part, which may be small and whose labels may
            all be equal.

    Returns:
        The data of the task, in file order.

    Raises:
        ConfigError: If the settings contradict each other or the data.
        DataError: If the labels are not valid for the task, or too little data remains. The
            message lists all faults.
    """
    _check_settings(loaded, task, positive_from, missing_label)
    notes = list(loaded.notes)
    with carried(notes):
        return _prepared(loaded, task, positive_from, missing_label, notes, is_part=is_part)


def _prepared(
    loaded: Loaded,
    task: Task | None,
    positive_from: float | None,
    missing_label: float | None,
    notes: list[str],
    *,
    is_part: bool,
) -> TaskData:
    kept = _rated_rows(loaded, missing_label, notes)
    interactions = loaded.interactions.take(kept)
    clicks_win = loaded.has_label and task is not Task.RATING
    kept = kept[_deduplicate(interactions, clicks_win, notes)]
    interactions = loaded.interactions.take(kept)
    if task is None:
        task, reason = detect_task(loaded.has_label, interactions.label, positive_from)
        notes.append(reason)
    faults: list[str] = []
    if task is Task.IMPLICIT:
        interactions = _positives(interactions, loaded.has_label, positive_from, notes)
    else:
        faults += _label_faults(task, loaded, interactions.label, kept, is_part)
        notes += _zero_note(task, interactions.label)
    faults += _size_faults(interactions, is_part)
    if faults:
        raise DataError(loaded.source, faults)
    return TaskData(task, interactions, tuple(notes))


def detect_task(
    has_label: bool, label: NDArray[np.float32], positive_from: float | None = None
) -> tuple[Task, str]:
    """Returns the task that the labels [n] suggest, and the reason in a sentence."""
    if positive_from is not None:
        reason = f"labels of at least {positive_from:g} are positives"
        return Task.IMPLICIT, f"Task implicit: {reason}."
    if not has_label:
        return Task.IMPLICIT, "Task implicit: the data have no label column."
    values = np.unique(label)
    if len(values) == 1 and values[0] > 0:
        return Task.IMPLICIT, f"Task implicit: every label is {values[0]:g}."
    if np.array_equal(values, [0, 1]):
        return Task.CLICK, "Task click: the labels are 0 and 1."
    span = f"{len(values)} distinct values from {values[0]:g} to {values[-1]:g}"
    return Task.RATING, f"Task rating: the labels have {span}."


def _check_settings(
    loaded: Loaded, task: Task | None, positive_from: float | None, missing_label: float | None
) -> None:
    faults = []
    if positive_from is not None and task not in (None, Task.IMPLICIT):
        faults.append(
            f"--positive-from {positive_from:g} is for the implicit task only. "
            f"Received --task {task}. Remove one of the two, or pass --task implicit."
        )
    flags = {"--positive-from": positive_from, "--missing-label": missing_label}
    for flag, value in flags.items():
        if value is not None and not loaded.has_label:
            faults.append(
                f"{flag} {value:g} needs labels, but {loaded.source} has no label column. "
                "Name it with --label-column."
            )
    if task in (Task.RATING, Task.CLICK) and not loaded.has_label:
        faults.append(
            f"--task {task} needs labels, but {loaded.source} has no label column. "
            "Name it with --label-column, or pass --task implicit."
        )
    if faults:
        raise ConfigError("Settings that do not fit the data", faults)


def _rated_rows(loaded: Loaded, missing_label: float | None, notes: list[str]) -> NDArray[np.int64]:
    label = loaded.interactions.label
    if missing_label is None:
        return np.arange(len(label))
    kept = np.flatnonzero(label != _as_label(missing_label))
    if not len(kept):
        raise DataError(
            loaded.source,
            [
                f"All {len(label)} labels equal --missing-label {missing_label:g}: no row remains. "
                "Expected at least one other label."
            ],
        )
    dropped = len(label) - len(kept)
    notes.append(
        f"{dropped} of {len(label)} rows were dropped: label {missing_label:g} means 'not rated'."
    )
    return kept


def _deduplicate(
    interactions: Interactions, clicks_win: bool, notes: list[str]
) -> NDArray[np.int64]:
    clicks_win = clicks_win and bool(np.isin(interactions.label, (0, 1)).all())
    found = last_of_each_pair(interactions, clicks_win)
    dropped = len(interactions) - len(found.rows)
    if not dropped:
        return found.rows
    which = "last row in file order" if interactions.timestamp is None else "latest row"
    if clicks_win and found.num_contradicting:
        which = "last row with label 1, or the last row if no label is 1,"
    note = (
        f"{dropped} of {len(interactions)} rows were dropped: their (user, item) pair occurs "
        f"more than once; the {which} was kept."
    )
    if found.num_contradicting:
        note += f" {found.num_contradicting} of these pairs have rows with different labels."
    notes.append(note)
    return found.rows


def _positives(
    interactions: Interactions, has_label: bool, positive_from: float | None, notes: list[str]
) -> Interactions:
    label = interactions.label
    positive = np.ones(len(label), dtype=np.bool_)
    if positive_from is not None:
        positive = label >= _as_label(positive_from)
        notes.append(
            f"{positive.sum()} of {len(label)} rows are positives: "
            f"their label is at least {positive_from:g}."
        )
    elif has_label and len(np.unique(label)) > 1:
        low, high = label.min(), label.max()
        notes.append(
            f"Every row counts as a positive, whatever its label ({low:g} to {high:g}). "
            "To keep only high labels, pass --positive-from."
        )
    kept = interactions.take(positive)
    return replace(kept, label=np.ones(len(kept), dtype=np.float32))


def _as_label(value: float) -> np.float32:
    """Returns the value of a flag in the precision of labels; infinite if it is too large."""
    with np.errstate(over="ignore"):
        return np.float32(value)


def _label_faults(
    task: Task,
    loaded: Loaded,
    label: NDArray[np.float32],
    kept: NDArray[np.int64],
    is_part: bool,
) -> list[str]:
    faults = []
    column = loaded.columns.get("label", "label")
    if task is Task.CLICK:
        wrong = np.flatnonzero((label != 0) & (label != 1))
        if len(wrong):
            row = loaded.file_row(kept[wrong[0]])
            faults.append(
                f"Column '{column}', row {row}: label {label[wrong[0]]:g}. "
                f"The click task expects 0 or 1; {len(wrong)} labels are neither. "
                "Correct them, or pass --task rating."
            )
    if not is_part and len(label) and label.min() == label.max():
        faults.append(
            f"Every label in column '{column}' is {label[0]:g}: there is nothing to learn. "
            "Expected at least two different labels; for interactions without ratings, pass "
            "--task implicit."
        )
    return faults


def _zero_note(task: Task, label: NDArray[np.float32]) -> list[str]:
    zeros = int((label == 0).sum())
    suspect = (
        task is Task.RATING
        and zeros >= ZERO_FRACTION * len(label)
        and label.min() == 0
        and not ((label > 0) & (label < 1)).any()
    )
    if not suspect:
        return []
    return [
        f"{zeros} of {len(label)} labels are 0, which often means 'not rated'. "
        "If so, pass --missing-label 0."
    ]


def _size_faults(interactions: Interactions, is_part: bool) -> list[str]:
    counts = {
        "users": (count_distinct(interactions.user_id), 1 if is_part else MIN_USERS),
        "items": (count_distinct(interactions.item_id), 1 if is_part else MIN_ITEMS),
        "interactions": (len(interactions), 1 if is_part else MIN_INTERACTIONS),
    }
    return [
        f"{count} {what} remain after cleaning. Expected at least {least}. Provide more data."
        for what, (count, least) in counts.items()
        if count < least
    ]
