"""Recommendations by the exported model of a run; a function that needs TensorFlow imports it."""

import math
import re
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from recsearch.errors import RunDirectoryError, UsageError
from recsearch.results.record import RunRecord
from recsearch.system.host import host_id
from recsearch.text.shown import shown

MAX_K = 1_000_000  # items per request: more would only be padding


class ForeignModelWarning(UserWarning):
    """A model that was exported on another machine is loaded: it is executable code."""


@dataclass(frozen=True)
class ExportedModel:
    """The exported model of a run, loaded when it is first used.

    Attributes:
        run: The run that exported it.
    """

    run: RunRecord

    @property
    def foreign(self) -> str | None:
        """Why the model may come from someone else; None if it was exported on this machine."""
        host = self.run.description.machine.host
        if host == host_id():
            return None
        origin = (
            "does not say on which machine the run was made"
            if host is None
            else "says that the run was made on another machine"
        )
        return (
            f"{self.run.directory / 'run.json'} {origin}. Its model is executable code (a "
            "SavedModel): use it only if you trust its source."
        )

    @cached_property
    def model(self) -> Any:
        """The SavedModel, loaded with TensorFlow.

        Raises:
            RunDirectoryError: If the run has exported no model.
        """
        path = self.run.directory / "best" / "saved_model" / "1"
        if not path.is_dir():
            raise RunDirectoryError(
                f"There is no exported model at {path}: the run has not ended. "
                f"Finish it with `recsearch resume {self.run.directory}`."
            )
        if self.foreign is not None:
            warnings.warn(self.foreign, ForeignModelWarning, stacklevel=4)
        import tensorflow as tf

        return tf.saved_model.load(str(path))

    def recommend(self, user_id: int | str, k: int, *, include_seen: bool = False) -> pd.DataFrame:
        """Returns the k best items for a user; see `recsearch.Run.recommend`.

        Raises:
            RunDirectoryError: If the run has exported no model.
            UsageError: If k is not a positive whole number, or the id is not of the data's type.
        """
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise UsageError(f"k must be a whole number, at least 1. Received {shown(k)}.")
        name = "recommend_with_seen" if include_seen else "recommend"
        signature = self.model.signatures[name]
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
        path = self.run.directory / "data" / "titles.parquet"
        if not path.is_file():
            return items
        titles = pd.read_parquet(path).set_index("id")["title"]
        items.insert(1, "title", items["item_id"].map(titles))
        return items


def _as_id(user_id: int | str, dtype: str) -> int | str:
    """Returns the id in the model's type: text, or a whole number."""
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
