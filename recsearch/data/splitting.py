"""Cuts interactions into training, validation and test parts, or completes parts that were given.

The part of a row is decided on arrays; the rows of a part keep the order of the input.
Dimension letters: n interactions, m candidate lists.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsearch.data.interactions import Candidates, Interactions, Split, Task
from recsearch.errors import DataError, UsageError

SPLIT_METHODS = ("random", "leave-last-out", "temporal")
HELD_OUT_PERCENT = 10  # of the rows, for validation and again for test: 80/10/10
MIN_ROWS = 10  # fewer would leave a held-out part of 10 % empty
MIN_INTERACTIONS_PER_USER = 3  # leave-last-out: one row for each part
MIN_USERS = 2
MIN_ITEMS = 2

_TRAIN, _VALIDATION, _TEST = 0, 1, 2


def default_split(task: Task, has_timestamp: bool) -> str:
    """Returns the split method of a task for which none was asked.

    Args:
        task: What is to be learned.
        has_timestamp: Whether the interactions have timestamps.

    Returns:
        "random" for ratings and clicks, "leave-last-out" for implicit data.

    Raises:
        UsageError: The task is implicit and there are no timestamps: a random split estimates
            something else, so it must be asked for by name.
    """
    method = "leave-last-out" if task is Task.IMPLICIT else "random"
    _require_timestamps(method, has_timestamp)
    return method


def resolve_split_method(method: str | None, task: Task, has_timestamp: bool) -> str:
    """Returns the method to split by: `method` if it can be used, the task's default for None.

    Args:
        method: One of `SPLIT_METHODS`, or None.
        task: What is to be learned.
        has_timestamp: Whether the interactions have timestamps.

    Raises:
        UsageError: The method is unknown, or needs timestamps that are not there.

    Example:
        >>> resolve_split_method(None, Task.IMPLICIT, has_timestamp=True)
        'leave-last-out'
    """
    if method is None:
        return default_split(task, has_timestamp)
    if method not in SPLIT_METHODS:
        known = ", ".join(SPLIT_METHODS)
        raise UsageError(f"--split must be one of {known}. Received {method!r}.")
    _require_timestamps(method, has_timestamp)
    return method


def split_interactions(
    interactions: Interactions, method: str | None, task: Task, seed: int
) -> Split:
    """Returns the interactions cut into training, validation and test parts.

    - "random": a seeded permutation of the rows, 80/10/10.
    - "temporal": the first 80 % of the rows in time, the next 10 %, the last 10 %. Of rows with
      equal timestamps the later row of the file is the later one, so that equal timestamps may
      stand on both sides of a cut.
    - "leave-last-out": each user's last interaction is for test, the last but one for validation,
      the rest for training; ties as above. Users with fewer than 3 interactions stay wholly in
      training, and `notes` says how many they are.

    Args:
        interactions: n rows, no pair of user and item twice.
        method: One of `SPLIT_METHODS`, or None for the default of the task.
        task: What is to be learned.
        seed: Of the random split; the others do not depend on it.

    Raises:
        UsageError: The method is unknown, or needs timestamps that are not there.
        DataError: Too few rows, users or items for the method.
    """
    method = resolve_split_method(method, task, interactions.timestamp is not None)
    _check_size(interactions, method)
    notes: tuple[str, ...] = ()
    if interactions.timestamp is None or method == "random":  # the others were refused above
        part = _cut(np.random.default_rng(seed).permutation(len(interactions)))
        description = f"random 80/10/10, seed {seed}"
    elif method == "temporal":
        part = _cut(np.argsort(interactions.timestamp, kind="stable"))
        description = "temporal 80/10/10"
    else:
        user = _codes([interactions.user_id])[0]
        part, notes = _leave_last_out(user, interactions.timestamp)
        description = "leave-last-out: each user's last interaction, the last but one to validation"
    train, validation, test = (interactions.take(part == number) for number in range(3))
    return Split(train, validation, test, description, notes=notes)


def split_given(
    train: Interactions,
    test: Interactions,
    validation: Interactions | None,
    candidates: Candidates | None,
    task: Task,
    seed: int,
) -> Split:
    """Returns given parts as a split; cuts the validation part from training where none is given.

    Without a validation part, implicit interactions with timestamps give each user's last
    training interaction (users with one keep it in training); all others give a random 10 % of
    the training rows.

    A pair of user and item that stands in two parts is kept in the later one (training,
    validation, test), as the last of two equal pairs in one file is kept; `notes` says how many
    were dropped. The test part is never changed: where some of its rows have no candidate list,
    `notes` says so, and whoever evaluates by lists evaluates the others only.

    Args:
        train: The training part.
        test: The test part.
        validation: The validation part, or None to cut it from the training part.
        candidates: The lists [m] of a published protocol, or None.
        task: What is to be learned.
        seed: Of the random cut.

    Raises:
        DataError: Ids are text in one part and numbers in another, a part is empty, or the
            positive of a candidate list is no row of the test part.
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
    return Split(train, validation, test, description, candidates, tuple(notes))


