"""Watching a run of another process, only by its journal."""

import time
from pathlib import Path

from recsearch.console.progress import Observer
from recsearch.results import load_run
from recsearch.study.events import EpochTrained, Event, StageDone, TrialOver
from recsearch.study.journal import JournalFollower
from recsearch.study.replay import SearchState
from recsearch.system.files import is_worked_on

SECONDS_BETWEEN_LOOKS = 0.5


def watch(directory: Path, observer: Observer, pause: float = SECONDS_BETWEEN_LOOKS) -> None:
    """Reports the events of a run to an observer until the run ends or no process works on it.

    Nothing is locked or written, so the run is not affected.

    Args:
        directory: The run directory.
        observer: Receives the new events; the state contains the earlier ones.
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
    if not is_worked_on(directory):
        return f"no process works on it; continue it with `recsearch resume {directory}`"
    return None
