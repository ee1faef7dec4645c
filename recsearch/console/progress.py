"""Reports the progress of a run in plain lines; `live_table` shows tables instead."""

from typing import Protocol

from rich.console import Console
from rich.text import Text

from recsearch.console.estimate import ONE_WORKER, Capacity, remaining_seconds
from recsearch.study.decision import Plan
from recsearch.study.replay import SearchState
from recsearch.study.trial import Trial, TrialState
from recsearch.text.printable import printable_line
from recsearch.text.wording import duration_text

MAX_LINE = 2_000  # characters per progress line
MAX_NAME = 80  # characters of a family name in a progress line


class Observer(Protocol):
    """Receives the events of a run."""

    def say(self, text: str) -> None:
        """Shows one line to the user."""

    def begin_search(self, plan: Plan, state: SearchState) -> None:
        """Is called before the first trial starts."""

    def news(self, state: SearchState, trial_id: str) -> None:
        """Is called when a trial has trained an epoch, ended or paused."""

    def end_search(self, reason: str, state: SearchState) -> None:
        """Is called when no more trials will run."""


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
    """One plain line per finished trial, on standard error.

    Args:
        capacity: Workers and time of the search, for the estimate of the remaining time.
        verbose: Whether to print one line per epoch as well.
    """

    def __init__(self, capacity: Capacity = ONE_WORKER, *, verbose: bool = False) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._plan = Plan(0, 0)
        self._capacity = capacity
        self._verbose = verbose

    def say(self, text: str) -> None:
        """Prints the line; terminal control characters are shown as text."""
        self.console.print(Text(printable_line(text, MAX_LINE)))

    def begin_search(self, plan: Plan, state: SearchState) -> None:
        """Prints the plan."""
        self._plan = plan
        for line in describe_plan(plan, self._capacity):
            self.say(line)

    def news(self, state: SearchState, trial_id: str) -> None:
        """Prints a line if the trial has ended or paused; with `verbose` also after each epoch."""
        trial = state.trials[trial_id]
        if not trial.state.is_unfinished:
            self.say(f"{describe_trial(trial, state)}   {self.progress(state)}")
        elif self._verbose and trial.state is TrialState.RUNNING and trial.curve:
            self.say(describe_epoch(trial))

    def progress(self, state: SearchState) -> str:
        """Returns the progress of the search."""
        return describe_progress(self._plan, state, self._capacity)

    def end_search(self, reason: str, state: SearchState) -> None:
        """Prints why the search ended, and the best trial."""
        self.say(describe_end(reason, state))


def describe_plan(plan: Plan, capacity: Capacity = ONE_WORKER) -> list[str]:
    """Returns the plan as lines."""
    at_a_time = f", {capacity.workers} at a time" if capacity.workers > 1 else ""
    total = f"plan: {plan.configurations} configurations{at_a_time}, {plan.epochs} epochs in total"
    return [total, *plan.lines]


def describe_progress(plan: Plan, state: SearchState, capacity: Capacity) -> str:
    """Returns the number of finished and planned epochs, and the estimated remaining time."""
    done = state.history.num_epochs
    text = f"[{done} of {plan.epochs} epochs"
    left = remaining_seconds(plan, state, capacity) if plan.epochs > done else None
    if left is not None:
        text += f", about {duration_text(round(left))} left"
    return text + "]"


def describe_epoch(trial: Trial) -> str:
    """Returns the last epoch of a trial as one line."""
    last = trial.curve[-1]
    metrics = ", ".join(f"{name} {value:.4f}" for name, value in last.metrics.items())
    return f"{_name(trial)}: epoch {last.epoch} of {trial.epochs}: {metrics} ({last.seconds:.1f} s)"


def _name(trial: Trial) -> str:
    return f"trial {trial.trial_id} {printable_line(trial.space, MAX_NAME)}"


def describe_trial(trial: Trial, state: SearchState) -> str:
    """Returns the state of a trial as one line."""
    objective = state.objective.name if state.objective else "score"
    if trial.state.is_lost:
        return f"{_name(trial)}: {trial.state}: {trial.message}"
    score = "none" if trial.score is None else f"{trial.score:.4f}"
    return (
        f"{_name(trial)}: {objective} {score} "
        f"(epoch {trial.best_epoch} of {len(trial.curve)}, {trial.seconds:.1f} s, "
        f"{trial.state.text})"
    )


def describe_end(reason: str, state: SearchState) -> str:
    """Returns the reason of the end and the best trial as one line."""
    ranked = state.ranked()
    best = f"; best: {describe_trial(ranked[0], state)}" if ranked else ""
    return f"search ended ({reason}): {len(state.trials)} trials{best}"
