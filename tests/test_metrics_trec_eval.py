"""Ranking metrics against trec_eval, the program of the TREC conferences (pytrec_eval)."""

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_metrics import per_user_ranking

from recsearch.metrics import rank_in_lists, rank_positives

TREC_NAMES = {
    "hr": "success",
    "ndcg": "ndcg_cut",
    "recall": "recall",
    "precision": "P",
    "map": "map_cut",
}


@st.composite
def rankings(draw):
    """Scores without ties, and at least one positive of each row."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    num_users, num_items = draw(st.integers(1, 4)), draw(st.integers(2, 40))
    order = np.tile(np.arange(num_items, dtype=np.float32), (num_users, 1))
    relevant = rng.random((num_users, num_items)) < draw(st.sampled_from([0.05, 0.3, 0.8]))
    relevant[:, rng.integers(num_items)] = True
    return rng.permuted(order, axis=1), relevant


def ask_trec_eval(scores: np.ndarray, relevant: np.ndarray, cutoff: int) -> dict[str, np.ndarray]:
    """Returns recsearch's name -> trec_eval's value of each user."""
    wanted = {str(u): {str(i): 1 for i in np.flatnonzero(row)} for u, row in enumerate(relevant)}
    run = {
        str(u): {str(i): float(row[i]) for i in np.argsort(-row)} for u, row in enumerate(scores)
    }
    best = {u: dict(list(items.items())[:cutoff]) for u, items in run.items()}
    measures = {f"{name}.{cutoff}" for name in TREC_NAMES.values()}
    found = pytrec_eval.RelevanceEvaluator(wanted, measures).evaluate(run)
    first = pytrec_eval.RelevanceEvaluator(wanted, {"recip_rank"}).evaluate(best)
    values = {
        f"{ours}@{cutoff}": np.array([found[u][f"{theirs}_{cutoff}"] for u in run])
        for ours, theirs in TREC_NAMES.items()
    }
    return {**values, f"mrr@{cutoff}": np.array([first[u]["recip_rank"] for u in run])}


@given(rankings(), st.integers(1, 45))
@settings(max_examples=150, deadline=None)
def test_ranking_metrics_agree_with_trec_eval(case, cutoff):
    scores, relevant = case
    expected = ask_trec_eval(scores, relevant, cutoff)
    num_relevant = relevant.sum(axis=1)
    # trec_eval divides the average precision by all relevant items, not by min(k, relevant).
    expected[f"map@{cutoff}"] *= num_relevant / np.minimum(num_relevant, cutoff)
    row, item = np.nonzero(relevant)
    ranks = rank_positives(scores, row, item, max_rank=cutoff)
    values = per_user_ranking(list(expected), ranks, row, num_relevant)
    assert len(values) == 6
    for name, value in values.items():
        assert value == pytest.approx(expected[name], abs=1e-9), name


@given(rankings(), st.integers(1, 12))
@settings(max_examples=50, deadline=None)
def test_metrics_of_lists_agree_with_trec_eval(case, cutoff):
    scores, _ = case
    only_first = np.zeros(scores.shape, dtype=bool)
    only_first[:, 0] = True
    expected = ask_trec_eval(scores, only_first, cutoff)
    owner = np.arange(len(scores))
    ranks = rank_in_lists(scores, max_rank=cutoff)
    values = per_user_ranking(list(expected), ranks, owner, np.ones(len(scores), np.int64))
    for name, value in values.items():
        assert value == pytest.approx(expected[name], abs=1e-9), name
