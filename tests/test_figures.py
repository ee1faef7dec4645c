from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_run import HOSTILE, JournalByHand, described, planted_metrics
from plotly.graph_objects import Figure

from recsearch.api.run import Run
from recsearch.errors import UsageError
from recsearch.report import drawing, figures
from recsearch.report.figures import SlicePlot
from recsearch.results import Measurement, search_record
from recsearch.results.run_description import Hyperparameter
from recsearch.results.run_metrics import PredictionCounts
from recsearch.study.history import History
from recsearch.study.journal import read_events
from recsearch.study.replay import SearchState
from recsearch.study.trial import Objective, Trial

SPACE = described().space


def slices_of(state: SearchState, space: Sequence[Hyperparameter] = SPACE) -> dict[str, SlicePlot]:
    return {each.name: each for each in figures.slice_plots(state, space)}


def scored(*values: dict[str, object]) -> SearchState:
    """Returns a search whose k-th trial, of the family "mine", has the score k."""
    trials = [
        Trial(f"{k:04d}", "mine", each, epochs=1, score=float(k), best_epoch=1)  # type: ignore[arg-type]
        for k, each in enumerate(values)
    ]
    return SearchState(Objective("rmse", "min"), History(trials))


def test_history_steps_down_at_each_improvement(tmp_path: Path) -> None:
    journal = JournalByHand(tmp_path)
    for number, score in enumerate((1.0, 1.2, 0.8)):  # a trial ends every 4 s: at 4, 8 and 12 s
        journal.start(f"000{number}", "neumf", 1)
        journal.epochs(f"000{number}", score)
        journal.end(f"000{number}")
    journal.close()
    state, measurements, _ = search_record(read_events(tmp_path / "journal.jsonl"))
    shown = figures.history(measurements, state)
    assert [(point.x, point.score) for point in shown.points] == [(4, 1.0), (8, 1.2), (12, 0.8)]
    assert shown.best == ((4, 1.0), (12, 0.8), (12, 0.8))


def test_history_names_axis_unit_and_families(run: Run) -> None:
    shown = figures.history(run.measurements, run.state)
    assert shown.objective == "validation rmse (lower is better)"
    assert shown.unit == "seconds"
    assert shown.families == ("neumf", "wide_deep")
    assert [point.family for point in shown.points] == ["neumf", "wide_deep", "neumf", "wide_deep"]


def test_history_label_names_the_trial_and_its_values(run: Run) -> None:
    first = figures.history(run.measurements, run.state).points[0]
    assert first.label.split("\n") == [
        "trial 0000, neumf",
        "rmse 0.9 at epoch 3",
        "embedding_dim = 32",
        "optimizer = adam",
    ]


def test_history_label_cuts_a_long_value() -> None:
    state = scored({"name": "x" * 100})
    shown = figures.history([Measurement("0000", 1.0, 1, 5.0)], state)
    assert shown.points[0].label.endswith("name = " + "x" * 60 + "…")


@pytest.mark.parametrize(
    ("seconds", "unit", "x"),
    [(100.0, "seconds", 100.0), (150.0, "minutes", 2.5), (9000.0, "hours", 2.5)],
)
def test_history_unit_suits_the_length_of_the_run(seconds: float, unit: str, x: float) -> None:
    shown = figures.history([Measurement("0000", 1.0, 1, seconds)], scored({}))
    assert (shown.unit, shown.points[0].x) == (unit, x)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=20), st.sampled_from(["min", "max"]))
def test_history_best_ends_at_the_extreme_score(scores: list[float], direction: str) -> None:
    state = scored({})
    state.objective = Objective("ndcg@10", direction)
    shown = figures.history(
        [Measurement("0000", s, 1, float(i)) for i, s in enumerate(scores)], state
    )
    assert shown.best[-1][1] == (min if direction == "min" else max)(scores)


