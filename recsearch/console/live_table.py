"""A run on a terminal while it works: what the workers do and the best trials, drawn anew."""

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
    """Two tables that are drawn anew as the search goes on: the running trials, and the best.

    Args:
        capacity: What the search has to work with.
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
        """Draws the tables anew, and prints why a trial has failed, above them."""
        trial = state.trials[trial_id]
        if trial.state.is_lost:
            self.say(describe_trial(trial, state))
        # To rank thousands of trials at every epoch of quick ones would cost more than they do.
        if self._live is not None and time.monotonic() >= self._next_drawing:
            self._next_drawing = time.monotonic() + SECONDS_PER_DRAWING
            self._live.update(self._tables(state))

    def end_search(self, reason: str, state: SearchState) -> None:
        """Closes the tables and prints what is best."""
        self.close()
        super().end_search(reason, state)

    def close(self) -> None:
        """Gives the terminal back."""
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
    table = Table("running", "space", "epoch", _objective(state), "s an epoch", expand=True)
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
