"""What the check of an export refuses: correct answers of a real export, changed a little."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from prepared import prepared_with_ids
from test_export import Exported, with_text_ids

from recsearch.data.task import Task
from recsearch.errors import ExportError
from recsearch.pipeline import Feed
from recsearch.scoring.model_scorer import ModelScorer
from recsearch.serving import verify
from recsearch.serving.saved_model import ServedRecommender

Answers = dict[str, Any]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Most users have fewer than K items left, so that there is padding to compare."""
    return Exported(tmp_path_factory.mktemp("text"), *with_text_ids())


def check(
    exported: Exported, monkeypatch: pytest.MonkeyPatch, change: Callable[[Answers], None]
) -> None:
    """Verifies what the export answers in this process, after a change of the answers."""

    def ask(path: Path, vocabularies: Any, user: Any, item: Any, history: Any) -> Answers:
        raw = [
            tf.constant(ids.decode(index).to_pylist())
            for ids, index in ((vocabularies.users, user), (vocabularies.items, item))
        ]
        signatures = exported.model.signatures
        best = signatures["recommend"](user_id=raw[0], k=tf.constant(verify.K))
        answers = {
            "score": signatures["serving_default"](user_id=raw[0], item_id=raw[1])["score"].numpy(),
            "best_item": np.array(best["item_id"].numpy().tolist()),
            "best_score": best["score"].numpy(),
        }
        change(answers)
        return answers

    monkeypatch.setattr(verify, "_ask", ask)
    verify.verify_export(exported.path, exported.scorer, exported.data, exported.vocabularies)


def shift_a_score(answers: Answers) -> None:
    answers["score"][-1] += 0.002 * max(1.0, abs(answers["score"][-1]))


def shift_a_recommendation(answers: Answers) -> None:
    answers["best_score"][0, 0] += 0.002 * max(1.0, abs(answers["best_score"][0, 0]))


def score_the_padding(answers: Answers) -> None:
    answers["best_score"][np.isinf(answers["best_score"])] = 0.0


def swap_two_items(answers: Answers) -> None:
    row = np.argmax(np.isfinite(answers["best_score"]).sum(axis=1))
    answers["best_item"][row, :2] = answers["best_item"][row, 1::-1].copy()


def test_unchanged_answers_pass(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    check(exported, monkeypatch, lambda answers: None)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (shift_a_score, "score"),
        (shift_a_recommendation, "recommend"),
        (score_the_padding, "recommend"),
        (swap_two_items, "choice of items"),
    ],
)
def test_changed_answer_is_refused(
    exported: Exported,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Answers], None],
    what: str,
) -> None:
    with pytest.raises(ExportError, match=f"exported model's {what}.* differs"):
        check(exported, monkeypatch, change)


def test_scorer_with_a_tolerance_of_its_own_is_compared_with_it(
    exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exported.scorer, "tolerance", 0.01)
    check(exported, monkeypatch, shift_a_score)


def test_item_part_is_no_table_that_only_has_its_shape() -> None:
    data, vocabularies = prepared_with_ids(Task.RATING)
    keras.utils.set_random_seed(0)
    user, item = (keras.Input((), dtype="int32", name=f"{side}_id") for side in ("user", "item"))
    tower = layers.Add()([layers.Embedding(data.spec.num_items, 4)(item) for _ in range(2)])
    score = layers.Dot(-1)([layers.Embedding(data.spec.num_users, 4)(user), tower])
    scorer = ModelScorer(keras.Model([user, item], score), Feed(data), data.spec)
    (part,) = ServedRecommender(scorer, data, vocabularies).item_parts
    assert [v.shape for v in scorer.model.variables].count(part.shape) == 2
    np.testing.assert_array_equal(part, scorer.items()[0])