def test_learning_curves_mark_the_winner_and_the_stopped(run: Run) -> None:
    curves = figures.learning_curves(run.state).curves
    assert [[point.score for point in c.points] for c in curves] == [
        [1, 0.9, 0.95],
        [1.1, 0.92],
        [1.2],
    ]
    assert [c.winner for c in curves] == [True, False, False]
    assert [c.stopped for c in curves] == [False, False, True]


def test_learning_curves_leave_out_epochs_that_are_not_finite(tmp_path: Path) -> None:
    journal = JournalByHand(tmp_path)
    journal.start("0000", "neumf", 2)
    journal.epochs("0000", float("nan"), 1.0)
    journal.close()
    state, _, _ = search_record(read_events(tmp_path / "journal.jsonl"))
    assert [point.x for point in figures.learning_curves(state).curves[0].points] == [2]


def test_slices_are_those_hyperparameters_that_varied(run: Run) -> None:
    # momentum was set in one scored trial, cross and name in one: nothing can be seen of them.
    assert list(slices_of(run.state)) == ["embedding_dim", "optimizer"]


def test_slice_by_name_is_that_one_alone(run: Run) -> None:
    shown = figures.slice_plots(run.state, SPACE, "optimizer")
    assert [each.name for each in shown] == ["optimizer"]


def test_slice_of_the_family_shows_the_score_of_each() -> None:
    (shown,) = figures.slice_plots(
        SearchState(
            Objective("rmse", "min"),
            History([Trial("0000", "a", {}, 1, score=1.0), Trial("0001", "b", {}, 1, score=2.0)]),
        ),
        [],
        "space",
    )
    assert [(point.x, point.score) for point in shown.points] == [("a", 1.0), ("b", 2.0)]


def test_slice_of_what_did_not_vary_is_refused(run: Run) -> None:
    # momentum was set in one trial alone.
    with pytest.raises(
        UsageError,
        match=r"at least two values.*Received 'momentum'\. There are: space, embedding_dim",
    ):
        figures.slice_plots(run.state, SPACE, "momentum")


def test_slice_of_a_log_range_has_a_log_axis_over_families(run: Run) -> None:
    shown = slices_of(run.state)["embedding_dim"]
    assert shown.log
    assert shown.categories is None
    assert [(p.x, p.score, p.family) for p in shown.points] == [
        (32.0, 0.9, "neumf"),
        (16.0, 0.92, "wide_deep"),
        (8.0, 1.2, "neumf"),
    ]


def test_slice_of_choices_keeps_their_order(run: Run) -> None:
    shown = slices_of(run.state)["optimizer"]
    assert shown.categories == ("sgd", "adam")
    assert [point.x for point in shown.points] == ["adam", "sgd"]


def test_slice_of_numeric_choices_is_an_axis_of_categories() -> None:
    space = [Hyperparameter("mine/batch_size", "Choice", values=(64, 1024, 256))]
    shown = slices_of(scored({"batch_size": 256}, {"batch_size": 64}), space)["batch_size"]
    assert shown.categories == ("64", "1024", "256")


def test_slice_of_a_log_range_with_a_zero_is_linear() -> None:
    space = [Hyperparameter("mine/l2", "Float", sampling="log")]
    assert not slices_of(scored({"l2": 0.0}, {"l2": 1.0}), space)["l2"].log


def test_slice_of_an_undescribed_hyperparameter_goes_by_its_values() -> None:
    shown = slices_of(scored({"units": 1, "flag": True}, {"units": 2, "flag": False}), [])
    assert shown["units"].categories is None
    assert shown["flag"].categories == ("False", "True")


def test_comparison_is_sorted_and_leaves_out_the_skipped() -> None:
    shown = figures.comparison(planted_metrics())
    assert shown.rows == (("neumf, trial 0000", 0.912), ("bias", 0.944), ("item_knn", 0.95))
    assert shown.winner == "neumf, trial 0000"
    assert shown.objective == "test rmse (lower is better)"


