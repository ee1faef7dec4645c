"""A run as a value: what its directory holds, and the tables computed from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from recsearch.errors import RunDirectoryError
from recsearch.results.records import Measurement, Training
from recsearch.results.tables import curves_table, trials_table
from recsearch.study.replay import SearchState
from recsearch.study.trial import Trial
from recsearch.study.wording import count_text
from recsearch.system.files import write_text
from recsearch.text.wording import number_text

_NOT_IN_CSV = ["bracket", "rung", "num_parameters"]


@dataclass(frozen=True, repr=False)
class RunRecord:
    """What a run directory holds.

    Attributes:
        directory: The run directory.
        config: run.json: settings, versions, data, search space.
        state: The trials and stages, replayed from the journal.
        measurements: Every score in the order in which it became known.
        metrics: best/metrics.json, or None while the run has not come that far.
        trainings: Every stay of a trial on a worker.
        examples: best/examples.json, or None if the run left none.
    """

    directory: Path
    config: Mapping[str, Any]
    state: SearchState
    measurements: tuple[Measurement, ...]
    metrics: Mapping[str, Any] | None
    trainings: tuple[Training, ...] = ()
    examples: Mapping[str, Any] | None = None

    def needed(self, key: str) -> Any:
        """Returns what run.json says under a key that a command cannot do without.

        Raises:
            RunDirectoryError: If run.json does not have it.
        """
        if key not in self.config:
            raise RunDirectoryError(
                f"{self.directory / 'run.json'} is damaged: expected the key '{key}', received an "
                "object without it."
            )
        return self.config[key]

    @property
    def space(self) -> Sequence[Mapping[str, Any]]:
        """The hyperparameters as run.json describes them, under their full names."""
        described: Sequence[Mapping[str, Any]] = self.config.get("space", ())
        return described

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

    def __repr__(self) -> str:
        """Returns the summary: what the run holds would fill pages."""
        return self.summary()


def write_trials_csv(run: RunRecord) -> Path:
    """Writes trials.csv into the run directory, completely or not at all; returns its path.

    Columns: trial_id, state, space, score, best_epoch, epochs, seconds, attempt, message, then the
    hyperparameters.
    """
    table = run.trials().drop(columns=_NOT_IN_CSV)
    return write_text(run.directory / "trials.csv", table.to_csv(index=False))
