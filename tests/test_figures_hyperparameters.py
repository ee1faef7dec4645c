import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_run import HOSTILE, hyperparameters

from recsearch.errors import UsageError
from recsearch.report import drawing, figures
from recsearch.report.drawing.hyperparameters import MISSING_PLACE
from recsearch.report.figures import Axis
from recsearch.study.history import History
from recsearch.study.replay import SearchState
from recsearch.study.trial import Objective, Scalar, Trial

SPACE = hyperparameters(
    {"name": "mine/rate", "kind": "Float", "min_value": 0.001, "max_value": 1, "sampling": "log"},
    {"name": "mine/optimizer", "kind": "Choice", "values": ["sgd", "adam"]},
    {"name": "mine/momentum", "kind": "Float", "min_value": 0.0, "max_value": 1.0},
    {"name": "mine/layers", "kind": "Int", "min_value": 1, "max_value": 9},
)


def scored(*trials: tuple[float, dict[str, Scalar]]) -> SearchState:
    """Returns a search for the lowest rmse whose trials have these scores and values."""
    made = [
        Trial(f"{number:04d}", "mine", values, epochs=1, score=score, best_epoch=1)
        for number, (score, values) in enumerate(trials)
    ]
    return SearchState(Objective("rmse", "min"), History(made))


FOUR = scored(
    (4.0, {"rate": 1.0, "optimizer": "adam"}),
    (1.0, {"rate": 0.01, "optimizer": "sgd", "momentum": 0.5}),
    (2.0, {"rate": 0.1, "optimizer": "sgd", "momentum": 0.9}),
    (3.0, {"rate": 0.1, "optimizer": "adam", "alone": 7}),
)


def axes_by_name(data: figures.Parallel) -> dict[str, Axis]:
    return {axis.name: axis for axis in data.axes}


def test_axis_by_logarithm_puts_the_geometric_mean_in_the_middle() -> None:
    axis = Axis("rate", log=True, categories=None, low=0.01, high=1.0)
    assert axis.unit(0.1) == pytest.approx(0.5)
    assert [text for _, text in axis.ticks()] == ["0.01", "0.03162", "0.1", "0.3162", "1"]


def test_axis_of_whole_numbers_has_no_ticks_between_them() -> None:
    axis = Axis("layers", log=False, categories=None, low=1, high=3, whole=True)
    assert axis.ticks() == ((0.0, "1"), (0.5, "2"), (1.0, "3"))


def test_axis_of_choices_spreads_them_evenly() -> None:
    axis = Axis("optimizer", False, ("sgd", "adam", "ftrl"), 0, 2)
    assert axis.ticks() == ((0.0, "sgd"), (0.5, "adam"), (1.0, "ftrl"))


def test_axis_of_a_single_value_has_it_in_the_middle() -> None:
    assert Axis("rate", False, None, 3.0, 3.0).unit(3.0) == 0.5


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.booleans())
def test_axis_keeps_values_between_its_ends(first: float, second: float, log: bool) -> None:
    low, high = sorted((first, second))
    place = Axis("rate", log, None, low, high).unit((low + high) / 2)
    assert -1e-9 <= place <= 1 + 1e-9


def test_parallel_has_an_axis_a_shared_hyperparameter_and_the_score_last() -> None:
    shown = figures.parallel(FOUR, SPACE)
    names = [axis.name for axis in shown.axes]
    assert set(names[:-1]) == {"rate", "optimizer", "momentum"}  # "alone" is in one trial only
    assert names[-1] == "rmse"


def test_parallel_lines_go_through_the_values_the_best_first() -> None:
    shown = figures.parallel(FOUR, SPACE)
    number = {axis.name: place for place, axis in enumerate(shown.axes)}
    best, *_, worst = shown.lines
    # rate from 0.01 to 1 by logarithm, choices in their order, momentum from 0.5 to 0.9.
    assert best.places[number["rate"]] == pytest.approx(0.0)
    assert best.places[number["optimizer"]] == 0.0
    assert best.places[number["momentum"]] == pytest.approx(0.0)
    assert best.places[number["rmse"]] == pytest.approx(0.0)
    assert worst.places[number["rmse"]] == pytest.approx(1.0)
    assert worst.places[number["optimizer"]] == 1.0
    assert [line.standing for line in shown.lines] == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_parallel_line_of_a_trial_that_lacks_a_hyperparameter_has_no_place_there() -> None:
    shown = figures.parallel(FOUR, SPACE)
    place = [axis.name for axis in shown.axes].index("momentum")
    assert [line.places[place] is None for line in shown.lines] == [False, False, True, True]


def test_parallel_shows_the_nine_most_important_hyperparameters() -> None:
    rng = np.random.default_rng(0)
    names = [f"x{number}" for number in range(14)]
    trials = [dict(zip(names, rng.random(14).tolist(), strict=True)) for _ in range(30)]
    shown = figures.parallel(scored(*((each["x13"], each) for each in trials)), [])
    assert len(shown.axes) == 10
    assert shown.axes[0].name == "x13"


def test_drawn_parallel_passes_below_an_axis_that_a_trial_lacks() -> None:
    data = figures.parallel(FOUR, SPACE)
    drawn = drawing.draw_parallel(data)
    place = [axis.name for axis in data.axes].index("momentum")
    crossed = [
        y
        for trace in drawn.data
        for x, y in zip(trace.x, trace.y, strict=True)
        if x == place and y is not None
    ]
    assert crossed.count(MISSING_PLACE) == 2
    assert sum(trace.y.count(None) for trace in drawn.data) == 4  # a gap after each line
    assert drawn.data[-1].name == "best tenth"  # it is drawn on top


