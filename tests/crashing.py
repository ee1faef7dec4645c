"""Searches over a table that are killed, or find no room, at any chosen change of the disk.

    python crashing.py FOLDER '[{"name": "kills", "driver": "hyperband"}]'

For each campaign it searches once without a fault, in FOLDER/<name>/whole, then with a fault at
each change of the disk in turn, in a forked child, and resumes that search here to its end. Prints
what happened as JSON. It is a process of its own because it forks: Keras Tuner imports TensorFlow,
and nothing of that may have run.
"""

import builtins
import gc
import io
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from errno import ENOSPC
from pathlib import Path
from typing import Any

from simulation import LOSS, square
from table_lookup import TableEngine

from recsearch.errors import RunDirectoryError
from recsearch.study.decision import Driver
from recsearch.study.journal import read_events
from recsearch.study.replay import replay
from recsearch.study.study import Study
from recsearch.tuning.drivers.bayesian import BayesianDriver
from recsearch.tuning.drivers.hyperband import HyperbandDriver
from recsearch.tuning.drivers.random import RandomDriver
from recsearch.tuning.loop import Budget, search

TOLD = 3  # exit status of a child that ended with one clear error


@dataclass(frozen=True)
class Campaign:
    """Searches that differ in their faults alone.

    Attributes:
        name: Of its folder.
        driver: "hyperband" (9 epochs, factor 3), "random" or "bayesian" (8 trials of 2 epochs).
        full: Whether a fault is a full disk from then on, instead of a kill.
        plan: "each" change fails once, in ways that take turns; "all": once in every way; "chain":
            a search is killed again and again, each life a little later than the last; "twice":
            each change is torn, and in the next life the fifth, where a state that was complete
            already may be written once more.
        every: Only each so many-th of these searches.
        workers: How many trials are under way at a time.
    """

    name: str
    driver: str
    full: bool = False
    plan: str = "each"
    every: int = 1
    workers: int = 1


@dataclass(frozen=True)
class Order:
    """One search and its faults.

    Attributes:
        campaign: What it has in common with others.
        directory: Where it runs.
        at: At which change of the disk, counted from 0, each life in turn has its fault; the last
            life, which is not in the list, has none.
        kind: "before" the change, "after" it, or "torn": a write of which half is done.
    """

    campaign: Campaign
    directory: str
    at: tuple[int, ...] = ()
    kind: str = "before"


@dataclass(frozen=True)
class Life:
    """How one life ended.

    Attributes:
        status: Exit status; negative for a signal.
        unfinished: The trials that were waiting or running.
        missing: The trials whose state should have been on disk and was not.
        torn: Whether the last line of the journal was cut off.
        error: What went wrong in the life without a fault.
    """

    status: int
    unfinished: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    torn: bool = False
    error: str = ""


@dataclass
class Disk:
    """Everything that this process changes below a directory, with a fault at one change."""

    directory: str
    at: int | None = None
    kind: str = "before"
    full: bool = False
    changes: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Puts itself before the calls that change files; there is no way back."""
        for name in ("replace", "rename", "unlink"):
            setattr(os, name, self._watched(name, getattr(os, name)))
        watched = self.opened(io.open)
        io.open = builtins.open = watched  # type: ignore[assignment]  # pathlib uses the former

    def _watched(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(path: Any, *others: Any, **options: Any) -> Any:
            if not str(path).startswith(self.directory):
                return call(path, *others, **options)
            return self.change(name, lambda: call(path, *others, **options))

        return watched

    def opened(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Returns `io.open` with a watch on what is opened for writing."""

        def opened(
            path: Any, mode: str = "r", buffering: int = -1, *others: Any, **options: Any
        ) -> Any:
            if mode not in ("ab", "xb") or not str(path).startswith(self.directory):
                return call(path, mode, buffering, *others, **options)
            file = WatchedFile(path, mode[0], self)
            return file if buffering == 0 else io.BufferedWriter(file)

        return opened

    def change(
        self, name: str, act: Callable[[], Any], act_half: Callable[[], Any] | None = None
    ) -> Any:
        """Acts, but for the fault if it is its turn."""
        number = len(self.changes)
        self.changes.append(name)
        if self.full and self.at is not None and number > self.at and act_half:
            raise OSError(ENOSPC, os.strerror(ENOSPC))
        if number != self.at:
            return act()
        if self.full:
            return self._find_no_room(act, act_half)
        if self.kind == "after":
            act()
        elif self.kind == "torn" and act_half:
            act_half()
        os.kill(os.getpid(), signal.SIGKILL)

    def _find_no_room(self, act: Callable[[], Any], act_half: Callable[[], Any] | None) -> Any:
        if act_half is None:
            return act()  # what takes no room is done
        if self.kind == "torn":
            return act_half()
        raise OSError(ENOSPC, os.strerror(ENOSPC))