def _require_timestamps(method: str, has_timestamp: bool) -> None:
    if method != "random" and not has_timestamp:
        raise UsageError(
            f"A {method} split needs timestamps. Received interactions without a timestamp column. "
            "Name the column with --timestamp-column, or pass --split random."
        )


def _check_size(interactions: Interactions, method: str) -> None:
    num_rows = len(interactions)
    counts = np.bincount(_codes([interactions.user_id])[0])
    num_users, num_items = np.count_nonzero(counts), len(interactions.item_id.unique())
    most = int(counts.max(initial=0))
    faults = []
    if num_rows < MIN_ROWS and method != "leave-last-out":
        faults.append(f"a {method} split needs at least {MIN_ROWS} rows. Received {num_rows}.")
    if most < MIN_INTERACTIONS_PER_USER and method == "leave-last-out":
        faults.append(
            f"a leave-last-out split needs users with at least {MIN_INTERACTIONS_PER_USER} "
            f"interactions. Received {num_users} users with at most {most}. "
            "Bring more interactions, or pass --split random."
        )
    if num_users < MIN_USERS or num_items < MIN_ITEMS:
        faults.append(
            f"at least {MIN_USERS} users and {MIN_ITEMS} items are needed. Received {num_users} "
            f"users and {num_items} items in {num_rows} rows. Check --user-column and "
            "--item-column, or bring more interactions."
        )
    if faults:
        raise DataError("The interactions cannot be split", faults)


def _cut(order: NDArray[np.int64]) -> NDArray[np.int8]:
    """Returns the part of each row, [n]; `order` [n] lists the rows, those held out last."""
    held_out = len(order) * HELD_OUT_PERCENT // 100
    part = np.full(len(order), _TRAIN, dtype=np.int8)
    part[order[len(order) - 2 * held_out :]] = _VALIDATION
    part[order[len(order) - held_out :]] = _TEST
    return part


def _leave_last_out(
    user: NDArray[np.int64], timestamp: NDArray[np.int64]
) -> tuple[NDArray[np.int8], tuple[str, ...]]:
    num_later = _num_later(user, timestamp)
    counts = np.bincount(user)
    eligible = counts[user] >= MIN_INTERACTIONS_PER_USER
    part = np.full(len(user), _TRAIN, dtype=np.int8)
    part[eligible & (num_later == 1)] = _VALIDATION
    part[eligible & (num_later == 0)] = _TEST
    present = counts[counts > 0]
    num_short = int(np.sum(present < MIN_INTERACTIONS_PER_USER))
    if num_short == 0:
        return part, ()
    note = (
        f"{num_short} of {len(present)} users have fewer than {MIN_INTERACTIONS_PER_USER} "
        "interactions: they stay wholly in the training part and are not evaluated."
    )
    return part, (note,)


