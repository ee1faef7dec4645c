"""How much each hyperparameter mattered, by PED-ANOVA over the trials of a search."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recsearch.report.figures import ped_anova
from recsearch.report.figures.axes import scored_trials, value_of, varied_names
from recsearch.report.figures.points import score_of
from recsearch.results.run_description import Hyperparameter
from recsearch.study.full_name import SPACE, FullName
from recsearch.study.replay import SearchState
from recsearch.study.trial import Objective, Scalar, Trial

FEWEST_TRIALS = 4
"""With fewer the best tenth, a single trial, would look special in everything."""


@dataclass(frozen=True)
class Importances:
    """The importances of all hyperparameters that varied.

    Attributes:
        num_trials: How many trials with a score they rest on.
        num_best: How many of them count as the best: a tenth, and whoever ties.
        shares: (name, importance), the largest first; they add up to 1. Empty with fewer than
            `FEWEST_TRIALS` trials.
    """

    num_trials: int
    num_best: int
    shares: tuple[tuple[str, float], ...]


def importances(state: SearchState, space: Sequence[Hyperparameter]) -> Importances:
    """Returns how much each hyperparameter matters for being among the best tenth of the trials.

    All trials with a score count, also trials that were stopped early. The choice of a family
    counts as a hyperparameter, under the name "space". A hyperparameter that only some trials have
    is judged among these trials, and weighted by the share of the best trials that use it. If
    nothing matters, all shares are equal.

    Args:
        state: The trials.
        space: The hyperparameters of run.json, under their full names (family/name).
    """
    trials, objective = scored_trials(state), state.objective
    if objective is None or len(trials) < FEWEST_TRIALS:
        return Importances(len(trials), 0, ())
    is_best = ped_anova.best_trials(_losses(trials, objective))
    num_best = int(is_best.sum())
    found = {
        name: ped_anova.importance(_regimes(name, trials, is_best, space), len(trials), num_best)
        for name in varied_names(trials)
    }
    total = sum(found.values())
    shares = {name: value / total if total else 1 / len(found) for name, value in found.items()}
    order = sorted(shares.items(), key=lambda share: -share[1])
    return Importances(len(trials), num_best, tuple(order))


def _losses(trials: Sequence[Trial], objective: Objective) -> NDArray[np.float64]:
    return np.array([objective.sort_key(score_of(trial)) for trial in trials])


def _regimes(
    name: str, trials: Sequence[Trial], is_best: NDArray[np.bool_], space: Sequence[Hyperparameter]
) -> list[ped_anova.Regime]:
    """Returns the trials that have a hyperparameter, grouped by its range in their families."""
    ranges = {each.name: each for each in space}
    members: dict[str, list[int]] = {}
    described: dict[str, Hyperparameter] = {}
    for number, trial in enumerate(trials):
        if value_of(trial, name) is None:
            continue
        full = name if name == SPACE else str(FullName(trial.space, name))
        each = replace(ranges.get(full, _UNKNOWN), name="", default=None, conditions=())
        key = str(each)  # in a text, True and 1 are two values
        members.setdefault(key, []).append(number)
        described[key] = each
    found = []
    for key, numbers in members.items():
        values = [value for n in numbers if (value := value_of(trials[n], name)) is not None]
        cells, num_cells, ordered = _cells(values, described[key])
        found.append(ped_anova.Regime(cells, is_best[numbers], num_cells, ordered))
    return found


_Cells = NDArray[np.int64]
_UNKNOWN = Hyperparameter("")


def _cells(values: Sequence[Scalar], described: Hyperparameter) -> tuple[_Cells, int, bool]:
    """Returns (the cell of each value, how many cells, whether they are ordered)."""
    is_number = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    if described.kind in ("Choice", "Boolean") or not is_number:
        boolean = (False, True) if described.kind == "Boolean" else ()
        texts = list(dict.fromkeys(map(str, [*(described.values or boolean), *values])))
        return np.array([texts.index(str(value)) for value in values]), len(texts), False
    numbers = np.array(values, dtype=np.float64)
    low, high, log = _bounds(numbers, described)
    if high <= low:
        return np.zeros(len(numbers), dtype=np.int64), 1, True
    num_cells = _num_cells(low, high, log, described)
    if log:
        numbers, low, high = np.log(numbers), math.log(low), math.log(high)
    step = (high - low) / (num_cells - 1)
    cells = np.ceil((numbers - low) / step - 0.5).astype(np.int64)
    return np.clip(cells, 0, num_cells - 1), num_cells, True


def _bounds(numbers: NDArray[np.float64], described: Hyperparameter) -> tuple[float, float, bool]:
    """Returns (lowest, highest, whether by logarithm) of a range, or of its tried values."""
    low, high = described.min_value, described.max_value
    lowest = float(numbers.min() if low is None else low)
    highest = float(numbers.max() if high is None else high)
    log = described.sampling == "log" and min(lowest, float(numbers.min())) > 0
    return lowest, highest, log


def _num_cells(low: float, high: float, log: bool, described: Hyperparameter) -> int:
    """Returns the size of the grid: one cell per step if there are few steps."""
    step = described.step
    whole = described.kind == "Int"
    if log and whole:
        # Optuna's rule for whole numbers: one cell per doubling.
        return min(math.ceil(math.log2(high - low + 1)) + 1, ped_anova.MAX_CELLS)
    if log or not (step or whole):
        return ped_anova.MAX_CELLS
    return max(2, min(round((high - low) / (step or 1)) + 1, ped_anova.MAX_CELLS))