class WatchedFile(io.FileIO):
    """A file open for writing whose every write(2) is a change of the disk."""

    def __init__(self, path: Any, mode: str, disk: Disk) -> None:
        super().__init__(path, mode)
        self._disk = disk

    def write(self, data: Any) -> int:
        data = bytes(data)
        half = data[: len(data) // 2]
        write = super().write
        written: int = self._disk.change("write", lambda: write(data), lambda: write(half))
        return written

    def truncate(self, size: int | None = None) -> int:
        cut = super().truncate
        length: int = self._disk.change("truncate", lambda: cut(size))
        return length


def make_driver(name: str) -> Driver:
    if name == "hyperband":
        return HyperbandDriver(square(), LOSS, seed=0, max_epochs=9)
    driver = RandomDriver if name == "random" else BayesianDriver
    return driver(square(), LOSS, seed=0, max_trials=8, max_epochs=2)


def live(order: Order) -> None:
    """Searches from where the journal ends to the end of the search."""
    campaign, directory = order.campaign, Path(order.directory)
    study = Study(directory, make_driver(campaign.driver), LOSS, seed=0)
    try:
        if "searched" not in study.state.stages:
            engine = TableEngine(directory.with_suffix(".log"), campaign.workers)
            reason = search(study, engine, Budget(), lambda message: None)
            study.stage("searched", {"reason": reason})
    finally:
        study.close()


def live_and_die(order: Order, at: int) -> Life:
    """Lives in a child that has its fault at one change; returns how it ended."""
    child = os.fork()
    if child == 0:
        os._exit(_status(order, at))
    _, ended = os.waitpid(child, 0)
    directory = Path(order.directory)
    journal = directory / "journal.jsonl"
    trials = replay(read_events(journal)).trials.values() if journal.exists() else ()
    return Life(
        status=os.waitstatus_to_exitcode(ended),
        unfinished=tuple(trial.trial_id for trial in trials if trial.state.is_unfinished),
        missing=tuple(
            trial.trial_id
            for trial in trials
            if not trial.state.is_over
            and trial.checkpoint
            and not (directory / trial.checkpoint).is_file()
        ),
        torn=journal.exists() and not (b"\n" + journal.read_bytes()).endswith(b"\n"),
    )


def _status(order: Order, at: int) -> int:
    """Lives with a fault; returns the exit status, or never."""
    Disk(order.directory, at, order.kind, order.campaign.full).watch()
    try:
        live(order)
    except (OSError, RunDirectoryError) as error:
        full = "is full" if isinstance(error, RunDirectoryError) else os.strerror(ENOSPC)
        if full in str(error):
            return TOLD
        traceback.print_exc()
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def carry_out(order: Order) -> list[Life]:
    """Returns how each life with a fault ended, and then the one without."""
    Path(order.directory).mkdir()
    lives: list[Life] = []
    try:
        for at in order.at:
            lives.append(live_and_die(order, at))
            if lives[-1].status == 0:
                return lives
        live(order)
        lives.append(Life(0))
    except Exception:
        lives.append(Life(1, error=traceback.format_exc()))
    return lives


def count_changes(order: Order) -> list[str]:
    """Searches in a child without a fault; returns the changes that it made on the disk."""
    Path(order.directory).mkdir()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            disk = Disk(order.directory)
            disk.watch()
            live(order)
            os.write(writer, json.dumps(disk.changes).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        changes: list[str] = json.load(file)
    os.waitpid(child, 0)
    return changes


def kinds(change: str, full: bool) -> list[str]:
    """Returns the ways in which a change can fail."""
    if full:
        return ["before", "torn"] if change == "write" else []
    return ["before", "torn", "after"] if change == "write" else ["before", "after"]


def plan(campaign: Campaign, changes: Sequence[str]) -> Iterator[tuple[tuple[int, ...], str]]:
    """Yields (at, kind) of each search of a campaign."""
    if campaign.plan == "chain":
        lives = tuple(range(5, len(changes), 5))
        yield from ((lives, kind) for kind in kinds("write", campaign.full))
        return
    if campaign.plan == "twice":
        yield from (((at, 4), "torn") for at in range(len(changes)))
        return
    for at, change in enumerate(changes):
        found = kinds(change, campaign.full)
        if campaign.plan == "each" and found:
            found = [found[at % len(found)]]
        yield from (((at,), kind) for kind in found)


def carry_out_all(campaign: Campaign, folder: Path) -> dict[str, Any]:
    """Returns the changes of the disk, and of each search its faults and lives."""
    folder.mkdir()
    changes = count_changes(Order(campaign, str(folder / "whole")))
    searches = []
    for at, kind in list(plan(campaign, changes))[:: campaign.every]:
        name = "-".join([kind, *map(str, at[:1])])
        lives = carry_out(Order(campaign, str(folder / name), at, kind))
        searches.append({"name": name, "lives": [asdict(life) for life in lives]})
    return {"changes": changes, "searches": searches}


def main() -> None:
    folder, campaigns = Path(sys.argv[1]), [Campaign(**c) for c in json.loads(sys.argv[2])]
    os.fsync = lambda descriptor: (
        None
    )  # a kill loses nothing that the kernel holds; waiting is slow
    gc.freeze()  # collections in a child would copy every page of what was imported
    json.dump({c.name: carry_out_all(c, folder / c.name) for c in campaigns}, sys.stdout)


if __name__ == "__main__":
    main()
