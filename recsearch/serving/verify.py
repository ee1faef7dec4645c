"""Verifies in a fresh process that an export gives the same answers as the model in memory."""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsearch.data.preparation import PreparedData, Vocabularies
from recsearch.errors import ExportError
from recsearch.evaluation.scorer import Scorer

NUM_QUESTIONS = 32
K = 10
MAX_HISTORY = 20  # items of a history that is asked about
TOLERANCE = 1e-4
"""Relative, or absolute below 1: another graph may add numbers in another order.

A scorer that computes in half precision has its own, larger `tolerance`.
"""


@runtime_checkable
class HistoryScorer(Protocol):
    """A scorer that may also answer for a history in place of a user."""

    @property
    def answers_requests(self) -> bool:
        """Whether it does."""

    def score_histories(self, history: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns the score of every item for each history [B, L] of indices, [B, N]."""


@dataclass(frozen=True)
class Verification:
    """The result of a verification.

    Attributes:
        max_difference: Largest absolute difference of a score.
        num_pairs: Number of compared pairs.
        num_users: Number of users whose K best unseen items were compared.
    """

    max_difference: float
    num_pairs: int
    num_users: int


def verify_export(
    path: Path, scorer: Scorer, data: PreparedData, vocabularies: Vocabularies
) -> Verification:
    """Compares the SavedModel at `path`, reloaded in a fresh process, with the model in memory.

    Raises:
        ExportError: If it cannot be loaded, or a score or a recommendation differs.
    """
    rng = np.random.default_rng(0)
    user = rng.integers(1, data.spec.num_users, NUM_QUESTIONS).astype(np.int32)
    item = rng.integers(1, data.spec.num_items, NUM_QUESTIONS).astype(np.int32)
    history = _histories(data, vocabularies, user)
    answers = _ask(path, vocabularies, user, item, history)
    unseen = _without(scorer.score_catalogue(user), data.seen.rows(user))
    best = _best(unseen)
    tolerance = getattr(scorer, "tolerance", TOLERANCE)
    compared = {
        "score": (answers["score"], scorer.score_pairs(user, item)),
        "recommend": (answers["best_score"], best),
        "choice of items (-inf: seen in training)": (
            _shown(unseen, answers, "best", vocabularies),
            best,
        ),
    }
    if isinstance(scorer, HistoryScorer) and scorer.answers_requests:
        known = vocabularies.items.encode(pa.array(history.ravel())).reshape(history.shape)
        others = _without(scorer.score_histories(known), _cells(known))
        compared["recommend_for_history"] = (answers["history_score"], _best(others))
        compared["choice of items (-inf: in the history)"] = (
            _shown(others, answers, "history", vocabularies),
            _best(others),
        )
    difference = [_compare(name, *scores, tolerance) for name, scores in compared.items()]
    return Verification(max(difference), NUM_QUESTIONS, NUM_QUESTIONS)


def _histories(
    data: PreparedData, vocabularies: Vocabularies, user: NDArray[np.int32]
) -> NDArray[np.int64] | NDArray[np.str_]:
    """Returns raw ids of training items of each user, [B, L]; "" or -1 pads.

    In the order of the items: any order serves to compare two ways of computing a score.
    """
    row, item = data.seen.rows(user)
    place = np.arange(len(row)) - np.searchsorted(row, row)
    index = np.zeros((len(user), MAX_HISTORY), np.int32)
    short = place < MAX_HISTORY
    index[row[short], place[short]] = item[short]
    raw = vocabularies.items.decode(index.ravel())
    return _raw(raw.fill_null("" if vocabularies.items.is_text else -1)).reshape(index.shape)


def _cells(history: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Returns (row, item) of every entry of the histories."""
    return np.repeat(np.arange(len(history)), history.shape[1]), history.ravel()


def _ask(
    path: Path,
    vocabularies: Vocabularies,
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    history: NDArray[np.int64] | NDArray[np.str_],
) -> dict[str, NDArray[Any]]:
    script = Path(__file__).with_name("ask.py")
    with tempfile.TemporaryDirectory() as folder:
        questions, answers = Path(folder) / "questions.npz", Path(folder) / "answers.npz"
        np.savez(
            questions,
            user_id=_raw(vocabularies.users.decode(user)),
            item_id=_raw(vocabularies.items.decode(item)),
            history=history,
            k=np.int32(K),
        )
        command = [sys.executable, "-I", str(script), str(path), str(questions), str(answers)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ExportError(f"The SavedModel cannot be used on its own:\n{done.stderr[-2000:]}")
        with np.load(answers, allow_pickle=False) as stored:
            return dict(stored)


def _raw(ids: pa.Array) -> NDArray[np.int64] | NDArray[np.str_]:
    return np.array(ids.to_pylist())


def _without(
    scores: NDArray[np.float32], seen: tuple[NDArray[np.int64], NDArray[np.int32]]
) -> NDArray[np.float32]:
    """Returns the scores [B, N] with -inf at the unknown item and at the seen (row, item)."""
    scores[:, 0] = -np.inf
    scores[seen] = -np.inf
    return scores


def _shown(
    scores: NDArray[np.float32],
    answers: dict[str, NDArray[Any]],
    prefix: str,
    vocabularies: Vocabularies,
) -> NDArray[np.float32]:
    """Returns the scores, in memory, of the items that the export recommends, [B, K]."""
    return np.take_along_axis(scores, _indices(answers, prefix, vocabularies), axis=1)


def _best(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the K best scores of each row, [B, K], -inf where there are fewer."""
    best = -np.sort(-scores, axis=1)[:, :K]
    missing = K - best.shape[1]
    return np.pad(best, [(0, 0), (0, max(0, missing))], constant_values=-np.inf)


def _indices(
    answers: dict[str, NDArray[Any]], prefix: str, vocabularies: Vocabularies
) -> NDArray[np.int32]:
    """Returns the index of each recommended item, [B, K]; 0 for padding."""
    raw = answers[f"{prefix}_item"]
    ids = np.char.decode(raw, "utf-8") if vocabularies.items.is_text else raw
    index = vocabularies.items.encode(pa.array(ids.ravel().tolist())).reshape(raw.shape)
    # An id may equal the padding; only padding has the score -inf.
    return np.where(np.isfinite(answers[f"{prefix}_score"]), index, 0)


def _compare(
    name: str, exported: NDArray[np.float32], memory: NDArray[np.float32], tolerance: float
) -> float:
    """Returns the largest difference of two arrays of scores of one shape."""
    finite = np.isfinite(memory)
    same_places = exported.shape == memory.shape and np.array_equal(np.isfinite(exported), finite)
    close = same_places and np.allclose(
        exported[finite], memory[finite], rtol=tolerance, atol=tolerance
    )
    if not close:
        raise ExportError(
            f"The exported model's {name} differs from the model in memory: "
            f"received {exported.ravel()[:5]}, expected {memory.ravel()[:5]}."
        )
    return float(np.abs(exported[finite] - memory[finite]).max(initial=0.0))
