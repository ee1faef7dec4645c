"""A configuration and its results: records shared by study, drivers, engines and report."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Scalar = bool | int | float | str
"""The value of a hyperparameter."""


class TrialState(StrEnum):
    """The state of a trial."""

    WAITING = "WAITING"  # for its start, or for its continuation on a higher rung
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"  # between two rungs: may be promoted
    COMPLETED = "COMPLETED"
    STOPPED_EARLY = "STOPPED_EARLY"  # lost its rung; its score still counts
    FAILED = "FAILED"
    INFEASIBLE = "INFEASIBLE"  # never trained (too large); not a failure

    @property
    def is_unfinished(self) -> bool:
        """Whether a result is still to come: the trial waits or runs."""
        return self in (TrialState.WAITING, TrialState.RUNNING)

    @property
    def is_over(self) -> bool:
        """Whether the trial has ended; a paused one has not."""
        return not self.is_unfinished and self is not TrialState.PAUSED

    @property
    def is_lost(self) -> bool:
        """Whether the trial has ended without a score: it failed or was infeasible."""
        return self in (TrialState.FAILED, TrialState.INFEASIBLE)

    @property
    def text(self) -> str:
        """The state in words: "stopped early"."""
        return self.lower().replace("_", " ")


@dataclass(frozen=True)
class Objective:
    """The metric that a search optimises, with its direction."""

    name: str
    direction: str  # "min" or "max"

    @classmethod
    def from_json(cls, known: Mapping[str, Any]) -> "Objective":
        """Returns the objective that a file of a run describes; other keys are ignored."""
        return cls(known["name"], known["direction"])

    def better(self, score: float, other: float | None) -> bool:
        """Returns whether `score` is better than `other`; any score is better than None."""
        if other is None:
            return True
        return score < other if self.direction == "min" else score > other

    def sort_key(self, score: float | None) -> float:
        """Returns a key that sorts the best score first, and a missing score last."""
        if score is None:
            return math.inf
        return score if self.direction == "min" else -score


@dataclass(frozen=True)
class Epoch:
    """One epoch of a learning curve: `epoch` counts from 1, across rungs."""

    epoch: int
    metrics: Mapping[str, float]
    seconds: float


def best_epoch(
    curve: Sequence[Epoch], objective: Objective, up_to: int | None = None
) -> tuple[float, int] | None:
    """Returns (score, epoch) of the best epoch up to `up_to`; None if no score is finite.

    The earliest of equal epochs wins. NaN and infinities never become a score.
    """
    best: tuple[float, int] | None = None
    for point in curve:
        if up_to is not None and point.epoch > up_to:
            break
        score = point.metrics.get(objective.name, math.nan)
        if math.isfinite(score) and objective.better(score, best[0] if best else None):
            best = (score, point.epoch)
    return best


@dataclass(frozen=True)
class Trial:
    """A configuration and its history, replayed from the journal.

    Attributes:
        trial_id: Four digits or more, in the order of proposal: "0007".
        space: The family of the configuration ("neumf").
        values: Bare name -> value; after the first training only the values that the builder read.
        epochs: Epochs to reach in total, by its latest start or promotion.
        state: Its state.
        bracket: Hyperband's bracket, or None.
        rung: Hyperband's rung within the bracket, or None.
        attempt: Number of starts of its current rung; 0 before the first start.
        crashes: Number of worker crashes on this rung.
        curve: One entry per epoch, in order.
        score: The best finite value of the objective, or None.
        best_epoch: The epoch of this value, counted from 1.
        seconds: Training and validation, over all rungs.
        message: Why it failed or is infeasible; empty otherwise.
        checkpoint: Path below the run directory of its last state, or None.
        num_parameters: Size of its model, or None before it was built.
        peak_memory_mb: Peak resident memory of the worker that trained it, in MiB.
        final: Whether the trial is over after `epochs`; False if it may be promoted then.
        model: Fingerprint of its model, or "" if not known.
    """

    trial_id: str
    space: str
    values: Mapping[str, Scalar]
    epochs: int
    state: TrialState = TrialState.WAITING
    bracket: int | None = None
    rung: int | None = None
    attempt: int = 0
    crashes: int = 0
    curve: tuple[Epoch, ...] = ()
    score: float | None = None
    best_epoch: int | None = None
    seconds: float = 0.0
    message: str = ""
    checkpoint: str | None = None
    num_parameters: int | None = None
    peak_memory_mb: float = 0.0
    final: bool = True
    model: str = ""


@dataclass(frozen=True)
class Policy:
    """How long trials last, and which states are kept.

    Attributes:
        keep_best: Number of the best trials that keep the state after their last epoch on disk.
        patience: Epochs without a better score after which a trial ends; None for never.
    """

    keep_best: int = 1
    patience: int | None = None


@dataclass(frozen=True)
class Patience:
    """When a trial that no longer improves ends.

    Attributes:
        objective: The metric that has to improve.
        limit: Epochs without a better score after which the trial ends.
        earlier: The epochs that the trial has already trained.
    """

    objective: Objective
    limit: int
    earlier: tuple[Epoch, ...] = ()

    def is_over(self, curve: Sequence[Epoch]) -> bool:
        """Returns whether the trial ends after these epochs of its assignment."""
        points = (*self.earlier, *curve)
        best = best_epoch(points, self.objective)
        return bool(points) and points[-1].epoch - (best[1] if best else 0) >= self.limit


@dataclass(frozen=True)
class Assignment:
    """The input of a worker for one trial, or one rung of it.

    Attributes:
        trial_id: The trial.
        space: Its family.
        values: Bare name -> value.
        initial_epoch: Epochs already trained; 0 for a fresh start.
        epochs: Epochs to reach in total.
        seed: Seeds initialisation, shuffling and negatives; computed from (search seed, trial id).
        load_checkpoint: Absolute path of the state to continue from, or None.
        save_checkpoint: Absolute path to write the last state to, or None if it is not needed.
        stop_checkpoint: Absolute path with `{epoch}` in it, to write the state to if the user stops
            the search after this epoch, or if the trial ends there and its state is needed;
            None if the trial cannot be stopped early.
        attempt: 1 for the first start of this rung.
        may_continue: Whether the trial may be promoted afterwards.
        patience: When it ends before its last epoch, or None.
    """

    trial_id: str
    space: str
    values: Mapping[str, Scalar]
    initial_epoch: int
    epochs: int
    seed: int
    load_checkpoint: str | None = None
    save_checkpoint: str | None = None
    stop_checkpoint: str | None = None
    attempt: int = 1
    may_continue: bool = False
    patience: Patience | None = None


@dataclass(frozen=True)
class Built:
    """News of a running trial: its builder has returned, training starts."""


@dataclass(frozen=True)
class Outcome:
    """The result of an assignment.

    Attributes:
        state: COMPLETED if all epochs were trained, WAITING if the user stopped it after an epoch,
            STOPPED_EARLY if its time was over, else FAILED or INFEASIBLE.
        curve: Only the epochs of this assignment.
        values: Bare name -> value of the hyperparameters that the builder read.
        seconds: Building, training and validation.
        peak_memory_mb: Peak resident memory of the worker, in MiB.
        num_parameters: Size of the model, or None if it was not built.
        message: Why it failed; empty otherwise.
        checkpoint_saved: Whether `save_checkpoint` (or `stop_checkpoint`) is complete on disk.
        crashed: Whether the worker died; the trial may be tried again.
        stopped_itself: Whether a callback, or patience, ended the training (state COMPLETED): the
            score is final, and the trial is never continued, even after few epochs.
        model: Fingerprint of the model, or "" if it was not built.
        disk_full: Whether the trial failed because the disk has no room.
    """

    state: TrialState
    curve: tuple[Epoch, ...] = ()
    values: Mapping[str, Scalar] = field(default_factory=dict)
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    num_parameters: int | None = None
    message: str = ""
    checkpoint_saved: bool = False
    crashed: bool = False
    stopped_itself: bool = False
    model: str = ""
    disk_full: bool = False
