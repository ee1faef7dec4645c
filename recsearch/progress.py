"""What a person sees of a run while it works: a live table on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterable
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from recsearch.tuning.drivers.decision import Plan
from recsearch.tuning.replay import SearchState
from recsearch.tuning.trial import Trial, TrialState

SHOWN_TRIALS = 8
SECONDS_PER_DRAWING = 0.25
LOST = (TrialState.FAILED, TrialState.INFEASIBLE)
UNDER_WAY = (TrialState.WAITING, TrialState.RUNNING)


class Clock:
    """Estimates how long a search will still take, from the pace since its first epoch."""

    def __init__(self) -> None:
        self._begun: float | None = None
        self._before = 0

    def progress(self, plan: Plan, state: SearchState) -> str:
        """Returns how many of the planned epochs are done, and about how long the rest takes.

        The time before the first epoch does not count: workers start once.
        """
        done = state.history.num_epochs
        now = time.monotonic()
        if self._begun is None:
            self._begun, self._before = now, done
        text = f"[{done} of {plan.epochs} epochs"
        if plan.epochs > done > self._before:
            pace = (now - self._begun) / (done - self._before)
            text += f", about {describe_seconds(pace * (plan.epochs - done))} left"
        return text + "]"


class Observer(Protocol):
    """Is told what happens in a run."""

    def say(self, text: str) -> None:
        """Hears one line for people."""

    def begin_search(self, plan: Plan, state: SearchState) -> None:
        """Hears that trials start."""

    def news(self, state: SearchState, trial_id: str) -> None:
        """Hears that a trial has trained an epoch, ended, or paused."""

    def end_search(self, reason: str, state: SearchState) -> None:
        """Hears that no more trials will run."""


class Silent:
    """Shows nothing."""

    def say(self, text: str) -> None:
        """Ignores it."""

    def begin_search(self, plan: Plan, state: SearchState) -> None:
        """Ignores it."""

    def news(self, state: SearchState, trial_id: str) -> None:
        """Ignores it."""

    def end_search(self, reason: str, state: SearchState) -> None:
        """Ignores it."""


class Lines:
    """One plain line for each trial that ends, on standard error."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._plan = Plan(0, 0)
        self._clock = Clock()

    def say(self, text: str) -> None:
        """Prints the line."""
        self._console.print(Text(text))

    def begin_search(self, plan: Plan, state: SearchState) -> None:
        """Prints the plan."""
        self._plan, self._clock = plan, Clock()
        for line in describe_plan(plan):
            self.say(line)

    def news(self, state: SearchState, trial_id: str) -> None:
        """Prints a line if the trial has ended or paused."""
        progress = self._clock.progress(self._plan, state)
        trial = state.trials[trial_id]
        if trial.state not in UNDER_WAY:
            self.say(f"{describe_trial(trial, state)}   {progress}")

    def end_search(self, reason: str, state: SearchState) -> None:
        """Prints why it ended and what is best."""
        self.say(describe_end(reason, state))


class LiveTable(Lines):
    """A table of the best and the running trials that is drawn anew as the search goes on."""

    def __init__(self) -> None:
        super().__init__()
        self._live: Live | None = None
        self._next_drawing = 0.0

    def begin_search(self, plan: Plan, state: SearchState) -> None:
        """Prints the plan and opens the table."""
        super().begin_search(plan, state)
        waiting = Text("workers are starting")
        self._live = Live(waiting, console=self._console, refresh_per_second=4, transient=True)
        self._live.start()

    def news(self, state: SearchState, trial_id: str) -> None:
        """Draws the table anew, and prints why a trial has failed, above it."""
        progress = self._clock.progress(self._plan, state)
        trial = state.trials[trial_id]
        if trial.state in LOST:
            self.say(describe_trial(trial, state))
        # To rank thousands of trials at every epoch of quick ones would cost more than they do.
        if self._live is not None and time.monotonic() >= self._next_drawing:
            self._next_drawing = time.monotonic() + SECONDS_PER_DRAWING
            self._live.update(_table(state, progress))

    def end_search(self, reason: str, state: SearchState) -> None:
        """Closes the table and prints what is best."""
        self.close()
        super().end_search(reason, state)

    def close(self) -> None:
        """Gives the terminal back."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def _table(state: SearchState, progress: str) -> RenderableType:
    objective = state.objective.name if state.objective else "score"
    table = Table("trial", "space", "state", "epoch", objective, "values", expand=True)
    running = state.history.in_state(TrialState.RUNNING)
    for trial in _distinct([*running, *state.ranked()[:SHOWN_TRIALS]]):
        score = "" if trial.score is None else f"{trial.score:.4f}"
        cells = (trial.trial_id, trial.space, trial.state.lower(), str(len(trial.curve)), score)
        table.add_row(*cells, Text(_values(trial), overflow="ellipsis", no_wrap=True))
    return Group(table, Text(progress))


def _distinct(trials: Iterable[Trial]) -> list[Trial]:
    return list({trial.trial_id: trial for trial in trials}.values())


def _values(trial: Trial) -> str:
    return " ".join(f"{name}={_short(value)}" for name, value in trial.values.items())


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def describe_plan(plan: Plan) -> list[str]:
    """Returns the plan in lines."""
    return [f"plan: {plan.configurations} configurations, {plan.epochs} epochs in all", *plan.lines]


def describe_trial(trial: Trial, state: SearchState) -> str:
    """Returns how a trial stands, in a line."""
    objective = state.objective.name if state.objective else "score"
    if trial.state in LOST:
        return f"trial {trial.trial_id} {trial.space}: {trial.state}: {trial.message}"
    score = "none" if trial.score is None else f"{trial.score:.4f}"
    return (
        f"trial {trial.trial_id} {trial.space}: {objective} {score} "
        f"(epoch {trial.best_epoch} of {len(trial.curve)}, {trial.seconds:.1f} s, "
        f"{trial.state.lower().replace('_', ' ')})"
    )


def describe_seconds(seconds: float) -> str:
    """Returns a duration for people: "45 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def describe_end(reason: str, state: SearchState) -> str:
    """Returns why the search ended and what is best, in a line."""
    ranked = state.ranked()
    best = f"; best is {describe_trial(ranked[0], state)}" if ranked else ""
    return f"search over ({reason}): {len(state.trials)} trials{best}"
