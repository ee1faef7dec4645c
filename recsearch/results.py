"""A finished or unfinished run, read from its directory: tables, plots and the model it left.

Reading needs no TensorFlow; only `Run.recommender` and `Run.recommend` import it.
"""

import html
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from recsearch.errors import RunDirectoryError, UsageError
from recsearch.files import write_text
from recsearch.report.wording import count_text, number_text
from recsearch.tuning.journal import Event, read_events
from recsearch.tuning.replay import SearchState
from recsearch.tuning.trial import Scalar, Trial

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SCHEMA = 1

_COLUMNS: dict[str, tuple[str, Callable[[Trial], Any]]] = {
    "trial_id": ("string", lambda trial: trial.trial_id),
    "state": ("string", lambda trial: trial.state.value),
    "space": ("string", lambda trial: trial.space),
    "score": ("Float64", lambda trial: trial.score),
    "best_epoch": ("Int64", lambda trial: trial.best_epoch),
    "epochs": ("Int64", lambda trial: len(trial.curve)),
    "seconds": ("Float64", lambda trial: trial.seconds),
    "attempt": ("Int64", lambda trial: trial.attempt),
    "message": ("string", lambda trial: trial.message or None),
    "bracket": ("Int64", lambda trial: trial.bracket),
    "rung": ("Int64", lambda trial: trial.rung),
    "num_parameters": ("Int64", lambda trial: trial.num_parameters),
}
_NOT_IN_CSV = ["bracket", "rung", "num_parameters"]


MAX_K = 1_000_000  # items asked for at once: more would only be padding


@dataclass(frozen=True)
class Measurement:
    """A trial's score at the moment it became known.

    Attributes:
        trial_id: The trial. A Hyperband trial is measured once a rung.
        score: The best value of the objective so far in this trial.
        epochs: How many epochs it had trained.
        seconds: Time that the run had been worked on; pauses between sessions do not count.
    """

    trial_id: str
    score: float
    epochs: int
    seconds: float


