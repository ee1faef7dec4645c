"""best/metrics.json as typed records: how the winner and the baselines did on the test part.

A key that some version did not write may be missing: its field then has the default value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recsearch.results.metrics_shape import require_metrics
from recsearch.results.run_description import require_schema
from recsearch.study.aliases import with_current_names
from recsearch.study.trial import Objective, Scalar
from recsearch.text.json_shapes import known_fields

METRICS_SCHEMA = 1
"""The version of metrics.json that is written and read; older versions wrote no number."""

Measured = Mapping[str, float | None]
"""Metric -> value; None for a value that is not finite."""


@dataclass(frozen=True)
class Winner:
    """The best trial by validation, as it was retrained."""

    trial_id: str | None = None
    space: str | None = None
    hyperparameters: Mapping[str, Scalar] = field(default_factory=dict)
    epochs: int | None = None
    num_parameters: int | None = None

    @property
    def title(self) -> str:
        """The winner in plots and tables: "neumf, trial 0007"."""
        return f"{self.space or 'winner'}, trial {self.trial_id or '?'}"


@dataclass(frozen=True)
class BaselineScore:
    """A baseline on the test part: its metrics, or the reason why it was skipped."""

    metrics: Measured
    skipped: str | None = None


@dataclass(frozen=True)
class BaselineSearch:
    """How a baseline was tuned on the validation part."""

    parameters: Mapping[str, object] = field(default_factory=dict)
    validation: Measured = field(default_factory=dict)
    note: str = ""
    skipped: str | None = None


@dataclass(frozen=True)
class ValueRange:
    """A value and its interval over resampled users; None where there is none."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Difference(ValueRange):
    """The difference of two contenders, and how its interval was computed."""

    level: float = 0.0
    num_resamples: int = 0
    num_users: int = 0
    note: str = ""


@dataclass(frozen=True)
class BaselineDuel:
    """The winner against the best baseline, user by user."""

    metric: str
    baseline: str
    answer: str
    difference: Difference
    p_value: float | None = None


@dataclass(frozen=True)
class SliceScore:
    """The metrics of one group of users or items."""

    name: str
    label: str
    num_rows: int
    num_users: int
    metrics: Measured


@dataclass(frozen=True)
class SeedScores:
    """The metrics of each retraining, their mean and standard deviation."""

    metrics: tuple[Measured, ...]
    mean: Measured
    deviation: Measured


@dataclass(frozen=True)
class ExportFacts:
    """The exported model."""

    verified: bool = False
    max_difference: float | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class PredictionCounts:
    """Predicted against actual ratings; see `recsearch.evaluation.predictions`."""

    num_rows: int = 0
    labels: tuple[float, ...] = ()
    score_edges: tuple[float, ...] = ()
    counts: tuple[tuple[int, ...], ...] = ()
    means: tuple[float | None, ...] = ()
    error_edges: tuple[float, ...] = ()
    error_counts: tuple[int, ...] = ()
    mean_error: float | None = None


