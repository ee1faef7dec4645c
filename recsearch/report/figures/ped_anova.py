"""PED-ANOVA: how much a hyperparameter matters for being among the best trials.

With p the density of a hyperparameter's values among the best trials, and q that among all of them,
its importance is the Pearson divergence sum over the grid of q (p / q - 1)^2: it is 0 if the best
trials have the same values as all others.

Source: Watanabe, Bansal and Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance
in Arbitrary Subspaces" (IJCAI 2023, arXiv 2304.10255), in the variant of Optuna 5.0
(`PedAnovaImportanceEvaluator`, with `evaluate_on_local`): kernel densities on a grid of at most 50
cells, with the bandwidth of Scott's rule and a prior of weight 1. A hyperparameter that only some
trials have follows "Conditional PED-ANOVA" (KDD 2026, arXiv 2601.20800), Theorem 4.2 as Optuna
codes it: a divergence for each range, weighted by how often the best trials have that range.

Dimension letters: n trials, C cells of the grid, K occupied cells.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

MAX_CELLS = 50
MIN_TRIALS = 2  # of one range, for a density
PRIOR_WEIGHT = 1.0
SMALLEST_DENSITY = 1e-12
SMALLEST_BANDWIDTH = 0.5 / 1.64  # in cells: 90 % of a kernel then lie within its own cell


@dataclass(frozen=True)
class Regime:
    """The trials in which a hyperparameter has one and the same range.

    Attributes:
        cells: [n] int, the cell of each trial's value, from 0.
        is_best: [n] bool, whether the trial is among the best.
        num_cells: C.
        ordered: Whether neighbouring cells are alike; not so for choices.
    """

    cells: NDArray[np.int64]
    is_best: NDArray[np.bool_]
    num_cells: int
    ordered: bool

    def divergence(self) -> float:
        """Returns the Pearson divergence of the best trials' values from those of all."""
        best = density(self.cells[self.is_best], self.num_cells, self.ordered) + SMALLEST_DENSITY
        every = density(self.cells, self.num_cells, self.ordered) + SMALLEST_DENSITY
        return float(every @ (best / every - 1) ** 2)


def best_trials(losses: NDArray[np.float64], quantile: float = 0.1) -> NDArray[np.bool_]:
    """Returns which trials are among the best, [n]: the given share of them, and whoever ties.

    Args:
        losses: [n] scores, the lower the better.
        quantile: The share, in (0, 1]; one trial at least.
    """
    last = int(np.ceil(quantile * losses.size)) - 1
    return np.asarray(losses <= np.sort(losses)[last])


def importance(regimes: list[Regime], num_trials: int, num_best: int) -> float:
    """Returns the importance of one hyperparameter, comparable within one search; 0 if none.

    Args:
        regimes: The trials that have it, by its range.
        num_trials: All trials of the search, those without it too.
        num_best: Those of them that are among the best.
    """
    total = 0.0
    for regime in regimes:
        own_best = int(regime.is_best.sum())
        if len(regime.cells) < MIN_TRIALS or regime.num_cells < 2 or not own_best:
            continue
        best_share, share = own_best / num_best, len(regime.cells) / num_trials
        total += best_share**2 / share * regime.divergence()
    return total


def density(cells: NDArray[np.int64], num_cells: int, ordered: bool) -> NDArray[np.float64]:
    """Returns the kernel density of values on the grid, [C], which sums to 1.

    Each occupied cell has a kernel that weighs as many trials as lie in it; one more kernel, of
    weight `PRIOR_WEIGHT`, covers the whole grid.

    Args:
        cells: [n] int, the cell of each value.
        num_cells: C.
        ordered: Whether a kernel reaches into the neighbouring cells.
    """
    counts = np.bincount(cells, minlength=num_cells).astype(np.float64)
    occupied = np.flatnonzero(counts)
    weights = np.append(counts[occupied], PRIOR_WEIGHT)
    kernels = _ordered_kernels if ordered else _choice_kernels
    mixture: NDArray[np.float64] = weights / weights.sum() @ kernels(occupied, counts)
    return mixture


def _choice_kernels(
    occupied: NDArray[np.int64], counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Returns [K + 1, C] kernels: almost all weight on the own choice; the last is uniform."""
    kernels = np.full((len(occupied) + 1, len(counts)), PRIOR_WEIGHT / (len(occupied) + 1))
    kernels[np.arange(len(occupied)), occupied] += 1
    shares: NDArray[np.float64] = kernels / kernels.sum(axis=1, keepdims=True)
    return shares


def _ordered_kernels(
    occupied: NDArray[np.int64], counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Returns [K + 1, C] normal kernels, cut off at the ends of the grid; the last is the prior."""
    num_cells = len(counts)
    bandwidth = max(_scott_bandwidth(occupied, counts[occupied]), SMALLEST_BANDWIDTH)
    centres = np.append(occupied, (num_cells - 1) / 2)[:, np.newaxis]
    widths = np.append(np.full(len(occupied), bandwidth), num_cells)[:, np.newaxis]
    edges = np.arange(num_cells + 1) - 0.5
    reached = ndtr((edges - centres) / widths)
    inside: NDArray[np.float64] = np.diff(reached, axis=1) / (reached[:, -1:] - reached[:, :1])
    return inside


def _scott_bandwidth(occupied: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
    """Returns Scott's bandwidth in cells: 1.059 min(IQR / 1.34, deviation) n^(-1/5)."""
    reached = np.cumsum(weights)
    total = reached[-1]
    mean = occupied @ weights / total
    deviation = np.sqrt((occupied - mean) ** 2 @ weights / max(1, total - 1))
    first = np.searchsorted(reached, total // 4, side="left")
    third = min(len(occupied) - 1, int(np.searchsorted(reached, total * 3 // 4, side="right")))
    spread = (occupied[third] - occupied[first]) / 1.34
    return float(1.059 * min(spread, deviation) * total**-0.2)
