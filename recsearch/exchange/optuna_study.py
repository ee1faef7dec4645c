"""A run as an Optuna study, so that Optuna's plots, importances and dashboard open it."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from recsearch.errors import UsageError
from recsearch.exchange.domains import Choices, Domain, domains, trial_values
from recsearch.exchange.times import TrialTimes, trial_times
from recsearch.results import RunRecord
from recsearch.study.journal import read_events
from recsearch.study.trial import Trial, TrialState

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial


_STATES = {
    TrialState.COMPLETED: "COMPLETE",
    TrialState.STOPPED_EARLY: "PRUNED",
    TrialState.FAILED: "FAIL",
    TrialState.INFEASIBLE: "FAIL",
    TrialState.RUNNING: "RUNNING",
    TrialState.PAUSED: "RUNNING",  # Optuna has no state for a started trial that pauses
    TrialState.WAITING: "WAITING",
}
_ATTRIBUTES = ("space", "best_epoch", "seconds", "num_parameters", "bracket", "rung", "message")


def make_study(run: RunRecord, storage: str | None = None) -> "Study":
    """Returns an Optuna study with the trials of a run, in their order.

    Hyperparameters have their bare names, the family is `space`. If families give one name
    different ranges, it has the smallest range that contains all of them, without a step. An
    intermediate value is the objective after an epoch. The value of a trial is the objective of its
    best epoch, also for trials that were stopped early; Optuna calls these pruned and never
    considers them the best. All other facts are in the user attributes `recsearch_*`.

    Args:
        run: The run, finished or not.
        storage: Optuna's URL of a storage ("sqlite:///night.db"), where the study gets the name of
            the run directory; None keeps it in memory.

    Raises:
        UsageError: If optuna is not installed, the run has no trials yet, or the storage has a
            study of this name.
    """
    try:
        import optuna
    except ImportError:
        raise UsageError(
            "to_optuna() needs the package optuna, which is not installed. "
            "Install it: pip install 'recsearch[optuna]'"
        ) from None
    objective = run.state.objective
    if objective is None:
        raise UsageError(f"{run.directory} has no trials yet: there is nothing for Optuna.")
    direction = "minimize" if objective.direction == "min" else "maximize"
    name = run.directory.resolve().name
    try:
        study = optuna.create_study(storage=storage, study_name=name, direction=direction)
    except optuna.exceptions.DuplicatedStudyError:
        raise UsageError(
            f"{storage} already has a study called {name!r}. Delete it there, or give another "
            "storage."
        ) from None
    study.set_user_attr("recsearch_objective", objective.name)
    study.set_user_attr("recsearch_command", list(run.description.command))
    trials = list(run.state.trials.values())
    known = domains(run.description.space, trials)
    distributions = {name: _distribution(domain) for name, domain in known.items()}
    times = trial_times(read_events(run.directory / "journal.jsonl"))
    for trial in trials:
        study.add_trial(_frozen(trial, objective.name, distributions, times.get(trial.trial_id)))
    return study


def _distribution(domain: Domain) -> Any:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(domain, Choices):
        return CategoricalDistribution(domain.values)
    if domain.whole:
        return IntDistribution(int(domain.low), int(domain.high), log=domain.log)
    return FloatDistribution(float(domain.low), float(domain.high), log=domain.log)


def _frozen(
    trial: Trial, objective: str, distributions: Mapping[str, Any], times: TrialTimes | None
) -> "FrozenTrial":
    from optuna.trial import FrozenTrial
    from optuna.trial import TrialState as OptunaState

    values = trial_values(trial)
    state = OptunaState[_STATES[trial.state]]
    if state is OptunaState.WAITING and trial.curve:
        state = OptunaState.RUNNING
    begun = None if times is None else datetime.fromtimestamp(times.begun)
    ended = None if times is None or times.ended is None else datetime.fromtimestamp(times.ended)
    if state.is_finished():
        begun, ended = begun or ended or datetime.fromtimestamp(0), ended or begun
    return FrozenTrial(
        number=int(trial.trial_id),
        trial_id=int(trial.trial_id),
        state=state,
        value=trial.score if state.is_finished() and state is not OptunaState.FAIL else None,
        datetime_start=begun,
        datetime_complete=ended if state.is_finished() else None,
        params=dict(values),
        distributions={name: distributions[name] for name in values},
        user_attrs=_attributes(trial),
        system_attrs={},
        intermediate_values=_finite(trial, objective),
    )


def _finite(trial: Trial, objective: str) -> dict[int, float]:
    found = {point.epoch: point.metrics.get(objective, math.nan) for point in trial.curve}
    return {epoch: value for epoch, value in found.items() if math.isfinite(value)}


def _attributes(trial: Trial) -> dict[str, Any]:
    attributes = {"trial_id": trial.trial_id, "state": trial.state.value}
    attributes |= {name: getattr(trial, name) for name in _ATTRIBUTES}
    return {f"recsearch_{k}": v for k, v in attributes.items() if v not in (None, "")}
