"""A run as MLflow runs: a parent with the winner's test metrics, and a child run per trial."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from recsearch.errors import UsageError
from recsearch.exchange.domains import trial_values
from recsearch.exchange.times import TrialTimes, trial_times
from recsearch.results import RunRecord
from recsearch.study.journal import read_events
from recsearch.study.trial import Trial, TrialState

EXPERIMENT = "recsearch"
BATCH = 1000  # metrics per request, MLflow's own limit
LONGEST_PARAMETER = 500  # characters that every MLflow server accepts

_STATES = {
    TrialState.FAILED: "FAILED",
    TrialState.INFEASIBLE: "FAILED",
    TrialState.COMPLETED: "FINISHED",
    TrialState.STOPPED_EARLY: "KILLED",
}
"""States of trials that are over; all others stay RUNNING."""


def log_to_mlflow(run: RunRecord, uri: str, experiment: str = EXPERIMENT) -> str:
    """Logs a run to an MLflow tracking server; returns the id of the parent MLflow run.

    Each trial is a run of its own below it: its values as parameters, its curves as metrics with
    the epoch as the step, `score` (the best value of the objective) and its state. Names of metrics
    have `_at_` for `@`, which MLflow does not accept. Each call logs everything again.

    Args:
        run: The run, finished or not.
        uri: MLflow's tracking URI: "http://host:5000", "sqlite:///mlflow.db".
        experiment: Name of the MLflow experiment; created if it does not exist.

    Raises:
        UsageError: If MLflow is not installed, or refuses the run.
    """
    try:
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
    except ImportError:
        raise UsageError(
            "Logging to MLflow needs the package mlflow, which is not installed. "
            "Install it: pip install 'recsearch[mlflow]'"
        ) from None
    try:
        return _log(run, MlflowClient(tracking_uri=uri), experiment)
    except (MlflowException, OSError) as error:
        raise UsageError(f"MLflow at {uri} refused the run: {error}") from error


def _log(run: RunRecord, client: Any, experiment: str) -> str:
    found = client.get_experiment_by_name(experiment)
    place = client.create_experiment(experiment) if found is None else found.experiment_id
    times = trial_times(read_events(run.directory / "journal.jsonl"))
    if run.description.created is None:
        raise run.lacks("created")
    begun = datetime.fromisoformat(run.description.created).timestamp()
    name = run.directory.resolve().name
    parent = client.create_run(place, start_time=_ms(begun), run_name=name, tags=_run_tags(run))
    parent_id = str(parent.info.run_id)
    best = run.best()
    _log_batches(client, parent_id, _measured(run, run.state.last_time), _settings(run))
    for trial in run.state.trials.values():
        _log_trial(client, place, parent_id, trial, times.get(trial.trial_id))
    if best is not None:
        client.set_tag(parent_id, "recsearch.best_trial", best.trial_id)
    if run.tested is not None:
        client.set_terminated(parent_id, "FINISHED", end_time=_ms(run.state.last_time))
    return parent_id


def _run_tags(run: RunRecord) -> dict[str, str]:
    objective = run.state.objective
    data = run.description.data
    tags = {
        "command": json.dumps(list(run.description.command)),
        "objective": objective.name if objective else None,
        "direction": objective.direction if objective else None,
        "data_fingerprint": data.fingerprint,
        "split": data.split,
        "verdict": run.tested.verdict if run.tested else None,
    }
    return {f"recsearch.{k}": str(v) for k, v in tags.items() if v is not None}


def _settings(run: RunRecord) -> Mapping[str, Any]:
    settings = run.description.config
    return {name: value for name, value in settings.items() if value not in (None, [])}


def _measured(run: RunRecord, time: float) -> Iterator[tuple[str, float, float, int]]:
    """Yields (name, value, time, step) of the winner and the baselines on the test part."""
    metrics = run.tested
    if metrics is None:
        return
    parts = {"test": metrics.test, "validation": metrics.validation}
    parts |= {f"baseline/{name}": found for name, found in metrics.compared.items()}
    for part, values in parts.items():
        for name, value in values.items():
            if value is not None:
                yield f"{part}/{name}", float(value), time, 0


def _log_trial(
    client: Any, place: str, parent_id: str, trial: Trial, times: TrialTimes | None
) -> None:
    if times is None:  # it was never started
        return
    tags = {
        "mlflow.parentRunId": parent_id,
        "recsearch.trial_id": trial.trial_id,
        "recsearch.state": trial.state.value,
        "recsearch.message": trial.message,
    }
    name = f"trial {trial.trial_id}"
    made = client.create_run(place, start_time=_ms(times.begun), run_name=name, tags=tags)
    _log_batches(client, made.info.run_id, _curve(trial, times), trial_values(trial))
    if times.ended is not None:
        state = _STATES.get(trial.state, "RUNNING")
        client.set_terminated(made.info.run_id, state, end_time=_ms(times.ended))


def _curve(trial: Trial, times: TrialTimes) -> Iterator[tuple[str, float, float, int]]:
    """Yields (name, value, time, step) of each measured value of a trial."""
    for point in trial.curve:
        time = times.epochs.get(point.epoch, times.begun)
        for name, value in point.metrics.items():
            if math.isfinite(value):
                yield name, value, time, point.epoch
    if trial.score is not None:
        yield "score", trial.score, times.ended or times.begun, trial.best_epoch or 0


def _log_batches(
    client: Any,
    run_id: str,
    measured: Iterable[tuple[str, float, float, int]],
    values: Mapping[str, Any],
) -> None:
    from mlflow.entities import Metric, Param

    params = [Param(_name(k), str(v)[:LONGEST_PARAMETER]) for k, v in values.items()]
    for some in _pieces(params, 100):
        client.log_batch(run_id, params=some)
    metrics = (Metric(_name(n), value, _ms(time), step) for n, value, time, step in measured)
    for some in _pieces(metrics, BATCH):
        client.log_batch(run_id, metrics=some)


def _pieces(values: Iterable[Any], size: int) -> Iterator[Sequence[Any]]:
    left = iter(values)
    while some := list(islice(left, size)):
        yield some


def _name(name: str) -> str:
    """Returns a name that MLflow accepts: letters, digits, `_`, `-`, `.`, space, `:` and `/`."""
    return "".join(c if c.isalnum() or c in "_-. :/" else "_" for c in name.replace("@", "_at_"))


def _ms(seconds: float) -> int:
    return round(1000 * seconds)
