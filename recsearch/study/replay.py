"""The state of a search, computed from its journal: the same code during a search and on resume."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from recsearch.errors import RunDirectoryError
from recsearch.study.events import (
    CheckpointWritten,
    EpochTrained,
    Event,
    NoteMade,
    StageDone,
    StudyOpened,
    TrialOver,
    TrialStarted,
    TrialWaiting,
)
from recsearch.study.history import History
from recsearch.study.trial import Epoch, Objective, Trial, TrialState, best_epoch

_TRIAL_ID = re.compile(r"[0-9]{4,9}")
_CHECKPOINT = re.compile(r"checkpoints/[0-9]{4,9}-[0-9]{1,9}\.npz")


@dataclass
class SearchState:
    """The state of a search; only `apply` changes it.

    Attributes:
        objective: From the `study` event; None before it.
        history: The trials.
        stages: Name of an end stage that is done -> its result.
        notes: Remarks for the user.
        fruitless_sessions: Sessions in a row that were killed before any trial made progress.
        test_looks: Number of times that the test part was evaluated.
        seconds: Time of search, without the end stages and the gaps between sessions (before a
            `study` event).
        events: Number of applied events.
        last_time: Time of the last event, seconds since 1970.
    """

    objective: Objective | None = None
    history: History = field(default_factory=History)
    stages: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    fruitless_sessions: int = 0
    test_looks: int = 0
    seconds: float = 0.0
    events: int = 0
    last_time: float = 0.0

    @property
    def trials(self) -> Mapping[str, Trial]:
        """The trials by id, in the order of proposal."""
        return self.history.by_id

    def apply(self, event: Event) -> None:
        """Changes the state by one event; an event of unknown kind changes nothing."""
        self.events += 1
        try:
            self._count_time(event)
            handler = _HANDLERS.get(event.kind)
            if handler is not None:
                handler(self, event)
        except KeyError as error:
            raise self._damaged(event, "a key or its trial is missing") from error
        except (TypeError, ValueError) as error:
            raise self._damaged(event, str(error)) from error

    def _damaged(self, event: Event, why: str) -> RunDirectoryError:
        return RunDirectoryError(f"Journal event {self.events} ({event.kind}) is damaged: {why}.")

    def _count_time(self, event: Event) -> None:
        time = float(event.time)
        if event.kind != "study" and "searched" not in self.stages:
            self.seconds += max(0.0, time - self.last_time)
        self.last_time = time

    def ranked(self) -> list[Trial]:
        """Returns the trials with a score, the best first; see `rank`."""
        if self.objective is None:
            return []
        return rank([trial for trial in self.history if trial.score is not None], self.objective)


def rank(trials: Iterable[Trial], objective: Objective) -> list[Trial]:
    """Returns trials with a score, the best first; among equal ones the cheaper, then the older."""
    key = objective.sort_key
    return sorted(trials, key=lambda t: (key(t.score), t.best_epoch or 0, int(t.trial_id)))


def replay(events: Iterable[Event]) -> SearchState:
    """Returns the state after all events."""
    state = SearchState()
    for event in events:
        state.apply(event)
    return state


def _study(state: SearchState, event: StudyOpened) -> None:
    state.objective = Objective(event.objective, event.direction)
    if state.history.in_state(TrialState.RUNNING):  # the process that started them was killed
        state.fruitless_sessions += 1


def _trial_waiting(state: SearchState, event: TrialWaiting) -> None:
    trial_id = event.trial_id
    if not _TRIAL_ID.fullmatch(trial_id):
        raise ValueError("expected a trial id of 4 to 9 digits, received another text")
    known = state.trials.get(trial_id)
    if known is None:
        if event.space is None or event.values is None:
            raise KeyError("space")
        trial = Trial(trial_id, event.space, event.values, epochs=event.epochs)
    else:
        # Its epochs count, even if it is never continued.
        score, epoch = _best(state, known)
        seconds = known.seconds if event.seconds is None else event.seconds
        trial = replace(known, state=TrialState.WAITING, epochs=event.epochs, seconds=seconds)
        trial = replace(trial, score=score, best_epoch=epoch)
    if event.fresh_rung:
        trial = replace(trial, attempt=0, crashes=0)
    if event.crashed:
        trial = replace(trial, crashes=trial.crashes + 1)
    trial = replace(trial, bracket=event.bracket, rung=event.rung, final=event.final)
    state.history.put(trial)


def _trial_started(state: SearchState, event: TrialStarted) -> None:
    trial = state.trials[event.trial_id]
    curve = trial.curve[: event.initial_epoch]
    state.history.put(replace(trial, curve=curve, attempt=event.attempt, state=TrialState.RUNNING))


def _epoch(state: SearchState, event: EpochTrained) -> None:
    trial = state.trials[event.trial_id]
    metrics = {k: float("nan") if v is None else float(v) for k, v in event.metrics.items()}
    point = Epoch(event.epoch, metrics, float(event.seconds))
    state.fruitless_sessions = 0
    state.history.put(replace(trial, curve=(*trial.curve, point)))


def _checkpoint(state: SearchState, event: CheckpointWritten) -> None:
    path = event.path
    if path is not None and not _CHECKPOINT.fullmatch(path):
        raise ValueError("expected a path such as checkpoints/0000-3.npz, received another text")
    state.history.put(replace(state.trials[event.trial_id], checkpoint=path))


def _trial_over(state: SearchState, event: TrialOver) -> None:
    """Handles `trial_paused` and `trial_ended`."""
    trial = state.trials[event.trial_id]
    state.fruitless_sessions = 0
    memory = trial.peak_memory_mb if event.peak_memory_mb is None else event.peak_memory_mb
    trial = replace(
        trial,
        state=event.state,
        message=event.message,
        values=event.values or trial.values,
        seconds=trial.seconds if event.seconds is None else event.seconds,
        num_parameters=event.num_parameters if event.has_size else trial.num_parameters,
        peak_memory_mb=memory,
        model=event.model or trial.model,
    )
    score, epoch = (None, None) if trial.state.is_lost else _best(state, trial)
    state.history.put(replace(trial, score=score, best_epoch=epoch))


def _best(state: SearchState, trial: Trial) -> tuple[float, int] | tuple[None, None]:
    """Returns (score, epoch) of a trial's best epoch, or (None, None)."""
    best = best_epoch(trial.curve, state.objective) if state.objective else None
    return best or (None, None)


def _stage(state: SearchState, event: StageDone) -> None:
    state.stages[event.stage] = event.result


def _reopened(state: SearchState, event: Event) -> None:
    state.stages.clear()


def _test_look(state: SearchState, event: Event) -> None:
    state.test_looks += 1


def _note(state: SearchState, event: NoteMade) -> None:
    state.notes.append(event.text)


_HANDLERS: dict[str, Callable[[SearchState, Any], None]] = {
    "study": _study,
    "trial_waiting": _trial_waiting,
    "trial_started": _trial_started,
    "epoch": _epoch,
    "checkpoint": _checkpoint,
    "trial_paused": _trial_over,
    "trial_ended": _trial_over,
    "stage": _stage,
    "reopened": _reopened,
    "test_look": _test_look,
    "note": _note,
}
