"""Completes given parts: removes overlaps, and cuts a validation part if none was given.

Dimension letters: n interactions, m candidate lists.
"""

from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsearch.data.arrow import codes
from recsearch.data.interactions import Candidates, Interactions, Split
from recsearch.data.splitting import HELD_OUT_PERCENT, MIN_INTERACTIONS
from recsearch.data.task import Task
from recsearch.data.time_order import TimeOrder
from recsearch.errors import DataError


def split_given(
    train: Interactions,
    test: Interactions,
    validation: Interactions | None,
    candidates: Candidates | None,
    task: Task,
    seed: int,
) -> Split:
    """Returns given parts as a split; cuts a validation part from training if none was given.

    For implicit interactions with timestamps, the validation part is each user's last training
    interaction (users with only one keep it in training). Otherwise it is a random 10 % of the
    training rows.

    A (user, item) pair that occurs in two parts is kept only in the later one (training,
    validation, test), just as the last of two equal pairs in one file is kept; `notes` gives the
    number of dropped rows. The test part is never changed. If some of its rows have no candidate
    list, `notes` says so, and only the rows with a list are evaluated.

    Args:
        train: The training part.
        test: The test part.
        validation: The validation part, or None to cut it from the training part.
        candidates: The lists [m] of a published protocol, or None.
        task: What is learned.
        seed: Seed of the random cut.

    Raises:
        DataError: If ids are text in one part and numbers in another, a part is empty, or the
            positive of a candidate list is not a row of the test part.
    """
    parts = {"training": train, "validation": validation, "test": test, "candidates": candidates}
    given = {name: part for name, part in parts.items() if part is not None}
    keys = dict(zip(given, _pair_keys(given), strict=True))
    notes: list[str] = []
    if candidates is not None:
        notes += _check_candidates(candidates, keys["candidates"], keys["test"])
    later = np.concatenate([keys[name] for name in ("validation", "test") if name in keys])
    train, dropped = _drop(train, np.isin(keys["training"], later), "training")
    notes += dropped
    if validation is None:
        _check_not_empty(training=train, test=test)
        held_out, rule = _validation_rows(train, task, seed)
        train, validation = train.take(~held_out), train.take(held_out)
        description = f"test part as given; validation: {rule}"
    else:
        overlap = np.isin(keys["validation"], keys["test"])
        validation, dropped = _drop(validation, overlap, "validation")
        notes += dropped
        description = "validation and test parts as given"
    _check_not_empty(training=train, validation=validation, test=test)
    train, validation, dropped = _timed_alike(train, validation)
    notes += dropped
    return Split(train, validation, test, description, candidates, tuple(notes))


def _validation_rows(train: Interactions, task: Task, seed: int) -> tuple[NDArray[np.bool_], str]:
    """Returns which rows of the training part become validation, [n], and the rule in words."""
    if task is Task.IMPLICIT and train.timestamp is not None:
        user = codes([train.user_id])[0]
        held_out = (TimeOrder.of(user, train.timestamp).num_later() == 0) & (
            np.bincount(user)[user] > 1
        )
        if not held_out.any():
            raise _no_validation(train, "no user has two training interactions")
        return held_out, "each user's last training interaction"
    if len(train) < MIN_INTERACTIONS:
        raise _no_validation(train, f"at least {MIN_INTERACTIONS} rows are needed")
    chosen = np.random.default_rng(seed).permutation(len(train))
    held_out = np.zeros(len(train), dtype=np.bool_)
    held_out[chosen[: len(train) * HELD_OUT_PERCENT // 100]] = True
    return held_out, f"random {HELD_OUT_PERCENT} % of the training rows, seed {seed}"


def _no_validation(train: Interactions, reason: str) -> DataError:
    fault = (
        f"no validation part can be cut from it: {reason}. Received {len(train)} rows of "
        f"{len(train.user_id.unique())} users. Provide more rows, or pass --validation."
    )
    return DataError("The training part", [fault])


def _drop(
    part: Interactions, overlap: NDArray[np.bool_], name: str
) -> tuple[Interactions, list[str]]:
    """Returns `part` without the rows of the mask `overlap` [n], and a note if there were any."""
    num_dropped = int(overlap.sum())
    if num_dropped == 0:
        return part, []
    note = (
        f"{num_dropped} of {len(part)} {name} interactions were dropped: "
        "the same (user, item) pair also occurs in a later part."
    )
    return part.take(~overlap), [note]


def _timed_alike(
    train: Interactions, validation: Interactions
) -> tuple[Interactions, Interactions, list[str]]:
    """Returns both parts with timestamps or both without, and a note if some were dropped.

    The final model is trained on both parts, so an order that only one part has cannot be used.
    """
    if (train.timestamp is None) == (validation.timestamp is None):
        return train, validation, []
    note = "Timestamps are not used: only one of the training and validation parts has them."
    return replace(train, timestamp=None), replace(validation, timestamp=None), [note]


def _check_candidates(
    candidates: Candidates, positives: NDArray[np.int64], test: NDArray[np.int64]
) -> list[str]:
    """Returns a note on test rows without a list; raises if a positive [m] is no test row."""
    strays = np.flatnonzero(~np.isin(positives, test))
    if len(strays):
        first = int(strays[0])
        user, item = candidates.user_id[first].as_py(), candidates.item_id[first].as_py()
        fault = (
            "the user and positive of each list must be a row of the test part. "
            f"{len(strays)} of {len(positives)} are not; the first is list {first + 1}: "
            f"user {user!r}, item {item!r}. Check that --test-candidates "
            "and --test belong to the same data."
        )
        raise DataError("The test candidates", [fault])
    num_unlisted = int(np.sum(~np.isin(test, positives)))
    if num_unlisted == 0:
        return []
    return [
        f"{num_unlisted} of {len(test)} test interactions have no candidate list: "
        "only the interactions with a list are evaluated."
    ]


def _check_not_empty(**parts: Interactions) -> None:
    empty = [name for name, part in parts.items() if len(part) == 0]
    if empty:
        sizes = ", ".join(f"{name} {len(part)}" for name, part in parts.items())
        fault = (
            f"each part must have at least one row. Received {sizes} rows, after pairs that also "
            "occur in a later part were dropped. Check the files given for these parts."
        )
        raise DataError(f"The {' and '.join(empty)} part cannot be used", [fault])


def _pair_keys(parts: dict[str, Interactions | Candidates]) -> list[NDArray[np.int64]]:
    """Returns a number for each row of each part: equal if and only if user and item are equal."""
    faults = [_type_fault(parts, column) for column in ("user_id", "item_id")]
    if any(faults):
        raise DataError("The given parts do not fit together", [text for text in faults if text])
    user = codes([part.user_id for part in parts.values()])
    item = codes([part.item_id for part in parts.values()])
    num_items = 1 + max(int(code.max(initial=0)) for code in item)
    return [of_user * num_items + of_item for of_user, of_item in zip(user, item, strict=True)]


def _type_fault(parts: dict[str, Interactions | Candidates], column: str) -> str:
    is_text = {
        name: pa.types.is_dictionary(getattr(part, column).type) for name, part in parts.items()
    }
    if len(set(is_text.values())) == 1:
        return ""
    found = ", ".join(f"{name}: {'text' if text else 'numbers'}" for name, text in is_text.items())
    return (
        f"{column} must have the same type in all parts. Received {found}. "
        "Write the ids in the same way in each file."
    )