@dataclass(frozen=True)
class Run:
    """What a run directory holds.

    Attributes:
        directory: The run directory.
        config: run.json: settings, versions, data, search space.
        state: The trials and stages, replayed from the journal.
        measurements: Every score in the order in which it became known.
        metrics: best/metrics.json, or None while the run has not come that far.
    """

    directory: Path
    config: Mapping[str, Any]
    state: SearchState
    measurements: tuple[Measurement, ...]
    metrics: Mapping[str, Any] | None

    def trials(self) -> pd.DataFrame:
        """Returns a table of all trials, in the order of their ids; what is missing is NA.

        Columns: trial_id, state, space, score, best_epoch, epochs (trained), seconds, attempt,
        message, bracket, rung, num_parameters, then the hyperparameters in order of first
        appearance. A hyperparameter that is called like a column before it gets the prefix `hp/`.
        """
        return trials_table(list(self.state.trials.values()))

    def curves(self) -> pd.DataFrame:
        """Returns a long table of all learning curves, one row an epoch of a trial.

        Columns: trial_id, space, epoch (from 1), seconds (of this epoch), then one a metric.
        """
        return curves_table(list(self.state.trials.values()))

    def best(self) -> Trial | None:
        """Returns the trial with the best validation score, or None if none has one."""
        return next(iter(self.state.ranked()), None)

    def summary(self) -> str:
        """Returns what came of the run in a few lines."""
        lines = [f"{self.directory.name}: {count_text(self.state.trials.values())}."]
        best, objective = self.best(), self.state.objective
        if best is not None and objective is not None:
            lines.append(
                f"Best by validation: trial {best.trial_id} ({best.space}), {objective.name} "
                f"{number_text(best.score)} at epoch {best.best_epoch}."
            )
        verdict = self.metrics.get("verdict") if self.metrics else None
        lines.append(str(verdict or "The run has not ended: there are no test metrics yet."))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        ids = [trial.trial_id for trial in self.state.ranked()[:5]]
        leaders = self.trials().set_index("trial_id").loc[ids].drop(columns=["message"])
        shown = leaders.dropna(axis="columns", how="all")
        lines = "<br>".join(map(html.escape, self.summary().splitlines()))
        return f"<p>{lines}</p>{shown.to_html(escape=True, na_rep='')}"

    def plot_history(self) -> "Figure":
        """Returns a plot of every score over time, with the best so far."""
        from recsearch.report import drawing, figures

        return drawing.draw_history(figures.history(self.measurements, self.state))

    def plot_curves(self) -> "Figure":
        """Returns a plot of all learning curves, the best trial's highlighted."""
        from recsearch.report import drawing, figures

        return drawing.draw_curves(figures.learning_curves(self.state))

    def plot_slice(self) -> "Figure":
        """Returns plots of the score against each hyperparameter that varied."""
        from recsearch.report import drawing, figures

        return drawing.draw_slices(figures.slices(self.state, self.config.get("space", ())))

    def plot_baselines(self) -> "Figure":
        """Returns a plot of the winner beside the baselines, on the test part.

        Raises:
            RunDirectoryError: If the run has no test metrics yet.
        """
        from recsearch.report import drawing, figures

        if self.metrics is None:
            raise RunDirectoryError(
                f"{self.directory} has no best/metrics.json: the run has not ended. "
                f"Finish it with `recsearch resume {self.directory}`."
            )
        return drawing.draw_comparison(figures.comparison(self.metrics))

    def recommender(self) -> Any:
        """Returns the exported model, loaded with TensorFlow.

        Raises:
            RunDirectoryError: If the run has exported none.
        """
        return self._recommender

    @cached_property
    def _recommender(self) -> Any:
        path = self.directory / "best" / "saved_model" / "1"
        if not path.is_dir():
            raise RunDirectoryError(
                f"There is no exported model at {path}: the run has not ended. "
                f"Finish it with `recsearch resume {self.directory}`."
            )
        import tensorflow as tf

        return tf.saved_model.load(str(path))

    def recommend(
        self, user_id: int | str, k: int = 10, *, include_seen: bool = False
    ) -> pd.DataFrame:
        """Returns the k best items for a user, by the exported model.

        Args:
            user_id: Raw id, as in the data.
            k: How many items; fewer come back if the model has no more to offer.
            include_seen: Whether items may come back that the user has in the data.

        Returns:
            Columns item_id, title (where an item table had one) and score, the best first;
            `attrs["known_user"]` says whether the user was in the data.

        Raises:
            RunDirectoryError: If the run has exported no model.
            UsageError: If k is not positive, or the id is not of the data's type.
        """
        if k < 1:
            raise UsageError(f"k must be at least 1. Received {k}.")
        name = "recommend_with_seen" if include_seen else "recommend"
        signature = self.recommender().signatures[name]
        import tensorflow as tf

        dtype = signature.structured_input_signature[1]["user_id"].dtype
        user = tf.constant([_as_id(user_id, dtype.name)], dtype)
        answer = signature(user_id=user, k=tf.constant(min(k, MAX_K), tf.int32))
        items = [_decoded(item) for item in answer["item_id"].numpy()[0]]
        frame = pd.DataFrame({"item_id": items, "score": answer["score"].numpy()[0]})
        frame = frame[frame["score"] > -math.inf].reset_index(drop=True)  # the rest is padding
        frame = self._with_titles(frame)
        frame.attrs["known_user"] = bool(answer["known_user"].numpy()[0])
        return frame

    def _with_titles(self, items: pd.DataFrame) -> pd.DataFrame:
        path = self.directory / "data" / "titles.parquet"
        if not path.is_file():
            return items
        titles = pd.read_parquet(path).set_index("id")["title"]
        items.insert(1, "title", items["item_id"].map(titles))
        return items


