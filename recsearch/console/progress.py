"""What a person is told of a run while it works, in plain lines; `live_table` draws instead."""

from typing import Protocol

from rich.console import Console
from rich.text import Text

from recsearch.console.estimate import ONE_WORKER, Capacity, remaining_seconds
from recsearch.study.decision import Plan
from recsearch.study.replay import SearchState
from recsearch.study.trial import Trial, TrialState
from recsearch.text.printable import printable_line
from recsearch.text.wording import duration_text

MAX_LINE = 2_000  # characters of a line of progress
MAX_NAME = 80  # characters of the name of a family in it


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
    """One plain line for each trial that ends, on standard error.

    Args:
        capacity: What the search has to work with, for the estimate of the time that is left.
        verbose: Whether each epoch is a line as well.
    """

    def __init__(self, capacity: Capacity = ONE_WORKER, *, verbose: bool = False) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._plan = Plan(0, 0)
        self._capacity = capacity
        self._verbose = verbose

    def say(self, text: str) -> None:
        """Prints the line; commands to the terminal are shown as text."""
        self.console.print(Text(printable_line(text, MAX_LINE)))

    def begin_search(self, plan: Plan, state: SearchState) -> None:
        """Prints the plan."""
        self._plan = plan
        for line in describe_plan(plan, self._capacity):
            self.say(line)

    def news(self, state: SearchState, trial_id: str) -> None:
        """Prints a line if the trial has ended or paused, and of an epoch if all are asked for."""
        trial = state.trials[trial_id]
        if not trial.state.is_unfinished:
            self.say(f"{describe_trial(trial, state)}   {self.progress(state)}")
        elif self._verbose and trial.state is TrialState.RUNNING and trial.curve:
            self.say(describe_epoch(trial))

    def progress(self, state: SearchState) -> str:
        """Returns how far the search has come."""
        return describe_progress(self._plan, state, self._capacity)

    def end_search(self, reason: str, state: SearchState) -> None:
        """Prints why it ended and what is best."""
        self.say(describe_end(reason, state))


def describe_plan(plan: Plan, capacity: Capacity = ONE_WORKER) -> list[str]:
    """Returns the plan in lines."""
    at_a_time = f", {capacity.workers} at a time" if capacity.workers > 1 else ""
    total = f"plan: {plan.configurations} configurations{at_a_time}, {plan.epochs} epochs in all"
    return [total, *plan.lines]


def describe_progress(plan: Plan, state: SearchState, capacity: Capacity) -> str:
    """Returns how many of the planned epochs are done, and about how long the rest takes."""
    done = state.history.num_epochs
    text = f"[{done} of {plan.epochs} epochs"
    left = remaining_seconds(plan, state, capacity) if plan.epochs > done else None
    if left is not None:
        text += f", about {duration_text(left)} left"
    return text + "]"


def describe_epoch(trial: Trial) -> str:
    """Returns what the last epoch of a trial came to, in a line."""
    last = trial.curve[-1]
    metrics = ", ".join(f"{name} {value:.4f}" for name, value in last.metrics.items())
    return f"{_name(trial)}: epoch {last.epoch} of {trial.epochs}: {metrics} ({last.seconds:.1f} s)"


def _name(trial: Trial) -> str:
    return f"trial {trial.trial_id} {printable_line(trial.space, MAX_NAME)}"


def describe_trial(trial: Trial, state: SearchState) -> str:
    """Returns how a trial stands, in a line."""
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
    """Returns why the search ended and what is best, in a line."""
    ranked = state.ranked()
    best = f"; best is {describe_trial(ranked[0], state)}" if ranked else ""
    return f"search over ({reason}): {len(state.trials)} trials{best}"
