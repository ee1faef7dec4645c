"""Example recommendations for a few users, written to best/examples.json.

`recsearch.report.examples` shows them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recsearch.data.interactions import Encoded
from recsearch.data.preparation import PreparedData, Vocabularies
from recsearch.data.task import Task
from recsearch.data.vocabulary import is_unknown
from recsearch.evaluation.protocol import recommend
from recsearch.evaluation.scorer import Scorer

NUM_USERS = 5
NUM_ITEMS = 10


@dataclass(frozen=True)
class ExampleMaker:
    """Creates the examples of a run.

    Attributes:
        data: The training data of the model, with the test part held out.
        vocabularies: The raw ids.
        titles: Raw item id -> title, for items with a title.
    """

    data: PreparedData
    vocabularies: Vocabularies
    titles: dict[Any, str]

    @classmethod
    def of(cls, data: PreparedData, vocabularies: Vocabularies, titles: Path) -> "ExampleMaker":
        """Creates the maker; `titles` is the Parquet file of titles, which may be absent."""
        found: dict[Any, str] = {}
        if titles.exists():
            table = pq.read_table(titles)
            pairs = zip(table["id"].to_pylist(), table["title"].to_pylist(), strict=True)
            found = {raw: title for raw, title in pairs if title is not None}
        return cls(data, vocabularies, found)

    def examples(self, scorer: Scorer, seed: int) -> dict[str, Any]:
        """Returns recommendations for a few random users with held-out items."""
        known = self.data.holdout.user[
            ~is_unknown(self.data.holdout.user, self.data.spec.num_users)
        ]
        everyone = np.unique(known)
        count = min(NUM_USERS, len(everyone))
        users = np.sort(np.random.default_rng(seed).choice(everyone, count, replace=False))
        lists = recommend(scorer, self.data, users.astype(np.int32), NUM_ITEMS).items
        pairs = zip(users.tolist(), lists, strict=True)
        return {"users": [self._user(scorer, user, items) for user, items in pairs]}

    def _user(self, scorer: Scorer, user: int, items: NDArray[np.integer]) -> dict[str, Any]:
        best: NDArray[np.int32] = items[items > 0].astype(np.int32)
        score = scorer.score_pairs(np.full(len(best), user, np.int32), best)
        held_out = self._wanted(user)
        (raw,) = self.vocabularies.users.decode(np.array([user], np.int32)).to_pylist()
        recommended = self._items(best)
        for each, item, value in zip(recommended, best.tolist(), score.tolist(), strict=True):
            each["score"] = value
            each["held_out"] = item in held_out
        return {
            "user_id": raw,
            "history": self._rows(self.data.train, user),
            "recommended": recommended,
            "held_out": self._rows(self.data.holdout, user),
        }

    def _wanted(self, user: int) -> set[int]:
        """Returns a user's held-out items; for clicks, only the clicked items."""
        holdout = self.data.holdout
        mine = holdout.user == user
        if self.data.spec.task is Task.CLICK:
            mine &= holdout.label > 0
        return set(holdout.item[mine].tolist())

    def _rows(self, part: Encoded, user: int) -> list[dict[str, Any]]:
        """Returns a user's items in a part, highest labels first."""
        rows = np.flatnonzero(part.user == user)
        rows = rows[~is_unknown(part.item[rows], self.data.spec.num_items)]
        rows = rows[np.argsort(-part.label[rows], kind="stable")][:NUM_ITEMS]
        entries = self._items(part.item[rows])
        if len(np.unique(self.data.train.label)) > 1:
            for entry, label in zip(entries, part.label[rows].tolist(), strict=True):
                entry["label"] = label
        return entries

    def _items(self, items: NDArray[np.int32]) -> list[dict[str, Any]]:
        raw: pa.Array = self.vocabularies.items.decode(items)
        named = ((each, self.titles.get(each)) for each in raw.to_pylist())
        return [
            {"item_id": each} if title is None else {"item_id": each, "title": title}
            for each, title in named
        ]