def test_comparison_of_a_metric_to_maximise_has_the_highest_first() -> None:
    metrics = planted_metrics(
        objective={"name": "ndcg@10", "direction": "max"},
        test={"ndcg@10": 0.2},
        baselines={"popularity": {"ndcg@10": 0.1}, "ease": {"ndcg@10": 0.3}},
    )
    assert [value for _, value in figures.comparison(metrics).rows] == [0.3, 0.2, 0.1]


def test_drawings_escape_texts_that_come_from_the_run(run: Run) -> None:
    drawn = drawing.draw_history(figures.history(run.measurements, run.state))
    texts = [text for trace in drawn.data for text in trace.hovertext or ()]
    assert any("&lt;/script&gt;&lt;script&gt;alert(1)" in text for text in texts)
    assert not any("<script" in text for text in texts)


def test_drawings_escape_categories_and_names() -> None:
    space = [Hyperparameter("mine/name", "Choice", values=(HOSTILE, "plain"))]
    data = figures.slice_plots(scored({"name": HOSTILE}, {"name": "plain"}), space)
    assert "<script" not in str(drawing.draw_slices(data).to_dict())


def test_drawing_gives_each_family_a_colour_and_a_symbol(run: Run) -> None:
    drawn = drawing.draw_history(figures.history(run.measurements, run.state))
    markers = [trace.marker for trace in drawn.data if trace.mode == "markers"]
    assert [(m.color, m.symbol) for m in markers] == [("#0072b2", "circle"), ("#e69f00", "diamond")]


def test_drawing_of_curves_shares_traces_and_puts_the_best_on_top(run: Run) -> None:
    drawn = drawing.draw_curves(figures.learning_curves(run.state))
    assert [trace.name for trace in drawn.data] == [
        "neumf, stopped early",
        "neumf",
        "wide_deep",
        "neumf, best trial",
    ]
    assert list(drawn.data[1].y) == [1.0, 0.9, 0.95, None]


def test_drawing_of_slices_has_titles_and_log_axes(run: Run) -> None:
    drawn = drawing.draw_slices(figures.slice_plots(run.state, SPACE))
    assert drawn.layout.xaxis.title.text == "embedding_dim"
    assert drawn.layout.xaxis.type == "log"
    assert drawn.layout.xaxis2.type == "category"
    assert drawn.layout.yaxis.title.text == "validation rmse (lower is better)"


def test_drawings_without_data_say_so() -> None:
    state = SearchState()
    for drawn in (
        drawing.draw_history(figures.history((), state)),
        drawing.draw_curves(figures.learning_curves(state)),
        drawing.draw_slices(figures.slice_plots(state, ())),
        drawing.draw_parallel(figures.parallel(state, ())),
        drawing.draw_importance(figures.importances(state, ())),
        drawing.draw_timeline(figures.timeline((), state)),
    ):
        assert drawn.layout.annotations[0].text == "nothing to show yet"
        assert drawn.layout.paper_bgcolor == "rgba(0, 0, 0, 0)"


@pytest.mark.parametrize(
    ("drawn", "remark"),
    [
        (drawing.draw_contour(figures.contour(SearchState(), ())), "no two hyperparameters varied"),
        (drawing.draw_brackets(figures.brackets((), SearchState())), "only Hyperband has brackets"),
        (
            drawing.draw_predictions(figures.predictions(PredictionCounts())),
            "this run kept no predicted ratings",
        ),
        (
            drawing.draw_popularity(figures.popularity(planted_metrics())),
            "only rankings have recommended lists",
        ),
        (
            drawing.draw_importance(figures.importances(scored({"x": 1}, {"x": 2}), [])),
            "2 trials with a score are too few for importances",
        ),
    ],
)
def test_drawings_of_what_a_run_does_not_have_say_why(drawn: Figure, remark: str) -> None:
    assert remark in drawn.layout.annotations[0].text
