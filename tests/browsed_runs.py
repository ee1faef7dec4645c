"""Three small runs, one a task, whose reports a browser opens."""

from pathlib import Path
from typing import Any

from small_run import NUM_ITEMS, write_builder, write_item_titles, write_ratings

import recsearch

HOSTILE_ID = "<script>alert(1)</script>"

SETTINGS: dict[str, dict[str, Any]] = {
    "ratings": {"task": "rating", "tuner": "hyperband", "max_trials": 4, "max_epochs": 3},
    "implicit": {"task": "implicit", "tuner": "random", "max_trials": 4, "max_epochs": 1},
    "click": {"task": "click", "tuner": "random", "max_trials": 3, "max_epochs": 2},
}


def search_all(folder: Path) -> dict[str, Path]:
    """Returns the directories of three finished runs; in `click` all ids and titles are hostile."""
    ratings = str(write_ratings(folder / "ratings.csv"))
    titles = str(write_item_titles(folder / "items.csv"))
    quick = f"{write_builder(folder)}:build"
    given: dict[str, tuple[list[str], str, str]] = {
        "ratings": (["matrix_factorization"], ratings, titles),
        "implicit": (["matrix_factorization", quick], ratings, titles),
        "click": ([quick], *_write_hostile(folder)),
    }
    return {
        name: recsearch.search(
            spaces, data=data, items=items, engine="inline", seed=5, out=str(folder / name),
            **SETTINGS[name],
        ).directory
        for name, (spaces, data, items) in given.items()
    }  # fmt: skip


def _write_hostile(folder: Path) -> tuple[str, str]:
    """Writes clicks of users and items whose ids and titles are scripts; returns both paths."""
    clicks = write_ratings(folder / "clicks.csv", text_ids=True, clicks=True)
    hostile = clicks.read_text(encoding="utf-8").replace("ü", HOSTILE_ID).replace("物", HOSTILE_ID)
    clicks.write_text(hostile, encoding="utf-8")
    rows = [f"{HOSTILE_ID}{number},{HOSTILE_ID} {number}" for number in range(1, NUM_ITEMS + 1)]
    items = folder / "hostile.csv"
    items.write_text("\n".join(["item_id,title", *rows]) + "\n", encoding="utf-8")
    return str(clicks), str(items)
