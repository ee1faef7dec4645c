"""Verifies in a fresh process that an export gives the same answers as the model in memory."""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsearch.data.preparation import PreparedData, Vocabularies
from recsearch.errors import ExportError
from recsearch.evaluation.scorer import Scorer

NUM_QUESTIONS = 32
K = 10
TOLERANCE = 1e-4
"""Relative, or absolute below 1: another graph may add numbers in another order.

A scorer that computes in half precision has its own, larger `tolerance`.
"""


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
    answers = _ask(path, vocabularies, user, item)
    unseen = _unseen_scores(scorer, data, user)
    best = _best(unseen)
    shown = np.take_along_axis(unseen, _indices(answers, vocabularies), axis=1)
    tolerance = getattr(scorer, "tolerance", TOLERANCE)
    compared = {
        "score": (answers["score"], scorer.score_pairs(user, item)),
        "recommend": (answers["best_score"], best),
        "choice of items (-inf: seen in training)": (shown, best),
    }
    difference = [_compare(name, *scores, tolerance) for name, scores in compared.items()]
    return Verification(max(difference), NUM_QUESTIONS, NUM_QUESTIONS)


def _ask(
    path: Path, vocabularies: Vocabularies, user: NDArray[np.int32], item: NDArray[np.int32]
) -> dict[str, NDArray[Any]]:
    script = Path(__file__).with_name("ask.py")
    with tempfile.TemporaryDirectory() as folder:
        questions, answers = Path(folder) / "questions.npz", Path(folder) / "answers.npz"
        np.savez(
            questions,
            user_id=_raw(vocabularies.users.decode(user)),
            item_id=_raw(vocabularies.items.decode(item)),
            k=np.int32(K),
        )
        command = [sys.executable, "-I", str(script), str(path), str(questions), str(answers)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ExportError(f"The SavedModel cannot be used on its own:\n{done.stderr[-2000:]}")
        with np.load(answers, allow_pickle=False) as stored:
            return {name: stored[name] for name in ("score", "best_score", "best_item")}


def _raw(ids: pa.Array) -> NDArray[np.int64] | NDArray[np.str_]:
    return np.array(ids.to_pylist())


def _unseen_scores(
    scorer: Scorer, data: PreparedData, user: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Returns each user's score of every item, [B, N]; -inf for unknown and seen items."""
    scores = scorer.score_catalogue(user)
    scores[:, 0] = -np.inf
    scores[data.seen.rows(user)] = -np.inf
    return scores


def _best(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the K best scores of each row, [B, K], -inf where there are fewer."""
    best = -np.sort(-scores, axis=1)[:, :K]
    missing = K - best.shape[1]
    return np.pad(best, [(0, 0), (0, max(0, missing))], constant_values=-np.inf)


def _indices(answers: dict[str, NDArray[Any]], vocabularies: Vocabularies) -> NDArray[np.int32]:
    """Returns the index of each recommended item, [B, K]; 0 for padding."""
    raw = answers["best_item"]
    ids = np.char.decode(raw, "utf-8") if vocabularies.items.is_text else raw
    index = vocabularies.items.encode(pa.array(ids.ravel().tolist())).reshape(raw.shape)
    # An id may equal the padding; only padding has the score -inf.
    return np.where(np.isfinite(answers["best_score"]), index, 0)


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
