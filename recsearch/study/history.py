"""The trials of a search, with indexes: a step takes the same time after thousands of trials."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import overload

from recsearch.study.seen_configurations import Tried
from recsearch.study.trial import Objective, Trial, TrialState, best_epoch


class History(Sequence[Trial]):
    """Trials in the order of their proposal; only `put` changes them.

    Args:
        trials: Added in this order.

    Attributes:
        num_epochs: Over all curves.
    """

    def __init__(self, trials: Iterable[Trial] = ()) -> None:
        self._trials: dict[str, Trial] = {}
        self._order: dict[str, int] = {}
        self._ids: list[str] = []
        self._by_state: dict[TrialState, set[str]] = {state: set() for state in TrialState}
        self._by_bracket: dict[int, dict[str, None]] = {}
        self._tried: dict[frozenset[str], Tried] = {}
        self._best: dict[str, dict[int, tuple[float, int] | None]] = {}
        self.num_epochs = 0
        for trial in trials:
            self.put(trial)

    @classmethod
    def of(cls, trials: Sequence[Trial]) -> "History":
        """Returns the trials as a history; a history is returned unchanged."""
        return trials if isinstance(trials, History) else cls(trials)

    def put(self, trial: Trial) -> None:
        """Adds a trial, or replaces the trial with its id."""
        before = self._trials.get(trial.trial_id)
        if before is None:
            self._order[trial.trial_id] = len(self._ids)
            self._ids.append(trial.trial_id)
        else:
            self._by_state[before.state].discard(trial.trial_id)
            self.num_epochs -= len(before.curve)
        self._trials[trial.trial_id] = trial
        self._by_state[trial.state].add(trial.trial_id)
        self.num_epochs += len(trial.curve)
        self._best.pop(trial.trial_id, None)
        if trial.bracket is not None:
            self._by_bracket.setdefault(trial.bracket, {})[trial.trial_id] = None
        self._count_tried(before, trial)

    def _count_tried(self, before: Trial | None, trial: Trial) -> None:
        if before is not None and before.values == trial.values:
            return
        for tried in self._tried.values():
            if before is not None:
                tried.remove(before.space, before.values)
            tried.add(trial.space, trial.values)

    @property
    def by_id(self) -> Mapping[str, Trial]:
        """The trials by id, in the order of proposal."""
        return MappingProxyType(self._trials)

    def in_state(self, *states: TrialState) -> list[Trial]:
        """Returns the trials in one of the states, in order."""
        ids = [trial_id for state in states for trial_id in self._by_state[state]]
        return [self._trials[trial_id] for trial_id in sorted(ids, key=self._order.__getitem__)]

    def unfinished(self) -> list[Trial]:
        """Returns the trials that wait or run, in order."""
        return self.in_state(*(state for state in TrialState if state.is_unfinished))

    def over(self) -> list[Trial]:
        """Returns the trials that have ended, in order."""
        return self.in_state(*(state for state in TrialState if state.is_over))

    def not_over(self) -> list[Trial]:
        """Returns the trials that wait, run or pause, in order."""
        return self.in_state(*(state for state in TrialState if not state.is_over))

    def of_bracket(self, number: int) -> list[Trial]:
        """Returns the trials of one of Hyperband's brackets, in order."""
        return [self._trials[trial_id] for trial_id in self._by_bracket.get(number, {})]

    def size_of_bracket(self, number: int) -> int:
        """Returns how many trials one of Hyperband's brackets has."""
        return len(self._by_bracket.get(number, {}))

    def tried(self, known: frozenset[str]) -> Tried:
        """Returns the configurations of all trials; later calls of `put` update them.

        Args:
            known: `<family>/<name>` of each hyperparameter of the space.
        """
        if known not in self._tried:
            self._tried[known] = Tried(known)
            for trial in self:
                self._tried[known].add(trial.space, trial.values)
        return self._tried[known]

    def best_up_to(self, trial: Trial, objective: Objective, epoch: int) -> float | None:
        """Returns the best score of a trial up to an epoch; all calls must name one objective."""
        known = self._best.setdefault(trial.trial_id, {})
        if epoch not in known:
            known[epoch] = best_epoch(trial.curve, objective, up_to=epoch)
        best = known[epoch]
        return best[0] if best else None

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._trials.values())

    @overload
    def __getitem__(self, index: int) -> Trial: ...

    @overload
    def __getitem__(self, index: slice) -> list[Trial]: ...

    def __getitem__(self, index: int | slice) -> Trial | list[Trial]:
        if isinstance(index, slice):
            return [self._trials[trial_id] for trial_id in self._ids[index]]
        return self._trials[self._ids[index]]
