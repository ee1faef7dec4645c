"""Watching a run that another process works on, by its journal alone."""

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
    """Tells an observer what happens in a run, until it has ended or nobody works on it.

    Nothing is locked or written: the run does not notice.

    Args:
        directory: The run directory.
        observer: Is told what happens from now on; what happened before stands in the state.
        pause: Seconds between two looks at the journal.

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
        reason = _why_over(directory)  # asked first: what it wrote before it ended is still told
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
    """Returns why nothing more is to be seen, or None while the run is worked on."""
    if (directory / "best" / "metrics.json").is_file():
        return "the run has ended"
    if not _is_worked_on(directory):
        return f"nobody works on it; continue it with `recsearch resume {directory}`"
    return None


def _is_worked_on(directory: Path) -> bool:
    """Returns whether the process that the lock names is alive; of another machine, always.

    The lock itself is not tried: a run that begins at that moment would find it taken.
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
    except PermissionError:  # it is alive, and somebody else's
        pass
    return True