def test_contour_of_two_named_hyperparameters_has_the_trials_that_have_both() -> None:
    shown = figures.contour(FOUR, SPACE, "rate", "momentum")
    assert [(spot.score, spot.y) for spot in shown.spots] == [(1.0, 0.0), (2.0, 1.0)]
    assert (shown.x, shown.y) == (
        Axis("rate", True, None, 0.01, 0.1),
        Axis("momentum", False, None, 0.5, 0.9),
    )


def test_contour_surface_is_the_score_at_a_lonely_trial_and_blank_far_away() -> None:
    shown = figures.contour(FOUR, SPACE, "rate", "momentum")
    # Two trials in opposite corners, 1.41 apart: each is alone within five bandwidths of 0.08.
    assert shown.surface.shape == (41, 41)
    assert shown.surface[0, 0] == pytest.approx(1.0)
    assert shown.surface[-1, -1] == pytest.approx(2.0)
    assert math.isnan(shown.surface[0, -1])
    assert math.isnan(shown.surface[20, 20])


def test_contour_surface_between_two_trials_is_their_mean() -> None:
    state = scored(
        (1.0, {"x": 0.0, "y": 0.0}), (5.0, {"x": 0.1, "y": 0.0}), (9.0, {"x": 1, "y": 1})
    )
    shown = figures.contour(state, [], "x", "y")
    # At x = 0.05, on the grid of fortieths, both are equally near; the third is far away.
    assert shown.surface[0, 2] == pytest.approx(3.0)


def test_contour_with_choices_does_not_smooth_across_them() -> None:
    shown = figures.contour(FOUR, SPACE, "optimizer", "rate")
    assert shown.surface.shape == (41, 2)
    # rate = 0.1 is half-way from 0.01 to 1: sgd has 2 there, adam 3.
    assert shown.surface[20].tolist() == pytest.approx([2.0, 3.0], abs=1e-6)


def test_contour_is_of_the_two_most_important_hyperparameters_by_default() -> None:
    rng = np.random.default_rng(1)
    values = [{"a": a, "b": b, "c": c} for a, b, c in rng.random((200, 3)).tolist()]
    state = scored(*((each["b"] + each["c"] / 2, each) for each in values))
    shown = figures.contour(state, [])
    assert shown.x is not None
    assert shown.y is not None
    assert {shown.x.name, shown.y.name} == {"b", "c"}


def test_contour_without_two_that_varied_is_empty() -> None:
    shown = figures.contour(scored((1.0, {"a": 1}), (2.0, {"a": 2})), [])
    assert (shown.x, shown.y, shown.spots) == (None, None, ())


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ("rat", None, r"Received 'rat'\. There are: rate, optimizer, momentum"),
        (None, "alone", "Received 'alone'"),
        ("rate", "rate", "Expected two hyperparameters. Received 'rate' twice"),
    ],
)
def test_contour_of_wrong_names_is_refused(x: str | None, y: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        figures.contour(FOUR, SPACE, x, y)


def test_drawn_contour_has_contours_of_numbers_and_cells_of_choices() -> None:
    numbers = drawing.draw_contour(figures.contour(FOUR, SPACE, "rate", "momentum"))
    choices = drawing.draw_contour(figures.contour(FOUR, SPACE, "rate", "optimizer"))
    assert [trace.type for trace in numbers.data] == ["contour", "scatter"]
    assert [trace.type for trace in choices.data] == ["heatmap", "scatter"]
    assert choices.layout.yaxis.ticktext == ("sgd", "adam")


def test_drawings_of_hyperparameters_escape_names_and_values() -> None:
    state = scored(*((float(n), {HOSTILE: n, "b": HOSTILE if n % 2 else "c"}) for n in range(5)))
    for drawn in (
        drawing.draw_parallel(figures.parallel(state, [])),
        drawing.draw_contour(figures.contour(state, [])),
        drawing.draw_importance(figures.importances(state, [])),
    ):
        assert "&lt;script" in str(drawn.to_dict())
        assert "<script" not in str(drawn.to_dict())


@pytest.mark.parametrize(
    ("rates", "texts"),
    [
        ((0.01, 0.1), ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5"]),  # 1, 2 and 5 of a decade
        ((1e-6, 0.1), ["1e-06", "1e-05", "0.0001", "0.001", "0.01", "0.1"]),  # powers of ten
        ((0.6, 0.9), None),  # none of 0.5 and 1 lies between: the axis finds its own
    ],
)
def test_drawn_slice_by_logarithm_has_round_ticks(
    rates: tuple[float, float], texts: list[str] | None
) -> None:
    state = scored(*((1.0 + rate, {"rate": rate}) for rate in rates))
    axis = drawing.draw_slices(figures.slice_plots(state, SPACE)).layout.xaxis
    assert axis.type == "log"
    assert (None if axis.ticktext is None else [*axis.ticktext][: len(texts or ())]) == texts


def test_drawn_parallel_shortens_long_choices() -> None:
    state = scored((1.0, {"loss": "sampled_softmax"}), (2.0, {"loss": "bpr"}))
    drawn = drawing.draw_parallel(figures.parallel(state, []))
    texts = [note.text for note in drawn.layout.annotations]
    assert "sampled_sof…" in texts
    assert "bpr" in texts
