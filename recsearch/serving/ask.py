"""Asks a SavedModel questions in a process with TensorFlow, without recsearch.

    python ask.py SAVED_MODEL QUESTIONS.npz ANSWERS.npz

QUESTIONS contains `user_id` and `item_id` [n], `history` [n, L] and `k` []. ANSWERS gets `score`
[n] of the pairs, `best_item` and `best_score` [n, k] of the users and, if the model answers for
histories, `history_item` and `history_score` [n, k]. This file is run as a script and imports
nothing of the package.
"""

import os
import sys
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf


def main(model_path: str, questions_path: str, answers_path: str) -> None:
    """Loads the model, answers, and writes the answers."""
    loaded = tf.saved_model.load(model_path)
    with np.load(questions_path, allow_pickle=False) as questions:
        user, item = tf.constant(questions["user_id"]), tf.constant(questions["item_id"])
        history = tf.constant(questions["history"])
        k = tf.constant(int(questions["k"]))
    score = loaded.signatures["serving_default"](user_id=user, item_id=item)["score"]
    answers = {"score": score.numpy(), **_best("best", loaded, "recommend", user_id=user, k=k)}
    if "recommend_for_history" in loaded.signatures:
        answers |= _best("history", loaded, "recommend_for_history", history=history, k=k)
    np.savez(answers_path, **answers)


def _best(prefix: str, loaded: Any, signature: str, **question: tf.Tensor) -> dict[str, Any]:
    found = loaded.signatures[signature](**question)
    return {
        f"{prefix}_item": np.array(found["item_id"].numpy().tolist()),  # text as bytes: no pickle
        f"{prefix}_score": found["score"].numpy(),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
