"""Ids and k of `Run.recommend`: read as they are meant, or refused; never taken for another id."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_run import run_settings, write_ratings

import recsearch
from recsearch.api.run import Run
from recsearch.errors import UsageError


@pytest.fixture(scope="module")
def numbers(finished_run: Path) -> Run:
    return recsearch.load(finished_run)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("texts")
    data = write_ratings(folder / "texts.csv", text_ids=True)
    settings = {**run_settings(folder), "data": data, "items": None, "tuner": "random"}
    return recsearch.search(**{**settings, "max_trials": 1, "max_epochs": 1})


@pytest.mark.parametrize("user", [7, np.int64(7), np.uint8(7), "7", " 7 ", np.str_("7")])
def test_whole_number_is_an_id_in_every_form(numbers: Run, user: Any) -> None:
    answer = numbers.recommend(user, 3)
    assert answer.attrs["known_user"]
    pd.testing.assert_frame_equal(answer, numbers.recommend(user_id=7, k=3))


WRONG = (42.7, 7.0, np.float64(7), True, np.bool_(True), float("nan"), None, b"7", 2**63, -(2**64),
         "x", "7.0", "\u0667", "", "9" * 5000, pd.NA, pd.Timestamp(0), object())  # fmt: skip


@pytest.mark.parametrize("user", WRONG)
def test_other_value_is_no_number(numbers: Run, user: Any) -> None:
    with pytest.raises(UsageError, match=r"user ids of this run are whole numbers\. Rec") as caught:
        numbers.recommend(user)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "user", [["a", "b"], [7], (7,), np.array([7]), pd.Series([7]), {7}, pd.Index([7])]
)
def test_several_ids_are_refused_with_a_hint(numbers: Run, texts: Run, user: Any) -> None:
    for run in (numbers, texts):
        with pytest.raises(UsageError, match=r"the id of one user: call it once per user\."):
            run.recommend(user)


@pytest.mark.parametrize(
    ("user", "hint"),
    [
        (196, r"Received 196\. Pass '196'\."),
        (np.int64(196), r"Pass '196'\."),
        ("ü7".encode(), r"Pass user_id\.decode\(\)\."),
        (None, r"Received None\.$"),
        (True, r"Received True\.$"),
        (float("nan"), r"Received nan\.$"),
        (4.5, r"Received 4\.5\.$"),
        ("\ud800", r"Received '\\ud800'\.$"),
    ],
)
def test_other_value_is_no_text(texts: Run, user: Any, hint: str) -> None:
    with pytest.raises(UsageError, match=r"^The user ids of this run are text\. .*" + hint):
        texts.recommend(user)


def test_text_is_an_id(texts: Run) -> None:
    known, unknown = texts.recommend("ü7", 3), texts.recommend("7", 3)
    assert (known.attrs["known_user"], unknown.attrs["known_user"]) == (True, False)
    pd.testing.assert_frame_equal(texts.recommend(np.str_("ü7"), 3), known)


@pytest.mark.parametrize("k", [2.5, 0, -1, True, None, "3", float("nan"), [3], np.float64(3)])
def test_k_is_a_positive_whole_number(numbers: Run, k: Any) -> None:
    with pytest.raises(UsageError, match=r"^k must be a whole number, at least 1\. Received"):
        numbers.recommend(7, k)


@pytest.mark.parametrize("k", [np.int64(5), np.uint8(5), 5])
def test_k_may_be_a_whole_number_of_numpy(numbers: Run, k: Any) -> None:
    assert len(numbers.recommend(7, k)) == 5
