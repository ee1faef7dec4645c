"""Exports the finalist and proves that the export answers as the model does."""

from dataclasses import replace
from typing import Any

import numpy as np

from recsearch.data.interactions import Encoded
from recsearch.data.preparation import PreparedData, SeenItems
from recsearch.data.store import read_vocabularies
from recsearch.data.vocabulary import is_unknown
from recsearch.serving.saved_model import save_recommender
from recsearch.serving.verify import verify_export
from recsearch.workflow.final.finalist import Finale
from recsearch.workflow.final.retraining import load_scorer


def export(finale: Finale) -> dict[str, Any]:
    """Writes the SavedModel and proves in a fresh process that it answers as the model does."""
    trained_on = finale.final_data()
    scorer = load_scorer(finale, trained_on)  # a bag of items holds what it was trained on
    data = _with_all_seen(trained_on)
    vocabularies = read_vocabularies(finale.directory / "data" / "final")
    path = save_recommender(finale.best_dir, scorer, data, vocabularies)
    verification = verify_export(path, scorer, data, vocabularies)
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return {"verified": True, "max_difference": verification.max_difference, "bytes": size}


def _with_all_seen(data: PreparedData) -> PreparedData:
    """Returns the data with the test part among what users have seen: that is not recommended."""
    spec, holdout = data.spec, data.holdout
    known = ~is_unknown(holdout.user, spec.num_users) & ~is_unknown(holdout.item, spec.num_items)
    parts = zip(vars(data.train).values(), vars(holdout).values(), strict=True)
    everything = Encoded(*(np.concatenate([first, second[known]]) for first, second in parts))
    seen = SeenItems.of(everything, spec.num_users, spec.num_items)
    return replace(data, seen=seen)
