"""The decisions of a driver, and the interface of all drivers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from recsearch.study.trial import Scalar, Trial


@dataclass(frozen=True)
class Propose:
    """Start a new configuration.

    Attributes:
        space: The family.
        values: Bare name -> value of every active hyperparameter of the family.
        epochs: Epochs to train.
        final: False if the trial pauses after these epochs and may be promoted.
        bracket: Hyperband's bracket, else None.
        rung: Hyperband's rung, else None.
    """

    space: str
    values: Mapping[str, Scalar]
    epochs: int
    final: bool = True
    bracket: int | None = None
    rung: int | None = None


@dataclass(frozen=True)
class Promote:
    """Continue a paused trial up to `epochs` in total."""

    trial_id: str
    epochs: int
    rung: int
    final: bool


@dataclass(frozen=True)
class Wait:
    """Nothing can be decided before a running trial ends."""


@dataclass(frozen=True)
class Finish:
    """The search is over."""

    reason: str


Decision = Propose | Promote | Wait | Finish


@dataclass(frozen=True)
class Plan:
    """The size of a search, as far as it is known before the search starts.

    Attributes:
        configurations: Number of different configurations.
        epochs: Epochs over all of them.
        lines: Details for the user (Hyperband: one line per bracket).
    """

    configurations: int
    epochs: int
    lines: tuple[str, ...] = ()


class Driver(Protocol):
    """Decides what to try next; it is a pure function of the trials."""

    def plan(self) -> Plan:
        """Returns the size of the search."""

    def propose(self, trials: Sequence[Trial]) -> Decision:
        """Returns the next decision, given all trials in the order of their ids."""

    def promotable(self, trials: Sequence[Trial]) -> frozenset[str]:
        """Returns the ids of the paused trials that may still be promoted."""

    def foresee(self, trials: Sequence[Trial]) -> Propose | None:
        """Returns the next new configuration if no result of a running trial can change it.

        None if a result can change it, or if there will be none. Nothing is decided: the proposal
        is only prepared.
        """
