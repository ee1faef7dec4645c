from typing import Any

import pytest

from recsearch.study.trial import Objective
from recsearch.workflow.final.verdict import verdict


def compared(answer: str, low: float | None = -0.06, note: str = "") -> dict[str, Any]:
    difference = {
        "value": -0.05, "low": low, "high": None if low is None else -0.04, "level": 0.95,
        "note": note,
    }  # fmt: skip
    return {"baseline": "bias", "answer": answer, "difference": difference}


def words(own: float | None, comparison: dict[str, Any] | None) -> str:
    baselines = {"bias": {"rmse": 0.95}, "item_knn": {"rmse": 1.0}, "ease": {"skipped": "large"}}
    return verdict("m", Objective("rmse", "min"), {"rmse": own}, baselines, comparison)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("better", "m beats every baseline on rmse: 0.9000 against 0.9500 (bias)"),
        ("worse", "m does not beat bias on rmse: 0.9000 against 0.9500 (bias)"),
        (
            "not distinguishable",
            "m is not distinguishable from bias on rmse: 0.9000 against 0.9500 (bias)",
        ),
    ],
)
def test_verdict_follows_the_comparison_and_tells_its_interval(answer: str, expected: str) -> None:
    tail = "; difference -0.0500, 95% interval over users -0.0600 to -0.0400."
    assert words(0.9, compared(answer)) == expected + tail


def test_verdict_without_an_interval_says_why() -> None:
    found = words(0.9, compared("not distinguishable", None, "1 user(s) with held-out rows"))
    assert found.endswith("(bias); no interval: 1 user(s) with held-out rows.")


def test_verdict_without_a_baseline_or_a_number_says_so() -> None:
    assert (
        words(0.9, None) == "m reaches rmse 0.9000 on the test part; no baseline could be fitted."
    )
    assert words(None, compared("worse")) == "m has no finite rmse on the test part."
