"""What a driver may answer, and the interface that every driver has."""

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
    """Continue a paused trial up to `epochs` in all."""

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
    """What a search will cost, as far as it can be known before it starts.

    Attributes:
        configurations: How many different configurations will be trained.
        epochs: Epochs over all of them.
        lines: The details for people, one line each (Hyperband: a line a bracket).
    """

    configurations: int
    epochs: int
    lines: tuple[str, ...] = ()


class Driver(Protocol):
    """Decides what to try; holds no state that the trials do not give."""

    def plan(self) -> Plan:
        """Returns what the search will cost."""

    def propose(self, trials: Sequence[Trial]) -> Decision:
        """Returns the next decision, given all trials in the order of their ids."""

    def promotable(self, trials: Sequence[Trial]) -> frozenset[str]:
        """Returns the ids of the paused trials that may still be promoted."""

    def foresee(self, trials: Sequence[Trial]) -> Propose | None:
        """Returns the next new configuration if no result of a running trial can change it.

        None if it may, or if there will be none. It prepares the proposal and decides nothing.
        """
