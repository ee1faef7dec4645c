"""Shows a running search on a terminal: running trials and best trials, updated in place."""

import time

from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from recsearch.console.estimate import ONE_WORKER, Capacity
from recsearch.console.progress import Lines, describe_trial
from recsearch.study.decision import Plan
from recsearch.study.replay import SearchState
from recsearch.study.trial import Trial, TrialState
from recsearch.text.printable import printable_line

SHOWN_WORKERS = 16
SHOWN_TRIALS = 8
SECONDS_PER_DRAWING = 0.25


class LiveTable(Lines):
    """Two tables that are updated during the search: the running trials and the best trials.

    Args:
        capacity: Workers and time of the search.
    """

    def __init__(self, capacity: Capacity = ONE_WORKER) -> None:
        super().__init__(capacity)
        self._live: Live | None = None
        self._next_drawing = 0.0

    def begin_search(self, plan: Plan, state: SearchState) -> None:
        """Prints the plan and opens the tables."""
        super().begin_search(plan, state)
        shown = self._tables(state) if len(state.trials) else Text("workers are starting")
        self._live = Live(shown, console=self.console, refresh_per_second=4, transient=True)
        self._live.start()

    def news(self, state: SearchState, trial_id: str) -> None:
        """Updates the tables, and prints above them why a trial has failed."""
        trial = state.trials[trial_id]
        if trial.state.is_lost:
            self.say(describe_trial(trial, state))
        # Ranking thousands of trials after every short epoch would take longer than the epochs.
        if self._live is not None and time.monotonic() >= self._next_drawing:
            self._next_drawing = time.monotonic() + SECONDS_PER_DRAWING
            self._live.update(self._tables(state))

    def end_search(self, reason: str, state: SearchState) -> None:
        """Closes the tables and prints the best trial."""
        self.close()
        super().end_search(reason, state)

    def close(self) -> None:
        """Closes the tables."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _tables(self, state: SearchState) -> RenderableType:
        running = state.history.in_state(TrialState.RUNNING)
        at_work = Text(f"{len(running)} of {self._capacity.workers} workers busy   ")
        return Group(
            _workers(running, state), _leaders(state), at_work + Text(self.progress(state))
        )


def _workers(running: list[Trial], state: SearchState) -> Table:
    table = Table("running", "space", "epoch", _objective(state), "s per epoch", expand=True)
    for trial in running[:SHOWN_WORKERS]:
        last = trial.curve[-1] if trial.curve else None
        value = last.metrics.get(_objective(state)) if last else None
        table.add_row(
            trial.trial_id,
            Text(printable_line(trial.space)),
            f"{len(trial.curve)} of {trial.epochs}",
            "" if value is None else f"{value:.4f}",
            f"{last.seconds:.1f}" if last else "",
        )
    return table


def _leaders(state: SearchState) -> Table:
    table = Table("best", "space", "state", "epoch", _objective(state), "values", expand=True)
    for trial in state.ranked()[:SHOWN_TRIALS]:
        table.add_row(
            trial.trial_id,
            Text(printable_line(trial.space)),
            trial.state.lower().replace("_", " "),
            str(trial.best_epoch),
            f"{trial.score:.4f}",
            Text(printable_line(_values(trial)), overflow="ellipsis", no_wrap=True),
        )
    return table


def _objective(state: SearchState) -> str:
    return state.objective.name if state.objective else "score"


def _values(trial: Trial) -> str:
    return " ".join(f"{name}={_short(value)}" for name, value in trial.values.items())


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
