"""Exports the finalist and verifies that the export and the model give the same answers."""

from dataclasses import replace
from typing import Any

import numpy as np

from recsearch.data.interactions import Encoded
from recsearch.data.preparation import PreparedData, SeenItems
from recsearch.data.store import read_vocabularies
from recsearch.data.vocabulary import is_unknown
from recsearch.serving.saved_model import save_recommender
from recsearch.serving.verify import verify_export
from recsearch.workflow.final.finalist import Finalist
from recsearch.workflow.final.retraining import load_scorer


def export(finalist: Finalist) -> dict[str, Any]:
    """Writes the SavedModel and verifies its answers in a fresh process."""
    trained_on = finalist.final_data()
    scorer = load_scorer(finalist, trained_on)  # bags contain only training interactions
    data = _with_all_seen(trained_on)
    vocabularies = read_vocabularies(finalist.directory / "data" / "final")
    path = save_recommender(finalist.best_dir, scorer, data, vocabularies)
    verification = verify_export(path, scorer, data, vocabularies)
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return {"verified": True, "max_difference": verification.max_difference, "bytes": size}


def _with_all_seen(data: PreparedData) -> PreparedData:
    """Returns the data with the test part among the seen items, which are not recommended."""
    spec, holdout = data.spec, data.holdout
    known = ~is_unknown(holdout.user, spec.num_users) & ~is_unknown(holdout.item, spec.num_items)
    parts = zip(vars(data.train).values(), vars(holdout).values(), strict=True)
    everything = Encoded(*(np.concatenate([first, second[known]]) for first, second in parts))
    seen = SeenItems.of(everything, spec.num_users, spec.num_items)
    return replace(data, seen=seen)
