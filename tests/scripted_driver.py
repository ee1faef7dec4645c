"""A driver that reads its decisions from a list, for tests of the study and the loop."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from recsearch.study.decision import Decision, Finish, Plan, Propose
from recsearch.study.trial import Trial


@dataclass
class ScriptedDriver:
    """Proposes `decisions` one after another, then finishes.

    Attributes:
        decisions: What to answer.
        may_be_promoted: Ids that may still be promoted.
    """

    decisions: list[Decision] = field(default_factory=list)
    may_be_promoted: set[str] = field(default_factory=set)

    def plan(self) -> Plan:
        return Plan(len(self.decisions), 0)

    def propose(self, trials: Sequence[Trial]) -> Decision:
        return self.decisions.pop(0) if self.decisions else Finish("the script is over")

    def promotable(self, trials: Sequence[Trial]) -> frozenset[str]:
        return frozenset(self.may_be_promoted)

    def foresee(self, trials: Sequence[Trial]) -> Propose | None:
        following = self.decisions[0] if self.decisions else None
        return following if isinstance(following, Propose) else None