@dataclass(frozen=True)
class RunMetrics:
    """best/metrics.json.

    Attributes:
        objective: The metric that the search optimised.
        test: Metrics of the winner on the test part.
        verdict: The result in words.
        json: Everything that the file contains.
        winner: The best trial by validation.
        validation: Metrics of the winner on the validation part.
        baselines: Name -> the baseline on the test part.
        protocol: How the winner was chosen and measured, in words.
        test_looks: How often the test part was evaluated.
        seconds: End stage -> duration.
        export: The exported model.
        intervals: Metric -> interval of the winner over users.
        comparison: The winner against the best baseline, or None.
        slices: The winner by kinds of users and items.
        baseline_slices: The same for each baseline.
        lists: Metrics of the winner's recommended lists; empty except for rankings.
        baseline_lists: The same for each baseline.
        seeds: The retrainings with several seeds, or None.
        baseline_tuning: Name -> how the baseline was tuned.
        predictions: Predicted against actual ratings; no rows except for ratings.
    """

    objective: Objective
    test: Measured
    verdict: str
    json: Mapping[str, Any] = field(default_factory=dict, repr=False)
    winner: Winner = Winner()
    validation: Measured = field(default_factory=dict)
    baselines: Mapping[str, BaselineScore] = field(default_factory=dict)
    protocol: Mapping[str, Scalar | None] = field(default_factory=dict)
    test_looks: int = 1
    seconds: Mapping[str, float] = field(default_factory=dict)
    export: ExportFacts = ExportFacts()
    intervals: Mapping[str, ValueRange] = field(default_factory=dict)
    comparison: BaselineDuel | None = None
    slices: tuple[SliceScore, ...] = ()
    baseline_slices: Mapping[str, tuple[SliceScore, ...]] = field(default_factory=dict)
    lists: Measured = field(default_factory=dict)
    baseline_lists: Mapping[str, Measured] = field(default_factory=dict)
    seeds: SeedScores | None = None
    baseline_tuning: Mapping[str, BaselineSearch] = field(default_factory=dict)
    predictions: PredictionCounts = PredictionCounts()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "RunMetrics":
        """Returns the metrics that metrics.json contains.

        Raises:
            Mismatch: If the value has another schema version or does not have the expected shape.
        """
        require_schema(value.get("schema", METRICS_SCHEMA), METRICS_SCHEMA)
        require_metrics(value)
        value = _with_current_names(value)
        return cls(**{**known_fields(cls, value), **_typed(value), "json": value})

    @property
    def compared(self) -> dict[str, Measured]:
        """The metrics of the baselines that were not skipped."""
        return {k: each.metrics for k, each in self.baselines.items() if each.skipped is None}


def _with_current_names(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns metrics.json with the current names of the winner's hyperparameters."""
    winner = dict(value.get("winner", {}))
    if "hyperparameters" not in winner:
        return value
    winner["hyperparameters"] = with_current_names(winner["hyperparameters"])
    return {**value, "winner": winner}


def _typed(value: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of `RunMetrics` that are records themselves."""
    baselines, tuning = value.get("baselines", {}), value.get("baseline_tuning") or {}
    others, seeds = value.get("baseline_slices") or {}, value.get("seeds")
    return {
        "objective": Objective.from_json(value["objective"]),
        "winner": Winner(**known_fields(Winner, value.get("winner", {}))),
        "baselines": {name: _score(each) for name, each in baselines.items()},
        "export": ExportFacts(**known_fields(ExportFacts, value.get("export") or {})),
        "intervals": {
            name: ValueRange(each["value"], each["low"], each["high"])
            for name, each in (value.get("intervals") or {}).items()
        },
        "comparison": _duel(value.get("comparison")),
        "slices": _slices(value.get("slices")),
        "baseline_slices": {name: _slices(each) for name, each in others.items()},
        "seeds": seeds and SeedScores(tuple(seeds["metrics"]), seeds["mean"], seeds["deviation"]),
        "baseline_tuning": {
            name: BaselineSearch(**known_fields(BaselineSearch, each))
            for name, each in tuning.items()
        },
        "predictions": _predictions(value.get("predictions")),
    }


def _score(value: Mapping[str, Any]) -> BaselineScore:
    metrics = {name: each for name, each in value.items() if name != "skipped"}
    return BaselineScore(metrics, value.get("skipped"))


def _duel(value: Mapping[str, Any] | None) -> BaselineDuel | None:
    if value is None:
        return None
    difference = Difference(**known_fields(Difference, value["difference"]))
    return BaselineDuel(**{**known_fields(BaselineDuel, value), "difference": difference})


def _slices(values: list[dict[str, Any]] | None) -> tuple[SliceScore, ...]:
    return tuple(SliceScore(**known_fields(SliceScore, each)) for each in values or ())


def _predictions(value: Mapping[str, Any] | None) -> PredictionCounts:
    known = known_fields(PredictionCounts, value or {})
    found: dict[str, Any] = {
        k: tuple(each) if isinstance(each, list) else each for k, each in known.items()
    }
    return PredictionCounts(**{**found, "counts": tuple(map(tuple, known.get("counts", ())))})
