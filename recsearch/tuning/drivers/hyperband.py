"""Hyperband (Li et al., JMLR 2018): many short trainings, of which the best are continued.

A bracket is a sequence of rungs. Its rung 0 trains many configurations for few epochs; each
further rung continues the best of the rung below. Brackets differ in how strictly they select. The
number of brackets, their sizes and epochs are those of Keras Tuner 1.4.8 (`HyperbandOracle`, one
iteration), where each bracket has about the same cost. The bookkeeping differs: here a failed trial
counts as a loser of its rung and leaves no empty place, so failures cannot block a bracket.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from recsearch.config.run_config import RunConfig
from recsearch.errors import ConfigError
from recsearch.study.decision import Decision, Finish, Plan, Promote, Propose, Wait
from recsearch.study.history import History
from recsearch.study.trial import Objective, Trial, TrialState
from recsearch.tuning.space.sampling import (
    count_configurations,
    next_configuration,
    tried_configurations,
)

if TYPE_CHECKING:
    from keras_tuner import HyperParameters


@dataclass(frozen=True)
class Rung:
    """The number of configurations that a rung trains, and the epoch up to which it trains them."""

    size: int
    epochs: int


@dataclass(frozen=True)
class Bracket:
    """One successive halving; bracket 0 trains all its configurations completely."""

    number: int
    rungs: tuple[Rung, ...]


def hyperband_brackets(max_epochs: int, factor: int, min_epochs: int = 1) -> tuple[Bracket, ...]:
    """Returns the brackets, the strictest first.

    Source: `HyperbandOracle._get_num_brackets`, `_get_size` and `_get_epochs` of Keras Tuner
    1.4.8, floating-point arithmetic included. With E = ceil(1 + log_factor(max_epochs)), rung r of
    bracket b trains ceil(E / (b + 1) * factor^(b - r)) configurations up to epoch
    ceil(max_epochs / factor^(b - r)).
    """
    num_brackets = 0
    epochs: float = max_epochs
    while epochs >= min_epochs:
        epochs /= factor
        num_brackets += 1
    end_size = math.ceil(1 + math.log(max_epochs, factor))
    return tuple(
        Bracket(
            number,
            tuple(
                Rung(
                    size=math.ceil(end_size / (number + 1) * factor ** (number - rung)),
                    epochs=math.ceil(max_epochs / factor ** (number - rung)),
                )
                for rung in range(number + 1)
            ),
        )
        for number in reversed(range(num_brackets))
    )


@dataclass(frozen=True)
class HyperbandDriver:
    """Runs the brackets asynchronously: a trial that can start never waits for others.

    A paused trial is promoted as soon as no unfinished trial of its rung can change the decision.
    Meanwhile other brackets start.

    Attributes:
        space: The search space.
        objective: Ranks the trials of a rung, by their best value up to the rung's last epoch.
        seed: Any whole number from 0; nearby seeds give independent searches.
        max_epochs: Epochs of a completely trained trial.
        factor: One of `factor` configurations is promoted, to `factor` times the epochs.
        min_epochs: Brackets whose first rung would train fewer epochs are left out.
        max_trials: The largest number of configurations; promotions do not count.

    Raises:
        ConfigError: If `seed` is negative, `factor` below 2, `max_epochs` or `max_trials` below 1,
            or `min_epochs` outside 1 to `max_epochs`.
    """

    space: "HyperParameters"
    objective: Objective
    seed: int
    max_epochs: int
    factor: int = 3
    min_epochs: int = 1
    max_trials: int | None = None

    def __post_init__(self) -> None:
        lowest = {"seed": 0, "max_epochs": 1, "factor": 2, "min_epochs": 1, "max_trials": 1}
        given = {name: getattr(self, name) for name in lowest}
        faults = [
            f"{name} must be at least {lowest[name]}. Received: {value}. Raise it."
            for name, value in given.items()
            if value is not None and value < lowest[name]
        ]
        if self.min_epochs > self.max_epochs:
            faults.append(
                f"min_epochs must be at most max_epochs, {self.max_epochs}. "
                f"Received: {self.min_epochs}. Lower min_epochs or raise max_epochs."
            )
        if faults:
            raise ConfigError("Hyperband cannot be planned", faults)

    def plan(self) -> Plan:
        """Returns the cost, with brackets limited by `max_trials` and by the size of the space."""
        brackets = self._brackets()
        available = sum(bracket.rungs[0].size for bracket in brackets)
        if self.max_trials is not None:
            available = min(available, self.max_trials)
        count = count_configurations(self.space, limit=available)
        shrunk = list(_shrink(brackets, available if count is None else count))
        return Plan(
            configurations=sum(bracket.rungs[0].size for bracket in shrunk),
            epochs=sum(_num_epochs(bracket) for bracket in shrunk),
            lines=tuple(_describe(bracket) for bracket in shrunk),
        )

    def propose(self, trials: Sequence[Trial]) -> Decision:
        """Returns a promotion if one is certain, else a new configuration if a bracket has room."""
        history = History.of(trials)
        decision = (
            self._promotion(history, rung_0_is_closed=False)
            or self._proposal(history)
            or self._promotion(history, rung_0_is_closed=True)
        )
        if decision is not None:
            return decision
        if history.unfinished():
            return Wait()
        return Finish(self._reason(history))

    def promotable(self, trials: Sequence[Trial]) -> frozenset[str]:
        """Returns the paused trials that can still be promoted.

        The rank of a trial can only get worse when more trials of its rung finish, so all other
        paused trials have lost.
        """
        history = History.of(trials)
        return frozenset(
            trial.trial_id
            for bracket in self._open_brackets(history)
            for index, standing in enumerate(self._standings(bracket, history, False))
            for trial in standing.ranked[: _next_size(bracket, index)]
            if _is_paused_at(trial, bracket, index)
        )

    def foresee(self, trials: Sequence[Trial]) -> Propose | None:
        """Returns the next new configuration; promotions before it do not change it."""
        return self._proposal(History.of(trials))

    def _brackets(self) -> tuple[Bracket, ...]:
        return hyperband_brackets(self.max_epochs, self.factor, self.min_epochs)

    def _open_brackets(self, history: History) -> list[Bracket]:
        """Returns the brackets in which a trial waits for the decision on its promotion."""
        numbers = {trial.bracket for trial in history.in_state(TrialState.PAUSED)}
        return [bracket for bracket in self._brackets() if bracket.number in numbers]

    def _promotion(self, history: History, rung_0_is_closed: bool) -> Promote | None:
        for bracket in self._open_brackets(history):
            standings = self._standings(bracket, history, rung_0_is_closed)
            # The highest rung first: it is nearest to a result.
            for index in reversed(range(len(bracket.rungs) - 1)):
                standing = standings[index]
                decided = max(0, _next_size(bracket, index) - standing.num_pending)
                for trial in standing.ranked[:decided]:
                    if _is_paused_at(trial, bracket, index):
                        return _promote(trial, bracket, index + 1)
        return None

    def _proposal(self, history: History) -> Propose | None:
        if self.max_trials is not None and len(history) >= self.max_trials:
            return None
        bracket = self._bracket_with_room(history)
        if bracket is None:
            return None
        configuration = next_configuration(self.space, self.seed, history)
        if configuration is None:
            return None
        return Propose(
            *configuration,
            epochs=bracket.rungs[0].epochs,
            final=len(bracket.rungs) == 1,
            bracket=bracket.number,
            rung=0,
        )

    def _bracket_with_room(self, history: History) -> Bracket | None:
        for bracket in self._brackets():
            if history.size_of_bracket(bracket.number) < bracket.rungs[0].size:
                return bracket
        return None

    def _standings(
        self, bracket: Bracket, history: History, rung_0_is_closed: bool
    ) -> "list[_Standing]":
        """Returns the standings of each rung of a bracket, rung 0 first."""
        size = history.size_of_bracket(bracket.number)
        expected = size if rung_0_is_closed else bracket.rungs[0].size
        standings = []
        for index, rung in enumerate(bracket.rungs):
            expected = min(expected, rung.size)
            ranked, num_ended = _rank(bracket, index, history, self.objective)
            num_pending = max(0, expected - len(ranked) - num_ended)
            standings.append(_Standing(ranked, num_pending))
            expected = len(ranked) + num_pending
        return standings

    def _reason(self, history: History) -> str:
        if self._bracket_with_room(history) is None:
            return "all brackets are complete"
        if self.max_trials is not None and len(history) >= self.max_trials:
            return f"the limit of {len(history)} configurations was reached"
        tried = tried_configurations(self.space, history)
        return f"all {len(tried)} configurations have been tried"


@dataclass(frozen=True)
class _Standing:
    """The standings of a rung.

    Attributes:
        ranked: Trials that can be promoted or were promoted, best first.
        num_pending: Trials that run or wait, and places of the rung that no trial has taken yet.
    """

    ranked: tuple[Trial, ...]
    num_pending: int


def _rank(
    bracket: Bracket, index: int, history: History, objective: Objective
) -> tuple[tuple[Trial, ...], int]:
    """Returns the trials that can be promoted from a rung, best first, and how many ended there.

    Promoted trials keep their rank. Trials that ended in the rung (failed, out of time, stopped by
    their own callbacks, or losers of a decided rung) are not ranked. Equal scores are ordered by
    trial id.
    """
    scored: list[tuple[float, Trial]] = []
    num_ended = 0
    for trial in history.of_bracket(bracket.number):
        reached = _rung_of(trial, bracket)
        if reached < index or (reached == index and trial.state.is_unfinished):
            continue
        best = history.best_up_to(trial, objective, bracket.rungs[index].epochs)
        if reached == index and (best is None or trial.state is not TrialState.PAUSED):
            num_ended += 1
        else:
            # A promoted trial that must be trained from the start again has no curve for a while.
            scored.append((-math.inf if best is None else objective.sort_key(best), trial))
    scored.sort(key=lambda entry: entry[0])  # stable, and trials come in the order of their ids
    return tuple(trial for _, trial in scored), num_ended


def _rung_of(trial: Trial, bracket: Bracket) -> int:
    # Not `trial.rung`: it names the latest rung started, and a promoted trial may still wait.
    for index, rung in enumerate(bracket.rungs):
        if trial.epochs <= rung.epochs:
            return index
    return len(bracket.rungs) - 1


def _is_paused_at(trial: Trial, bracket: Bracket, index: int) -> bool:
    return trial.state is TrialState.PAUSED and _rung_of(trial, bracket) == index


def _next_size(bracket: Bracket, index: int) -> int:
    return bracket.rungs[index + 1].size if index + 1 < len(bracket.rungs) else 0


def _promote(trial: Trial, bracket: Bracket, rung: int) -> Promote:
    return Promote(
        trial_id=trial.trial_id,
        epochs=bracket.rungs[rung].epochs,
        rung=rung,
        final=rung == len(bracket.rungs) - 1,
    )


def _shrink(brackets: Sequence[Bracket], available: int) -> Iterator[Bracket]:
    """Yields the brackets that `available` configurations fill; the last may be filled in part."""
    for bracket in brackets:
        first = min(available, bracket.rungs[0].size)
        available -= first
        if first:
            rungs = tuple(replace(rung, size=min(rung.size, first)) for rung in bracket.rungs)
            yield replace(bracket, rungs=rungs)


def _num_epochs(bracket: Bracket) -> int:
    reached = 0
    total = 0
    for rung in bracket.rungs:
        total += rung.size * (rung.epochs - reached)
        reached = rung.epochs
    return total


def _describe(bracket: Bracket) -> str:
    first, *others = bracket.rungs
    unit = "epoch" if first.epochs == 1 else "epochs"
    noun = "configuration" if first.size == 1 else "configurations"
    steps = [f"{first.size} {noun} x {first.epochs} {unit}"]
    steps += [f"{rung.size} x {rung.epochs}" for rung in others]
    return f"bracket {bracket.number}: {' -> '.join(steps)}"


def from_settings(
    config: RunConfig, hyperparameters: "HyperParameters", objective: Objective
) -> HyperbandDriver:
    """Returns the driver of a run."""
    return HyperbandDriver(
        hyperparameters,
        objective,
        config.seed,
        config.max_epochs,
        min_epochs=config.min_epochs,
        max_trials=config.max_trials,
    )
