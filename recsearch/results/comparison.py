"""Runs side by side: best score so far at equal time, test metrics, and the cost.

Whatever makes two runs incomparable (another objective, other data, another split) is reported
first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recsearch.errors import UsageError
from recsearch.results.record import RunRecord
from recsearch.study.trial import Objective

_SAME = {
    "objective": "The runs optimise different metrics, so their scores cannot be compared",
    "fingerprint": "The runs used different data, so score differences may come from the data",
    "split": "The data were split differently",
    "validation": "The epochs were measured in different ways",
    "workers": "Equal time is not equal work: the numbers of workers differ",
    "machine": "Equal time is not equal work: the machines differ",
}


@dataclass(frozen=True)
class Entry:
    """One run of a comparison.

    Attributes:
        name: The name of the run's directory, or its path if two have the same name.
        run: The run.
        best_so_far: (seconds of search, best validation score) at each improvement.
        seconds: Duration of its search.
    """

    name: str
    run: RunRecord
    best_so_far: tuple[tuple[float, float], ...]
    seconds: float

    @property
    def data(self) -> tuple[str, str]:
        """Identifies the data and their parts: the fingerprint, and the split in words."""
        compared = _compared(self.run)
        return compared["fingerprint"], compared["split"]

    def best_at(self, seconds: float) -> float | None:
        """Returns the best validation score after a number of seconds of search."""
        known = [score for time, score in self.best_so_far if time <= seconds]
        return known[-1] if known else None


@dataclass(frozen=True)
class ComparedRuns:
    """Runs side by side.

    Attributes:
        entries: One per run, in the order given.
        objective: The objective of all runs; None if they differ, or no search has started.
        equal_seconds: Duration of the shortest search; None if a run has no score yet.
        differences: What makes the runs incomparable, in words.
    """

    entries: tuple[Entry, ...]
    objective: Objective | None
    equal_seconds: float | None
    differences: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns everything as values of JSON."""
        return {
            "objective": self.objective.name if self.objective else None,
            "direction": self.objective.direction if self.objective else None,
            "equal_seconds": self.equal_seconds,
            "differences": list(self.differences),
            "runs": [_to_json(entry, self.equal_seconds) for entry in self.entries],
        }


def compare_runs(runs: Sequence[RunRecord]) -> ComparedRuns:
    """Returns runs side by side.

    Raises:
        UsageError: If there are fewer than two, or one is given twice.
    """
    places = [run.directory.resolve() for run in runs]
    if len(runs) < 2 or len(set(places)) < len(runs):
        raise UsageError(
            "A comparison needs at least two different runs. "
            f"Received: {', '.join(str(run.directory) for run in runs) or 'none'}."
        )
    unique = len({place.name for place in places}) == len(places)
    entries = tuple(
        _entry(place.name if unique else str(run.directory), run)
        for place, run in zip(places, runs, strict=True)
    )
    objectives = {run.state.objective for run in runs}
    objective = objectives.pop() if len(objectives) == 1 else None
    scored = objective is not None and all(entry.best_so_far for entry in entries)
    equal = min(entry.seconds for entry in entries) if scored else None
    return ComparedRuns(entries, objective, equal, tuple(_differences(entries)))


def _entry(name: str, run: RunRecord) -> Entry:
    best: list[tuple[float, float]] = []
    for measured in run.measurements:
        known = best[-1][1] if best else None
        if run.state.objective and run.state.objective.better(measured.score, known):
            best.append((measured.seconds, measured.score))
    return Entry(name, run, tuple(best), run.state.seconds)


def _differences(entries: Sequence[Entry]) -> list[str]:
    differences = []
    for name, text in _SAME.items():
        values = {entry.name: _compared(entry.run)[name] for entry in entries}
        if len(set(values.values())) > 1:
            each = "; ".join(f"{name}: {value}" for name, value in values.items())
            differences.append(f"{text} ({each}).")
    running = [entry.name for entry in entries if entry.run.tested is None]
    if running:
        differences.append(f"Not ended, and not measured on the test part: {', '.join(running)}.")
    return differences


def _compared(run: RunRecord) -> dict[str, str]:
    """Returns, in words, what must be the same in runs that are compared."""
    described, objective = run.description, run.state.objective
    data, machine = described.data, described.machine
    return {
        "objective": f"{objective.name}, {objective.direction}" if objective else "not started",
        "fingerprint": str(data.fingerprint),
        "split": str(data.split),
        "validation": str(described.validation_protocol),
        "workers": str(described.config.get("workers", 1)),
        "machine": f"{machine.cores} cores, {machine.platform}",
    }


def _to_json(entry: Entry, equal_seconds: float | None) -> dict[str, Any]:
    run, best, data = entry.run, entry.run.best(), entry.run.description.data
    objective = run.state.objective
    return {
        "name": entry.name,
        "directory": str(run.directory),
        "tuner": run.description.config.get("tuner"),
        "spaces": list(dict.fromkeys(trial.space for trial in run.state.trials.values())),
        "task": data.task,
        "fingerprint": data.fingerprint,
        "objective": objective.name if objective else None,
        "trials": len(run.state.trials),
        "epochs": run.state.history.num_epochs,
        "seconds": round(entry.seconds, 3),
        "best_at_equal_time": None if equal_seconds is None else entry.best_at(equal_seconds),
        "best": best.score if best else None,
        "winner": None if best is None else {"space": best.space, **best.values},
        "num_parameters": best.num_parameters if best else None,
        "test": dict(run.tested.test) if run.tested else None,
        "best_so_far": [list(point) for point in entry.best_so_far],
    }
