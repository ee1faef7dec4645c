import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_run import HOSTILE, planted_metrics

from recsearch.evaluation.predictions import binned_predictions
from recsearch.report import drawing, figures

LABELS = np.array([1, 1, 3, 5], dtype=np.float32)
SCORES = np.array([1.5, 2.5, 3.0, 4.0], dtype=np.float32)


def test_binned_predictions_count_each_row_once_in_the_column_of_its_rating() -> None:
    found = binned_predictions(LABELS, SCORES)
    counts = np.array(found["counts"])
    assert found["labels"] == [1.0, 3.0, 5.0]
    assert counts.shape == (40, 3)
    assert counts.sum(axis=0).tolist() == [2, 1, 1]
    # Forty bins from 1 to 5, a tenth wide: 1.5 opens the sixth, 3.0 the twenty-first.
    assert np.flatnonzero(counts[:, 0]).tolist() == [5, 15]
    assert np.flatnonzero(counts[:, 1]).tolist() == [20]


def test_binned_predictions_tell_means_and_errors() -> None:
    found = binned_predictions(LABELS, SCORES)
    assert found["means"] == [2.0, 3.0, 4.0]
    assert found["mean_error"] == pytest.approx((0.5 + 1.5 + 0.0 - 1.0) / 4)
    assert sum(found["error_counts"]) == found["num_rows"] == 4
    assert found["error_counts"][20] == 1  # the middle one of 41 bins holds the error 0


def test_binned_predictions_put_many_ratings_into_bins() -> None:
    label = np.linspace(-10, 10, 500)
    found = binned_predictions(label, label)
    assert len(found["labels"]) == 12
    assert found["labels"][0] == pytest.approx(-10 + 20 / 24)
    assert np.array(found["counts"]).sum() == 500


def test_binned_predictions_of_empty_bins_have_no_mean() -> None:
    label = np.array([*np.linspace(0, 1, 20), 100.0])
    assert binned_predictions(label, label)["means"][5] is None


def test_binned_predictions_beyond_the_edges_count_in_the_outermost_bin() -> None:
    found = binned_predictions(LABELS, np.array([1.0, 1.0, 3.0, 1000.0]))
    assert found["score_edges"][-1] == 6.0  # a quarter of 5 - 1 beyond the highest rating
    assert found["counts"][-1] == [0, 0, 1]


def test_binned_predictions_leave_out_what_is_not_finite() -> None:
    found = binned_predictions(LABELS, np.array([np.nan, 2.5, np.inf, 4.0]))
    assert found["num_rows"] == 2
    assert binned_predictions(LABELS[:1], np.array([np.nan])) == {"num_rows": 0}


def test_binned_predictions_of_one_rating_have_room_about_it() -> None:
    found = binned_predictions(np.array([3.0, 3.0]), np.array([3.0, 3.0]))
    assert np.array(found["counts"]).sum() == 2
    assert np.all(np.diff(found["score_edges"]) > 0)
    assert np.all(np.diff(found["error_edges"]) > 0)


def test_binned_predictions_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the same shape\. Received \(4,\) and \(3,\)"):
        binned_predictions(LABELS, SCORES[:3])


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=1, max_size=60))
def test_binned_predictions_lose_no_row_and_are_json(rows: list[tuple[float, float]]) -> None:
    label, score = (np.array(column) for column in zip(*rows, strict=True))
    found = json.loads(json.dumps(binned_predictions(label, score), allow_nan=False))
    assert np.array(found["counts"]).sum() == sum(found["error_counts"]) == len(rows)
    assert len(found["score_edges"]) == len(found["counts"]) + 1
    assert len(found["error_edges"]) == len(found["error_counts"]) + 1


def test_predictions_are_shares_of_the_rows_of_a_rating() -> None:
    shown = figures.predictions(
        planted_metrics(predictions=binned_predictions(LABELS, SCORES)).predictions
    )
    assert shown.num_rows == 4
    assert shown.shares.sum(axis=0).tolist() == [1.0, 1.0, 1.0]
    assert shown.shares[5].tolist() == [0.5, 0.0, 0.0]
    assert shown.means.tolist() == [2.0, 3.0, 4.0]


@pytest.mark.parametrize("changes", [{}, {"predictions": None}, {"predictions": {"num_rows": 0}}])
def test_predictions_of_a_run_that_kept_none_are_empty(changes: dict[str, object]) -> None:
    assert figures.predictions(planted_metrics(**changes).predictions).num_rows == 0


def test_drawn_predictions_have_density_means_and_errors() -> None:
    shown = figures.predictions(
        planted_metrics(predictions=binned_predictions(LABELS, SCORES)).predictions
    )
    drawn = drawing.draw_predictions(shown)
    assert [trace.type for trace in drawn.data] == ["heatmap", "scatter", "scatter", "bar"]
    assert list(drawn.data[2].y) == [2.0, 3.0, 4.0]
    assert drawn.layout.xaxis2.title.text == "error (mean 0.25)"


LISTS = planted_metrics(
    lists={"coverage@10": 0.6, "popularity@10": 0.1},
    baseline_lists={
        "popularity": {"coverage@10": 0.01, "popularity@10": 0.4},
        HOSTILE: {"coverage@10": 0.3},
    },
)


def test_popularity_has_a_comparison_a_metric_of_lists() -> None:
    coverage, popularity = figures.popularity(LISTS)
    assert coverage.objective.startswith("coverage: share of the catalogue")
    assert coverage.rows == (("neumf, trial 0000", 0.6), ("popularity", 0.01), (HOSTILE, 0.3))
    assert [name for name, _ in popularity.rows] == ["neumf, trial 0000", "popularity"]
    assert coverage.winner == "neumf, trial 0000"


@pytest.mark.parametrize("changes", [{}, {"lists": None}])
def test_popularity_of_ratings_is_empty(changes: dict[str, object]) -> None:
    assert figures.popularity(planted_metrics(**changes)) == ()


def test_drawn_popularity_has_a_plot_a_metric_with_escaped_names() -> None:
    drawn = drawing.draw_popularity(figures.popularity(LISTS))
    assert len(drawn.data) == 2
    assert drawn.data[0].marker.symbol == ("diamond", "circle", "circle")
    assert "<script" not in str(drawn.to_dict())


def test_drawn_contenders_have_the_trial_on_a_line_of_its_own_and_titles_are_wrapped() -> None:
    drawn = drawing.draw_popularity(figures.popularity(LISTS))
    assert drawn.data[0].y[0] == "neumf,<br>trial 0000"
    assert drawn.layout.annotations[0].text.split("<br>") == [
        "coverage: share of the catalogue",
        "that is recommended at all (@10)",
    ]
    assert drawing.draw_comparison(figures.comparison(planted_metrics())).data[0].y[0] == (
        "neumf,<br>trial 0000"
    )
