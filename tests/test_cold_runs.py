"""Whole runs with held-out users and items; the small siblings are in test_unknown_ids.py."""

import json
from pathlib import Path

import numpy as np
import pytest
from small_run import NUM_ITEMS, NUM_USERS, run_settings

import recsearch
from recsearch.data.store import open_prepared


@pytest.mark.slow
@pytest.mark.parametrize(("split", "task"), [("cold-users", "rating"), ("cold-items", "implicit")])
def test_run_on_held_out_users_or_items_ends_in_an_export(
    tmp_path: Path, split: str, task: str
) -> None:
    settings = run_settings(
        tmp_path / "run", split=split, task=task, tuner="random", max_trials=2, max_epochs=1
    )
    run = recsearch.search(settings.pop("spaces"), **settings)
    metrics = json.loads((run.directory / "best" / "metrics.json").read_text())
    assert metrics["protocol"]["split"].startswith(f"{split}: 10 % of the {split[5:]} with all")
    among = "held-out labels" if split == "cold-users" else "catalogue of the 4 held-out items"
    assert among in metrics["protocol"]["test"]
    assert all(np.isfinite(value) for value in metrics["test"].values())
    assert metrics["export"]["verified"]
    search, final = (open_prepared(run.directory / "data" / name) for name in ("search", "final"))
    is_users = split == "cold-users"
    total, tenth = (NUM_USERS, 6) if is_users else (NUM_ITEMS, 4)
    for data, parts in ((search, 8), (final, 9)):
        size = data.spec.num_users if is_users else data.spec.num_items
        index = data.holdout.user if is_users else data.holdout.item
        assert size == 1 + total * parts // 10
        assert np.unique(index).tolist() == list(range(size, size + tenth))
        assert data.has_cold_users == is_users
