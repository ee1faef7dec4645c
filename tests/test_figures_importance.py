import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_run import hyperparameters

from recsearch.report import drawing, figures
from recsearch.report.figures.ped_anova import Regime, best_trials, density, importance
from recsearch.study.history import History
from recsearch.study.replay import SearchState
from recsearch.study.trial import Objective, Scalar, Trial

SPACE = hyperparameters(
    {"name": "a/rate", "kind": "Float", "min_value": 1e-4, "max_value": 1e-1, "sampling": "log"},
    {"name": "a/layers", "kind": "Int", "min_value": 1, "max_value": 4, "step": 1},
    {"name": "a/optimizer", "kind": "Choice", "values": ["adam", "sgd"]},
    {"name": "a/bias", "kind": "Boolean"},
    {"name": "a/momentum", "kind": "Float", "min_value": 0.0, "max_value": 1.0},
)


def search(rows: list[tuple[float, dict[str, Scalar]]], direction: str = "min") -> SearchState:
    trials = [
        Trial(f"{number:04d}", "a", values, epochs=1, score=score, best_epoch=1)
        for number, (score, values) in enumerate(rows)
    ]
    return SearchState(Objective("rmse", direction), History(trials))


def random_rows(number: int = 200) -> list[dict[str, Scalar]]:
    rng = np.random.default_rng(7)
    return [
        {
            "rate": float(10 ** rng.uniform(-4, -1)),
            "layers": int(rng.integers(1, 5)),
            "optimizer": ("adam", "sgd")[rng.integers(2)],
            "bias": bool(rng.integers(2)),
        }
        for _ in range(number)
    ]


def test_best_trials_are_the_given_share_and_whoever_ties() -> None:
    losses = np.array([5.0, 1.0, 1.0, 4.0, 3.0, 2.0, 6.0, 7.0, 8.0, 9.0])
    assert best_trials(losses, 0.1).tolist() == [False, True, True, *[False] * 7]
    assert best_trials(losses, 0.3).sum() == 3
    assert best_trials(np.array([2.0]), 0.1).tolist() == [True]


def test_density_of_choices_counts_them_beside_a_prior() -> None:
    # Cells 0, 0, 0, 2 of three: kernels of weight 3 (cell 0), 1 (cell 2) and 1 (the prior).
    # With K + 1 = 3 kernels, 1/3 is added to each cell of a kernel, whose sum is then 2:
    # cell 0: 3/5 * (4/3)/2 + 1/5 * (1/3)/2 + 1/5 * 1/3 = 1/2
    # cell 1: 3/5 * (1/3)/2 + 1/5 * (1/3)/2 + 1/5 * 1/3 = 1/5
    # cell 2: 3/5 * (1/3)/2 + 1/5 * (4/3)/2 + 1/5 * 1/3 = 3/10
    found = density(np.array([0, 0, 0, 2]), 3, ordered=False)
    assert found.tolist() == pytest.approx([1 / 2, 1 / 5, 3 / 10])


def test_density_without_a_value_is_the_prior() -> None:
    found = density(np.array([], dtype=np.int64), 4, ordered=False)
    assert found.tolist() == pytest.approx([0.25] * 4)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.booleans())
def test_density_sums_to_one(cells: list[int], ordered: bool) -> None:
    found = density(np.array(cells), 10, ordered)
    assert found.sum() == pytest.approx(1)
    assert (found > 0).all()


def test_density_of_ordered_cells_reaches_the_neighbours_alike() -> None:
    found = density(np.array([2]), 5, ordered=True)
    assert found[1] == pytest.approx(found[3])
    assert found[2] > found[1] > found[0]


@given(st.lists(st.integers(0, 5), min_size=2, max_size=20), st.booleans())
def test_divergence_is_zero_if_all_are_the_best(cells: list[int], ordered: bool) -> None:
    regime = Regime(np.array(cells), np.ones(len(cells), dtype=bool), 6, ordered)
    assert regime.divergence() == pytest.approx(0)


def test_importance_weighs_a_range_by_how_often_the_best_have_it() -> None:
    cells, is_best = np.array([0, 1, 1, 1]), np.array([True, False, False, False])
    regime = Regime(cells, is_best, 2, ordered=False)
    # It is in 4 of 8 trials, and in 1 of the 2 best: (1/2)^2 / (4/8) of its divergence.
    assert importance([regime], 8, 2) == pytest.approx(0.5 * regime.divergence())
    assert importance([], 8, 2) == 0.0


def test_importances_find_the_one_hyperparameter_that_matters() -> None:
    rows = [(abs(np.log10(float(each["rate"])) + 2), each) for each in random_rows()]
    found = figures.importances(search(rows), SPACE)
    assert found.shares[0][0] == "rate"
    assert found.shares[0][1] > 0.9
    assert sum(share for _, share in found.shares) == pytest.approx(1)
    assert (found.num_trials, found.num_best) == (200, 20)


def test_importances_find_a_choice_that_matters_whatever_the_direction() -> None:
    rows = [(1.0 + (each["optimizer"] == "sgd"), each) for each in random_rows()]
    for direction in ("min", "max"):
        assert figures.importances(search(rows, direction), SPACE).shares[0][0] == "optimizer"


def test_importances_agree_with_optuna() -> None:
    # What optuna.importance.get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    # of Optuna 5.0.0 gave for these 40 trials, momentum being there with sgd alone.
    rows: list[tuple[float, dict[str, Scalar]]] = []
    for k in range(40):
        values: dict[str, Scalar] = {
            "rate": 10.0 ** (-4 + 3 * ((7 * k) % 40) / 40),
            "layers": 1 + (3 * k) % 4,
            "optimizer": "sgd" if k % 3 else "adam",
            "bias": k % 2 == 0,
        }
        if k % 3:
            values["momentum"] = ((11 * k) % 40) / 40
        rows.append((abs((7 * k) % 40 - 25) + 4 * (k % 3 == 0) + (11 * k) % 40 / 10, values))
    found = dict(figures.importances(search(rows), SPACE).shares)
    assert found == pytest.approx(OPTUNA, rel=1e-6)


OPTUNA = {
    "rate": 0.8390004324,
    "bias": 0.0823369207,
    "optimizer": 0.0267353919,
    "layers": 0.0264643022,
    "momentum": 0.0254629529,
}


def test_importances_of_too_few_trials_are_not_told() -> None:
    found = figures.importances(search([(float(n), {"rate": n / 10}) for n in range(1, 4)]), SPACE)
    assert (found.num_trials, found.shares) == (3, ())


def test_importances_count_the_choice_of_a_family() -> None:
    trials = [
        Trial(f"{n:04d}", "ab"[n % 2], {}, epochs=1, score=float(n % 2), best_epoch=1)
        for n in range(10)
    ]
    found = figures.importances(SearchState(Objective("rmse", "min"), History(trials)), [])
    assert found.shares == (("space", 1.0),)


def test_drawn_importances_have_the_largest_on_top() -> None:
    rows = [(abs(np.log10(float(each["rate"])) + 2), each) for each in random_rows()]
    drawn = drawing.draw_importance(figures.importances(search(rows), SPACE))
    assert drawn.data[0].y[0] == "rate"
    assert drawn.layout.yaxis.autorange == "reversed"
