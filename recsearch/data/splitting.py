"""Cuts interactions into training, validation and test parts.

The rows of a part keep the order of the input.
Dimension letters: n interactions.
"""

import numpy as np
from numpy.typing import NDArray

from recsearch.data.arrow import codes
from recsearch.data.interactions import Interactions, Split
from recsearch.data.task import SPLIT_METHODS, Task
from recsearch.data.time_order import TimeOrder
from recsearch.errors import DataError, UsageError

HELD_OUT_PERCENT = 10  # of the rows, users or items; for validation and again for test: 80/10/10
MIN_INTERACTIONS = 10  # fewer would leave a held-out part of 10 % empty
MIN_COLD = 10  # users or items of a cold split, for the same reason
MIN_INTERACTIONS_PER_USER = 3  # leave-last-out and leave-one-out: one row for each part
MIN_USERS = 2
MIN_ITEMS = 2

NO_TIMES = (
    "Without timestamps a random interaction of each user is held out (leave-one-out): the metrics "
    "report how well hidden interactions are found, not how well later ones are predicted."
)

_TRAIN, _VALIDATION, _TEST = 0, 1, 2


def default_split(task: Task, has_timestamp: bool) -> str:
    """Returns the default split method of a task.

    Args:
        task: What is learned.
        has_timestamp: Whether the interactions have timestamps.

    Returns:
        "random" for ratings and clicks; for implicit data "leave-last-out", or "leave-one-out"
        without timestamps.
    """
    if task is not Task.IMPLICIT:
        return "random"
    return "leave-last-out" if has_timestamp else "leave-one-out"


def resolve_split_method(method: str | None, task: Task, has_timestamp: bool) -> str:
    """Returns the split method: `method` if the data allow it, the task's default for None.

    Args:
        method: One of `SPLIT_METHODS`, or None.
        task: What is learned.
        has_timestamp: Whether the interactions have timestamps.

    Raises:
        UsageError: If the method is unknown, or needs timestamps and there are none.

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
    - "temporal": the first 80 % of the rows in time, the next 10 %, the last 10 %. Rows with equal
      timestamps are ordered as in the file, so equal timestamps may be on both sides of a cut.
    - "cold-users": a seeded permutation of the users, 80/10/10; each part has all interactions of
      its users, so training knows none of the held-out users. "cold-items": the same for items.
    - "leave-last-out": each user's last interaction is for test, the second last for validation,
      the rest for training; ties as above. All rows of users with fewer than 3 interactions are in
      training, and `notes` gives the number of these users.
    - "leave-one-out": the same with a random order of each user's interactions. It estimates how
      well hidden interactions are found, not how well later ones are predicted; `notes` contains
      this remark unless the method was chosen explicitly.

    Args:
        interactions: n rows, each (user, item) pair once.
        method: One of `SPLIT_METHODS`, or None for the default of the task.
        task: What is learned.
        seed: Seed of the random, leave-one-out and cold splits; the other methods do not use it.

    Raises:
        UsageError: If the method is unknown, or needs timestamps and there are none.
        DataError: If there are too few rows, users or items for the method.
    """
    asked = method
    method = resolve_split_method(method, task, interactions.timestamp is not None)
    _check_size(interactions, method)
    notes: tuple[str, ...] = ()
    rng = np.random.default_rng(seed)
    if method in ("cold-users", "cold-items"):
        what = method.removeprefix("cold-")
        side = interactions.user_id if method == "cold-users" else interactions.item_id
        part = _cold(codes([side])[0], rng)
        description = (
            f"{method}: {HELD_OUT_PERCENT} % of the {what} with all their interactions for "
            f"validation, {HELD_OUT_PERCENT} % for test, seed {seed}"
        )
    elif method == "leave-one-out":
        user = codes([interactions.user_id])[0]
        part, notes = _leave_last_out(user, rng.permutation(len(user)))
        notes = notes if asked else (NO_TIMES, *notes)
        description = (
            "leave-one-out: a random interaction of each user, another one to validation, "
            f"seed {seed}"
        )
    elif interactions.timestamp is None or method == "random":  # the others were refused above
        part = _cut(rng.permutation(len(interactions)))
        description = f"random 80/10/10, seed {seed}"
    elif method == "temporal":
        part = _cut(np.argsort(interactions.timestamp, kind="stable"))
        description = "temporal 80/10/10"
    else:
        part, notes = _leave_last_out(codes([interactions.user_id])[0], interactions.timestamp)
        description = (
            "leave-last-out: each user's last interaction to test, the second-to-last to validation"
        )
    train, validation, test = (interactions.take(part == number) for number in range(3))
    return Split(train, validation, test, description, notes=notes)


