"""A run as a value: what its directory holds, and what can be asked of it."""

import html
import math
import re
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recsearch.errors import RunDirectoryError, UsageError
from recsearch.results.plots import RunPlots
from recsearch.results.tables import curves_table, trials_table
from recsearch.study.trial import Trial
from recsearch.study.wording import count_text
from recsearch.system.host import host_id
from recsearch.text.shown import shown
from recsearch.text.wording import number_text

if TYPE_CHECKING:
    from optuna.study import Study

MAX_K = 1_000_000  # items asked for at once: more would only be padding


class ForeignModelWarning(UserWarning):
    """A model is loaded that was exported on another machine: it is executable code."""


@dataclass(frozen=True, repr=False)
class Run(RunPlots):
    """What a run directory holds; its attributes and plots are those of `RunPlots`."""

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

    def _repr_html_(self) -> str:
        ids = [trial.trial_id for trial in self.state.ranked()[:5]]
        leaders = self.trials().set_index("trial_id").loc[ids].drop(columns=["message"])
        shown = leaders.dropna(axis="columns", how="all")
        lines = "<br>".join(map(html.escape, self.summary().splitlines()))
        return f"<p>{lines}</p>{shown.to_html(escape=True, na_rep='')}"

    def to_optuna(self, storage: str | None = None) -> "Study":
        """Returns the trials as an Optuna study; see `exchange.optuna_study.make_study`."""
        from recsearch.exchange.optuna_study import make_study

        return make_study(self, storage)

    def to_mlflow(self, uri: str, experiment: str = "recsearch") -> str:
        """Logs the run to MLflow, returns the run's id; see `exchange.mlflow_log.log_to_mlflow`."""
        from recsearch.exchange.mlflow_log import log_to_mlflow

        return log_to_mlflow(self, uri, experiment)

    def recommender(self) -> Any:
        """Returns the exported model, loaded with TensorFlow.

        A SavedModel is executable code: load only models that you trust. A model of a run that was
        made on another machine is loaded with a `ForeignModelWarning`.

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
        foreign = self.foreign_model()
        if foreign is not None:
            warnings.warn(foreign, ForeignModelWarning, stacklevel=2)
        import tensorflow as tf

        return tf.saved_model.load(str(path))

    def foreign_model(self) -> str | None:
        """Returns why the exported model may be another person's; None if it was made here."""
        host = (self.config.get("machine") or {}).get("host")
        if host == host_id():
            return None
        origin = "does not say on which machine it" if host is None else "says that the run"
        where = "" if host is None else " on another machine"
        return (
            f"{self.directory / 'run.json'} {origin} was made{where}. Its model is executable code "
            "(a SavedModel): use it only if you trust where it comes from."
        )

    def recommend(
        self, user_id: int | str, k: int = 10, *, include_seen: bool = False
    ) -> pd.DataFrame:
        """Returns the k best items for a user, by the exported model.

        Args:
            user_id: Raw id of one user, as in the data: a whole number or text.
            k: How many items; fewer come back if the model has no more to offer.
            include_seen: Whether items may come back that the user has in the data.

        Returns:
            Columns item_id, title (where an item table had one) and score, the best first;
            `attrs["known_user"]` says whether the user was in the data.

        Raises:
            RunDirectoryError: If the run has exported no model.
            UsageError: If k is no positive whole number, or the id is not of the data's type.
        """
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise UsageError(f"k must be a whole number, at least 1. Received {shown(k)}.")
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


def _as_id(user_id: int | str, dtype: str) -> int | str:
    """Returns the id as the model takes it: text, or a whole number."""
    is_number = isinstance(user_id, int | np.integer) and not isinstance(user_id, bool)
    expected = "are text" if dtype == "string" else "are whole numbers"
    hint = ""
    if dtype == "string":
        if isinstance(user_id, str) and _is_utf8(user_id):
            return str(user_id)
        if isinstance(user_id, bytes):
            hint = " Pass user_id.decode()."
        elif is_number:
            hint = f" Pass '{user_id}'."
    elif is_number or isinstance(user_id, str):
        number = _whole_number(str(user_id))
        if number is not None:
            return number
    if isinstance(user_id, list | tuple | set | dict | np.ndarray | pd.Series | pd.Index):
        hint = " `recommend` takes the id of one user: call it once per user."
    raise UsageError(f"The user ids of this run {expected}. Received {shown(user_id)}.{hint}")


def _whole_number(text: str) -> int | None:
    """Returns the int64 that a text of digits is (the command line has only text), or None."""
    if not re.fullmatch(r"\s*[+-]?[0-9]{1,19}\s*", text):
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _decoded(item: Any) -> int | str:
    return item.decode() if isinstance(item, bytes) else int(item)
