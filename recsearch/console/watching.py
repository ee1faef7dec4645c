"""Watching a run of another process, only by its journal."""

import os
import re
import socket
import time
from pathlib import Path

from recsearch.console.progress import Observer
from recsearch.results import load_run
from recsearch.study.events import EpochTrained, Event, StageDone, TrialOver
from recsearch.study.journal import JournalFollower
from recsearch.study.replay import SearchState
from recsearch.system.files import open_in_run

SECONDS_BETWEEN_LOOKS = 0.5
_OWNER = re.compile(rb"pid ([1-9][0-9]{0,8}) on (\S+), since ")
LONGEST_OWNER = 1000  # bytes of the lock file that are read


def watch(directory: Path, observer: Observer, pause: float = SECONDS_BETWEEN_LOOKS) -> None:
    """Reports the events of a run to an observer until the run ends or no process works on it.

    Nothing is locked or written, so the run is not affected.

    Args:
        directory: The run directory.
        observer: Is notified of new events; the state contains the earlier ones.
        pause: Seconds between two reads of the journal.

    Raises:
        RunDirectoryError: If it is no run directory, or its journal is damaged.
    """
    run = load_run(directory)
    plan = run.description.plan
    if plan is None:
        raise run.lacks("plan")
    follower, state = JournalFollower(directory / "journal.jsonl"), SearchState()
    for event in follower.new_events():
        state.apply(event)
    observer.begin_search(plan, state)
    while True:
        reason = _why_over(directory)  # asked first: its last events are still reported
        for event in follower.new_events():
            state.apply(event)
            _tell(observer, event, state)
        if reason is not None:
            observer.end_search(reason, state)
            return
        time.sleep(pause)


def _tell(observer: Observer, event: Event, state: SearchState) -> None:
    if isinstance(event, EpochTrained | TrialOver):
        observer.news(state, event.trial_id)
    elif isinstance(event, StageDone):
        observer.say(f"done: {event.stage.replace('_', ' ')}")


def _why_over(directory: Path) -> str | None:
    """Returns why no more events will come, or None while a process works on the run."""
    if (directory / "best" / "metrics.json").is_file():
        return "the run has ended"
    if not _is_worked_on(directory):
        return f"no process works on it; continue it with `recsearch resume {directory}`"
    return None


def _is_worked_on(directory: Path) -> bool:
    """Returns whether the process in the lock file is alive; on another machine it counts as alive.

    The lock is not acquired: a run that starts at this moment would find it taken.
    """
    try:
        with open_in_run(directory / "lock", "rb") as lock:
            owner = _OWNER.match(lock.read(LONGEST_OWNER))
    except FileNotFoundError:
        return False
    if owner is None:
        return False
    if owner[2] != os.fsencode(socket.gethostname()):
        return True
    try:
        os.kill(int(owner[1]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is alive and belongs to another user
        pass
    return True