def needs_timestamps(method: str) -> bool:
    """Returns whether a split method orders the interactions by time."""
    return method in ("leave-last-out", "temporal")


def _require_timestamps(method: str, has_timestamp: bool) -> None:
    if needs_timestamps(method) and not has_timestamp:
        raise UsageError(
            f"A {method} split needs timestamps. Received interactions without a timestamp column. "
            "Name the column with --timestamp-column, or pass --split random."
        )


def _check_size(interactions: Interactions, method: str) -> None:
    num_rows = len(interactions)
    counts = np.bincount(codes([interactions.user_id])[0])
    num_users, num_items = int(np.count_nonzero(counts)), len(interactions.item_id.unique())
    most = int(counts.max(initial=0))
    faults = []
    divided = {"random": num_rows, "temporal": num_rows, "cold-users": num_users}
    divided["cold-items"] = num_items
    least = MIN_COLD if method.startswith("cold-") else MIN_INTERACTIONS
    found = divided.get(method, least)
    if found < least:
        what = method.removeprefix("cold-") if method.startswith("cold-") else "rows"
        faults.append(
            f"a {method} split needs at least {least} {what}. Received {found}. "
            "Provide more interactions."
        )
    if most < MIN_INTERACTIONS_PER_USER and method in ("leave-last-out", "leave-one-out"):
        faults.append(
            f"a {method} split needs users with at least {MIN_INTERACTIONS_PER_USER} "
            f"interactions. Received {num_users} users with at most {most}. "
            "Provide more interactions, or pass --split random."
        )
    if num_users < MIN_USERS or num_items < MIN_ITEMS:
        faults.append(
            f"at least {MIN_USERS} users and {MIN_ITEMS} items are needed. Received {num_users} "
            f"users and {num_items} items in {num_rows} rows. Check --user-column and "
            "--item-column, or provide more interactions."
        )
    if faults:
        raise DataError("The interactions cannot be split", faults)


def _cut(order: NDArray[np.int64]) -> NDArray[np.int8]:
    """Returns the part of each row, [n]; the last rows in `order` [n] are held out."""
    held_out = len(order) * HELD_OUT_PERCENT // 100
    part = np.full(len(order), _TRAIN, dtype=np.int8)
    part[order[len(order) - 2 * held_out :]] = _VALIDATION
    part[order[len(order) - held_out :]] = _TEST
    return part


def _cold(code: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int8]:
    """Returns the part of each row, [n]; all rows of one user (item) `code` [n] are in one part."""
    present, index = np.unique(code, return_inverse=True)
    return _cut(rng.permutation(len(present)))[index]


def _leave_last_out(
    user: NDArray[np.int64], timestamp: NDArray[np.int64]
) -> tuple[NDArray[np.int8], tuple[str, ...]]:
    later = TimeOrder.of(user, timestamp).num_later()
    counts = np.bincount(user)
    eligible = counts[user] >= MIN_INTERACTIONS_PER_USER
    part = np.full(len(user), _TRAIN, dtype=np.int8)
    part[eligible & (later == 1)] = _VALIDATION
    part[eligible & (later == 0)] = _TEST
    present = counts[counts > 0]
    num_short = int(np.sum(present < MIN_INTERACTIONS_PER_USER))
    if num_short == 0:
        return part, ()
    note = (
        f"{num_short} of {len(present)} users have fewer than {MIN_INTERACTIONS_PER_USER} "
        "interactions: all their rows are in the training part, and they are not evaluated."
    )
    return part, (note,)
