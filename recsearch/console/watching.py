"""Watching a run that another process works on, by its journal alone."""

import time
from pathlib import Path

from recsearch.console.progress import Observer
from recsearch.results import load_run
from recsearch.study.decision import Plan
from recsearch.study.journal import Event, JournalFollower
from recsearch.study.replay import SearchState
from recsearch.system.files import is_worked_on

SECONDS_BETWEEN_LOOKS = 0.5
_NEWS = ("epoch", "trial_paused", "trial_ended")


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
    planned = load_run(directory).needed("plan")
    plan = Plan(planned["configurations"], planned["epochs"], tuple(planned["lines"]))
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
    if event["event"] in _NEWS:
        observer.news(state, event["trial_id"])
    elif event["event"] == "stage":
        observer.say(f"done: {event['stage'].replace('_', ' ')}")


def _why_over(directory: Path) -> str | None:
    """Returns why nothing more is to be seen, or None while the run is worked on."""
    if (directory / "best" / "metrics.json").is_file():
        return "the run has ended"
    if not is_worked_on(directory):
        return f"nobody works on it; continue it with `recsearch resume {directory}`"
    return None
