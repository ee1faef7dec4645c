"""Asks a SavedModel questions in a process with TensorFlow, without recsearch.

    python ask.py SAVED_MODEL QUESTIONS.npz ANSWERS.npz

QUESTIONS contains `user_id` and `item_id` [n] and `k` []; ANSWERS gets `score` [n] of the pairs,
and `best_item` and `best_score` [n, k] of the users. This file is run as a script and imports
nothing of the package.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf


def main(model_path: str, questions_path: str, answers_path: str) -> None:
    """Loads the model, answers, and writes the answers."""
    loaded = tf.saved_model.load(model_path)
    with np.load(questions_path, allow_pickle=False) as questions:
        user, item = tf.constant(questions["user_id"]), tf.constant(questions["item_id"])
        k = tf.constant(int(questions["k"]))
    score = loaded.signatures["serving_default"](user_id=user, item_id=item)["score"]
    best = loaded.signatures["recommend"](user_id=user, k=k)
    np.savez(
        answers_path,
        score=score.numpy(),
        best_item=np.array(best["item_id"].numpy().tolist()),  # text as plain bytes: no pickle
        best_score=best["score"].numpy(),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
