"""Random search (Bergstra and Bengio, JMLR 2012): the defaults first, then samples, none twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recsearch.config.run_config import RunConfig
from recsearch.errors import ConfigError
from recsearch.study.decision import Decision, Finish, Plan, Propose, Wait
from recsearch.study.history import History
from recsearch.study.trial import Objective, Trial
from recsearch.tuning.space.sampling import (
    count_configurations,
    next_configuration,
    tried_configurations,
)

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

DEFAULT_MAX_TRIALS = 20
"""Configurations to try without --max-trials; the plan of Hyperband has its own number."""


@dataclass(frozen=True)
class RandomDriver:
    """Tries each family's defaults, then random configurations, each of them once.

    Attributes:
        space: The search space.
        objective: Not used: a random search ignores scores. It is a field because all drivers are
            created with the same arguments.
        seed: Any whole number from 0; nearby seeds give independent searches.
        max_trials: How many configurations are tried.
        max_epochs: How many epochs each is trained.

    Raises:
        ConfigError: `seed` is negative, or `max_trials` or `max_epochs` is below 1.
    """

    space: "HyperParameters"
    objective: Objective
    seed: int
    max_trials: int
    max_epochs: int

    def __post_init__(self) -> None:
        lowest = {"seed": 0, "max_trials": 1, "max_epochs": 1}
        faults = [
            f"{name} must be at least {low}. Received: {getattr(self, name)}. Raise it to {low}."
            for name, low in lowest.items()
            if getattr(self, name) < low
        ]
        if faults:
            raise ConfigError("The search cannot be planned", faults)

    def plan(self) -> Plan:
        """Returns the cost of the search; a space with fewer configurations costs less."""
        count = count_configurations(self.space, limit=self.max_trials)
        configurations = self.max_trials if count is None else count
        unit = "epoch" if self.max_epochs == 1 else "epochs"
        line = f"{configurations} configurations x {self.max_epochs} {unit}"
        return Plan(configurations, configurations * self.max_epochs, (line,))

    def propose(self, trials: Sequence[Trial]) -> Decision:
        """Returns the next configuration, or that the search waits or has ended."""
        all_proposed = len(trials) >= self.max_trials
        if not all_proposed:
            configuration = next_configuration(self.space, self.seed, trials)
            if configuration is not None:
                return Propose(*configuration, epochs=self.max_epochs)
        if History.of(trials).unfinished():
            return Wait()
        if all_proposed:
            unit = "trial" if len(trials) == 1 else "trials"
            return Finish(f"the limit of {len(trials)} {unit} was reached")
        tried = tried_configurations(self.space, trials)
        return Finish(f"all {len(tried)} configurations have been tried")

    def promotable(self, trials: Sequence[Trial]) -> frozenset[str]:
        """Returns nothing: each trial is trained in one go."""
        return frozenset()

    def foresee(self, trials: Sequence[Trial]) -> Propose | None:
        """Returns the next configuration, which depends only on the number of trials."""
        decision = self.propose(trials)
        return decision if isinstance(decision, Propose) else None


def from_settings(
    config: RunConfig, hyperparameters: "HyperParameters", objective: Objective
) -> RandomDriver:
    """Returns the driver of a run."""
    max_trials = config.max_trials or DEFAULT_MAX_TRIALS
    return RandomDriver(hyperparameters, objective, config.seed, max_trials, config.max_epochs)
