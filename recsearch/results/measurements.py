"""When the scores of a search became known, and when each trial was trained, from its journal."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from recsearch.study.events import Event, TrialOver, TrialStarted, TrialWaiting
from recsearch.study.replay import SearchState

INTERRUPTED = "INTERRUPTED"
"""The state of a training that did not reach its last epoch and was started again later: its worker
died, or the run was stopped."""


@dataclass(frozen=True)
class Measurement:
    """A trial's score at the moment it became known.

    Attributes:
        trial_id: The trial. A Hyperband trial is measured once per rung.
        score: The best value of the objective so far in this trial.
        epochs: Epochs that it had trained.
        seconds: Time that the run had been worked on; pauses between sessions do not count.
    """

    trial_id: str
    score: float
    epochs: int
    seconds: float


@dataclass(frozen=True)
class Stay:
    """One stay of a trial on a worker: its complete training, or the training of one rung.

    Attributes:
        trial_id: The trial.
        bracket: Hyperband's bracket, or None.
        rung: Hyperband's rung within the bracket, or None.
        epochs: Epochs that the trial should reach in total.
        start: Time that the run had been worked on, in seconds; pauses do not count.
        end: Likewise; for one that still runs the time of the last event.
        state: A `TrialState`, or `INTERRUPTED`.
    """

    trial_id: str
    bracket: int | None
    rung: int | None
    epochs: int
    start: float
    end: float
    state: str


def search_record(
    events: Iterable[Event],
) -> tuple[SearchState, tuple[Measurement, ...], tuple[Stay, ...]]:
    """Returns (the state after all events, every score, every training).

    Scores are in the order in which they became known, trainings in the order in which they ended;
    running trainings come last.
    """
    state, measured, trained = SearchState(), _Measured(), _Trained()
    for event in events:
        if event.kind == "study":  # trials that ran before were killed
            trained.interrupt_all(state)
        state.apply(event)
        measured.apply(event, state)
        trained.apply(event, state)
    return state, tuple(measured.found.values()), trained.all(state)


@dataclass(frozen=True)
class _Measured:
    found: dict[tuple[str, int], Measurement] = field(default_factory=dict)

    def apply(self, event: Event, state: SearchState) -> None:
        if not isinstance(event, TrialOver):
            return
        trial = state.trials[event.trial_id]
        epochs = len(trial.curve)
        if trial.score is not None and (trial.trial_id, epochs) not in self.found:
            point = Measurement(trial.trial_id, trial.score, epochs, state.seconds)
            self.found[trial.trial_id, epochs] = point


@dataclass(frozen=True)
class _Trained:
    running: dict[str, Stay] = field(default_factory=dict)
    ended: list[Stay] = field(default_factory=list)

    def apply(self, event: Event, state: SearchState) -> None:
        if isinstance(event, TrialStarted):
            self._start(event.trial_id, state)
        elif isinstance(event, TrialWaiting):
            self._end(event.trial_id, INTERRUPTED, state)
        elif isinstance(event, TrialOver):
            self._end(event.trial_id, state.trials[event.trial_id].state, state)

    def interrupt_all(self, state: SearchState) -> None:
        for trial_id in list(self.running):
            self._end(trial_id, INTERRUPTED, state)

    def all(self, state: SearchState) -> tuple[Stay, ...]:
        still = [replace(each, end=state.seconds) for each in self.running.values()]
        return (*self.ended, *still)

    def _start(self, trial_id: str, state: SearchState) -> None:
        trial, now = state.trials[trial_id], state.seconds
        self.running[trial_id] = Stay(
            trial_id, trial.bracket, trial.rung, trial.epochs, now, now, trial.state
        )

    def _end(self, trial_id: str, how: str, state: SearchState) -> None:
        training = self.running.pop(trial_id, None)
        if training is not None:
            self.ended.append(replace(training, end=state.seconds, state=str(how)))