def _num_later(user: NDArray[np.int64], timestamp: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns how many interactions of the same user are later than each row, [n].

    Of equal timestamps the later row is the later one.
    """
    order = np.lexsort((timestamp, user))  # stable, which breaks ties by row
    past_end = np.cumsum(np.bincount(user))
    num_later = np.empty(len(user), dtype=np.int64)
    num_later[order] = past_end[user[order]] - 1 - np.arange(len(user))
    return num_later


def _validation_rows(train: Interactions, task: Task, seed: int) -> tuple[NDArray[np.bool_], str]:
    """Returns which rows of the training part become validation, [n], and the rule in words."""
    if task is Task.IMPLICIT and train.timestamp is not None:
        user = _codes([train.user_id])[0]
        held_out = (_num_later(user, train.timestamp) == 0) & (np.bincount(user)[user] > 1)
        if not held_out.any():
            raise _no_validation(train, "no user has two training interactions")
        return held_out, "each user's last training interaction"
    if len(train) < MIN_ROWS:
        raise _no_validation(train, f"at least {MIN_ROWS} rows are needed")
    chosen = np.random.default_rng(seed).permutation(len(train))
    held_out = np.zeros(len(train), dtype=np.bool_)
    held_out[chosen[: len(train) * HELD_OUT_PERCENT // 100]] = True
    return held_out, f"random {HELD_OUT_PERCENT} % of the training rows, seed {seed}"


def _no_validation(train: Interactions, reason: str) -> DataError:
    fault = (
        f"no validation part can be cut from it: {reason}. Received {len(train)} rows of "
        f"{len(train.user_id.unique())} users. Bring more rows, or pass --validation."
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
        "the same user and item stand in a later part."
    )
    return part.take(~overlap), [note]


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
            f"user {user!r}, item {item!r}. Check that --test-candidates and --test "
            "belong together."
        )
        raise DataError("The test candidates", [fault])
    num_unlisted = int(np.sum(~np.isin(test, positives)))
    if num_unlisted == 0:
        return []
    return [
        f"{num_unlisted} of {len(test)} test interactions have no candidate list: "
        "only those with a list are evaluated."
    ]


def _check_not_empty(**parts: Interactions) -> None:
    empty = [name for name, part in parts.items() if len(part) == 0]
    if empty:
        sizes = ", ".join(f"{name} {len(part)}" for name, part in parts.items())
        fault = (
            f"each part must have at least one row. Received {sizes} rows, after pairs that stand "
            "in a later part were dropped. Check the files given for these parts."
        )
        raise DataError(f"The {' and '.join(empty)} part cannot be used", [fault])


def _pair_keys(parts: dict[str, Interactions | Candidates]) -> list[NDArray[np.int64]]:
    """Returns a number for each row of each part: equal if and only if user and item are equal."""
    faults = [_type_fault(parts, column) for column in ("user_id", "item_id")]
    if any(faults):
        raise DataError("The given parts do not fit together", [text for text in faults if text])
    user = _codes([part.user_id for part in parts.values()])
    item = _codes([part.item_id for part in parts.values()])
    num_items = 1 + max(int(codes.max(initial=0)) for codes in item)
    return [of_user * num_items + of_item for of_user, of_item in zip(user, item, strict=True)]


def _type_fault(parts: dict[str, Interactions | Candidates], column: str) -> str:
    is_text = {
        name: pa.types.is_dictionary(getattr(part, column).type) for name, part in parts.items()
    }
    if len(set(is_text.values())) == 1:
        return ""
    found = ", ".join(f"{name}: {'text' if text else 'numbers'}" for name, text in is_text.items())
    return (
        f"{column} must be of one type in all parts. Received {found}. "
        "Write the ids in the same way in each file."
    )


def _codes(arrays: Sequence[pa.Array]) -> list[NDArray[np.int64]]:
    """Returns codes from 0 in place of the ids of each array: equal ids, equal codes."""
    ids = pa.concat_arrays(list(arrays))  # unifies the dictionaries of text ids
    encoded = ids if pa.types.is_dictionary(ids.type) else ids.dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return np.split(codes, np.cumsum([len(array) for array in arrays])[:-1])
