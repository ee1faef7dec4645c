"""A run as a value: the content of its directory, and tables computed from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from recsearch.errors import RunDirectoryError
from recsearch.results.measurements import Measurement, Stay
from recsearch.results.run_description import RunDescription
from recsearch.results.run_metrics import RunMetrics
from recsearch.results.trial_tables import curves_table, trials_table
from recsearch.results.user_examples import UserExamples
from recsearch.study.replay import SearchState
from recsearch.study.trial import Trial
from recsearch.study.wording import count_text
from recsearch.system.files import write_text
from recsearch.text.wording import number_text

_NOT_IN_CSV = ["bracket", "rung", "num_parameters"]


@dataclass(frozen=True, repr=False)
class RunRecord:
    """The content of a run directory.

    Attributes:
        directory: The run directory.
        description: run.json: settings, versions, data, search space.
        state: The trials and stages, replayed from the journal.
        measurements: Every score in the order in which it became known.
        tested: best/metrics.json, or None if the run has not ended.
        trainings: Every stay of a trial on a worker.
        user_examples: best/examples.json, or None if the run left none.
    """

    directory: Path
    description: RunDescription
    state: SearchState
    measurements: tuple[Measurement, ...]
    tested: RunMetrics | None
    trainings: tuple[Stay, ...] = ()
    user_examples: UserExamples | None = None

    @property
    def config(self) -> Mapping[str, Any]:
        """run.json as a mapping: settings, versions, data, search space."""
        return self.description.json

    @property
    def metrics(self) -> Mapping[str, Any] | None:
        """best/metrics.json as a mapping, or None if the run has not ended."""
        return None if self.tested is None else self.tested.json

    @property
    def examples(self) -> Mapping[str, Any] | None:
        """best/examples.json as a mapping, or None if the run left none."""
        return None if self.user_examples is None else self.user_examples.json

    def lacks(self, key: str) -> RunDirectoryError:
        """Returns the error of a command that needs a key which run.json does not have."""
        return RunDirectoryError(
            f"{self.directory / 'run.json'} is damaged: expected the key '{key}', received an "
            "object without it."
        )

    def trials(self) -> pd.DataFrame:
        """Returns a table of all trials, in the order of their ids; missing values are NA.

        Columns: trial_id, state, space, score, best_epoch, epochs (trained), seconds, attempt,
        message, bracket, rung, num_parameters, then the hyperparameters in order of first
        appearance. A hyperparameter with the name of an earlier column gets the prefix `hp/`.
        """
        return trials_table(list(self.state.trials.values()))

    def curves(self) -> pd.DataFrame:
        """Returns a long table of all learning curves, one row per epoch of a trial.

        Columns: trial_id, space, epoch (from 1), seconds (of this epoch), then one per metric.
        """
        return curves_table(list(self.state.trials.values()))

    def best(self) -> Trial | None:
        """Returns the trial with the best validation score, or None if none has one."""
        return next(iter(self.state.ranked()), None)

    def summary(self) -> str:
        """Returns the result of the run in a few lines."""
        lines = [f"{self.directory.name}: {count_text(self.state.trials.values())}."]
        best, objective = self.best(), self.state.objective
        if best is not None and objective is not None:
            lines.append(
                f"Best by validation: trial {best.trial_id} ({best.space}), {objective.name} "
                f"{number_text(best.score)} at epoch {best.best_epoch}."
            )
        verdict = self.tested.verdict if self.tested else None
        lines.append(verdict or "The run has not ended: there are no test metrics yet.")
        return "\n".join(lines)

    def __repr__(self) -> str:
        """Returns the summary: the complete content would fill pages."""
        return self.summary()


def write_trials_csv(run: RunRecord) -> Path:
    """Writes trials.csv into the run directory, completely or not at all; returns its path.

    Columns: trial_id, state, space, score, best_epoch, epochs, seconds, attempt, message, then the
    hyperparameters.
    """
    table = run.trials().drop(columns=_NOT_IN_CSV)
    return write_text(run.directory / "trials.csv", table.to_csv(index=False))