def load_run(directory: str | Path) -> Run:
    """Returns the run that a directory holds, finished or not.

    Args:
        directory: As given to, or made by, `recsearch run`.

    Raises:
        RunDirectoryError: If it is no run directory, or one of its files is damaged.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise RunDirectoryError(f"Expected a run directory. There is no directory {directory}.")
    config = _read_json(directory / "run.json")
    if config is None:
        raise RunDirectoryError(
            f"{directory} is not a run directory of recsearch: it has no run.json. "
            "Give the directory that `recsearch run` named in its last line."
        )
    if config.get("schema") != SCHEMA:
        raise RunDirectoryError(
            f"{directory / 'run.json'}: expected schema {SCHEMA}, received "
            f"{config.get('schema')!r}. It was written by another version of recsearch."
        )
    journal = directory / "journal.jsonl"
    state, measurements = measure(read_events(journal) if journal.exists() else ())
    metrics = _read_json(directory / "best" / "metrics.json")
    return Run(directory, config, state, measurements, metrics)


def _read_json(path: Path) -> dict[str, Any] | None:
    """Returns the object that a file holds, or None if there is no such file."""
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunDirectoryError(f"{path} is damaged: expected JSON, received {error}.") from error
    if not isinstance(value, dict):
        raise RunDirectoryError(f"{path} is damaged: expected a JSON object, received {value!r}.")
    return value


def measure(events: Iterable[Event]) -> tuple[SearchState, tuple[Measurement, ...]]:
    """Returns the state after all events, and every score in the order it became known."""
    state = SearchState()
    found: dict[tuple[str, int], Measurement] = {}
    for event in events:
        state.apply(event)
        if event["event"] not in ("trial_paused", "trial_ended"):
            continue
        trial = state.trials[event["trial_id"]]
        epochs = len(trial.curve)
        if trial.score is not None and (trial.trial_id, epochs) not in found:
            point = Measurement(trial.trial_id, trial.score, epochs, state.seconds)
            found[trial.trial_id, epochs] = point
    return state, tuple(found.values())


def trials_table(trials: Sequence[Trial]) -> pd.DataFrame:
    """Returns one row a trial; columns as in `Run.trials`."""
    columns = {
        name: pd.Series([value(trial) for trial in trials], dtype=dtype)
        for name, (dtype, value) in _COLUMNS.items()
    }
    for name in dict.fromkeys(name for trial in trials for name in trial.values):
        shown = f"hp/{name}" if name in _COLUMNS else name
        columns[shown] = _scalars([trial.values.get(name) for trial in trials])
    return pd.DataFrame(columns)


def curves_table(trials: Sequence[Trial]) -> pd.DataFrame:
    """Returns one row an epoch of a trial; columns as in `Run.curves`."""
    rows = [(trial, point) for trial in trials for point in trial.curve]
    columns = {
        "trial_id": pd.Series([trial.trial_id for trial, _ in rows], dtype="string"),
        "space": pd.Series([trial.space for trial, _ in rows], dtype="string"),
        "epoch": pd.Series([point.epoch for _, point in rows], dtype="Int64"),
        "seconds": pd.Series([point.seconds for _, point in rows], dtype="Float64"),
    }
    for name in dict.fromkeys(name for _, point in rows for name in point.metrics):
        values = [point.metrics.get(name) for _, point in rows]
        columns[name] = pd.Series(values, dtype="Float64")
    return pd.DataFrame(columns)


def write_trials_csv(run: Run) -> Path:
    """Writes trials.csv into the run directory, whole or not at all; returns its path.

    Columns: trial_id, state, space, score, best_epoch, epochs, seconds, attempt, message, then the
    hyperparameters.
    """
    table = run.trials().drop(columns=_NOT_IN_CSV)
    return write_text(run.directory / "trials.csv", table.to_csv(index=False))


def _scalars(values: list[Scalar | None]) -> "pd.Series[Any]":
    """Returns a column of the narrowest nullable type; int and str mixed stay objects."""
    kinds = {type(value) for value in values if value is not None}
    for members, dtype in (
        ({bool}, "boolean"),
        ({int}, "Int64"),
        ({int, float}, "Float64"),
        ({str}, "string"),
    ):
        if kinds <= members:
            return pd.Series(values, dtype=dtype)
    return pd.Series([pd.NA if value is None else value for value in values], dtype="object")


def _as_id(user_id: int | str, dtype: str) -> int | str:
    """Returns the id as the model takes it: text, or a whole number."""
    if dtype == "string":
        return str(user_id)
    try:
        number = int(user_id)
    except ValueError:
        number = None
    if number is None or not -(2**63) <= number < 2**63:  # the model takes int64
        raise UsageError(f"The user ids of this run are whole numbers. Received {user_id!r}.")
    return number


def _decoded(item: Any) -> int | str:
    return item.decode() if isinstance(item, bytes) else int(item)
