"""Bayesian optimisation: a Gaussian process of the scores, and expected improvement over it.

Dimension letters: n trials, m of them finished, c candidates, D columns of `encoding`. The sign of
scores is changed where needed, so that less is better.

    EI(x) = (best - mean(x)) Phi(z) + sd(x) phi(z),   z = (best - mean(x)) / sd(x)

Source: Jones, Schonlau and Welch, "Efficient Global Optimization" (1998), equation 15, with two
changes for noisy scores: `best` is the lowest posterior mean at a finished trial, and `sd` is that
of the function, without the noise of one training. The kernel is a Matern 5/2 with one length scale
per column (Snoek, Larochelle and Adams, 2012) plus noise, by scikit-learn. It is fitted at certain
numbers of trials only, and each fit starts from the result of the fit before.

A running trial gets the mean score of the others (the constant liar of Ginsbourger, Le Riche and
Carraro, 2010), a failed or infeasible trial the worst score seen.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from threadpoolctl import threadpool_limits

from recsearch.config.run_config import RunConfig
from recsearch.study.decision import Decision, Plan, Propose
from recsearch.study.seen_configurations import Configuration
from recsearch.study.trial import Objective, Trial
from recsearch.tuning.drivers.encoding import encode, neighbour, tunable
from recsearch.tuning.drivers.random import DEFAULT_MAX_TRIALS, RandomDriver
from recsearch.tuning.space.sampling import (
    enumerate_configurations,
    sample,
    tried_configurations,
    untried_default,
)

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

_MIN_SCORES = 3  # fewer points are not enough for a Gaussian process
_SMALL_SPACE = 1000  # in a space of at most this many configurations, all are candidates
_NUM_RANDOM = 600  # candidates in a larger space, before refinement
_NUM_CENTRES = 5  # number of best trials, then of best candidates, whose neighbours are candidates
_NUM_NEIGHBOURS = 40  # neighbours of each of them
_REFIT_GROWTH = 1.2  # length scales are fitted again when the trials have grown by this factor
_MAX_FITTED = 125  # more trials would cost seconds and hardly change the length scales
_JITTER = 1e-6  # keeps the covariance of equal points invertible


@dataclass(frozen=True)
class Observations:
    """Points and scores of the trials: finished ones in the order of their ids, then running ones.

    Attributes:
        points: [n, D].
        scores: [m] of the finished trials; less is better, infinite if failed.
    """

    points: NDArray[np.float64]
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class BayesianDriver:
    """Proposes the configuration with the highest expected improvement.

    The defaults of each family come first, then random configurations: max(5, d + 1) trials for d
    hyperparameters, but at most half of `max_trials` and at least 3. No configuration is repeated.

    Attributes:
        space: The search space.
        objective: The score that is modelled.
        seed: Any whole number from 0; nearby seeds give independent searches.
        max_trials: How many configurations are tried.
        max_epochs: How many epochs each is trained.

    Raises:
        ConfigError: `seed` is negative, or `max_trials` or `max_epochs` is below 1.
    """

    space: "HyperParameters"
    objective: Objective
    seed: int
    max_trials: int
    max_epochs: int
    # Cache: data of a fit -> fitted kernel. It saves time and changes no decision.
    _kernels: dict[bytes, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._random_driver()

    def plan(self) -> Plan:
        """Returns the cost of the search, the same as for a random search."""
        return self._random_driver().plan()

    def propose(self, trials: Sequence[Trial]) -> Decision:
        """Returns the next configuration, or that the search waits or has ended."""
        decision = self._random_driver().propose(trials)
        if not isinstance(decision, Propose) or self._is_initial(trials):
            return decision
        # The matrices are small: beside busy workers, threads of BLAS cost more than they gain.
        with threadpool_limits(1):
            chosen = self._most_promising(trials)
        if chosen is None:
            return decision
        family, values = chosen
        return replace(decision, space=family, values=values)

    def promotable(self, trials: Sequence[Trial]) -> frozenset[str]:
        """Returns nothing: each trial is trained in one go."""
        return frozenset()

    def foresee(self, trials: Sequence[Trial]) -> Propose | None:
        """Returns the next configuration if it does not depend on scores yet, else None."""
        return self._random_driver().foresee(trials) if self._is_initial(trials) else None

    def num_initial(self) -> int:
        """Returns the number of trials that are chosen without regard to scores."""
        num_hyperparameters = len({hp.name for hp in tunable(self.space)})
        return max(3, min(max(5, num_hyperparameters + 1), ceil(self.max_trials / 2)))

    def _random_driver(self) -> RandomDriver:
        return RandomDriver(self.space, self.objective, self.seed, self.max_trials, self.max_epochs)

    def _is_initial(self, trials: Sequence[Trial]) -> bool:
        if len(trials) < self.num_initial():
            return True
        return untried_default(self.space, tried_configurations(self.space, trials)) is not None

    def _most_promising(self, trials: Sequence[Trial]) -> Configuration | None:
        """Returns the untried candidate of the highest expected improvement, or None."""
        observations = observe(self.space, self.objective, trials)
        if observations is None:
            return None
        surrogate = Surrogate.fit(self._kernel(observations), observations)
        candidates, improvement = self._candidates(trials, surrogate)
        tried = tried_configurations(self.space, trials)
        for index in np.argsort(-improvement, kind="stable"):
            family, values = candidates[int(index)]
            if (family, values) not in tried:
                return family, values
        return None

    def _candidates(
        self, trials: Sequence[Trial], surrogate: "Surrogate"
    ) -> tuple[list[Configuration], NDArray[np.float64]]:
        """Returns candidates and their expected improvement [c].

        A small space is listed completely. In a larger one, candidates are random points,
        neighbours of the best trials, and then neighbours of the best of these candidates.
        """
        listed = enumerate_configurations(self.space, limit=_SMALL_SPACE)
        if listed is not None:
            return listed, surrogate.expected_improvement(encode(self.space, listed))
        rng = np.random.default_rng([self.seed, len(trials)])
        ended = [t for t in trials if not t.state.is_unfinished and not t.state.is_lost]
        scored = [trial for trial in ended if trial.score is not None]
        scored.sort(key=lambda trial: self.objective.sort_key(trial.score))
        best_trials = [(trial.space, dict(trial.values)) for trial in scored[:_NUM_CENTRES]]
        wide = [sample(self.space, rng) for _ in range(_NUM_RANDOM)]
        wide += self._neighbours(best_trials, rng)
        coarse = surrogate.expected_improvement(encode(self.space, wide))
        best_candidates = [wide[index] for index in np.argsort(-coarse)[:_NUM_CENTRES]]
        near = self._neighbours(best_candidates, rng)
        fine = surrogate.expected_improvement(encode(self.space, near))
        return wide + near, np.concatenate([coarse, fine])

    def _neighbours(
        self, centres: Sequence[Configuration], rng: np.random.Generator
    ) -> list[Configuration]:
        return [
            neighbour(self.space, centre, rng) for centre in centres for _ in range(_NUM_NEIGHBOURS)
        ]

    def _kernel(self, observations: Observations) -> Any:
        """Returns the kernel of the latest fit in the schedule.

        The chain of fits depends only on the trials, so a resumed search decides as an
        uninterrupted one would. Each part begins with all earlier parts, so its data identify the
        whole chain up to it.
        """
        kernel = _start_kernel(observations.points.shape[1])
        for part in scheduled_parts(observations):
            key = part.points.tobytes() + part.scores.tobytes()
            if key not in self._kernels:
                values = targets(part.scores)
                self._kernels[key] = fit_kernel(part.points, values, self.seed, start=kernel)
            kernel = self._kernels[key]
        return kernel


def observe(
    space: "HyperParameters", objective: Objective, trials: Sequence[Trial]
) -> Observations | None:
    """Returns the points and scores of the trials; None with fewer than 3 finite scores."""
    finished = [trial for trial in trials if not trial.state.is_unfinished]
    running = [trial for trial in trials if trial.state.is_unfinished]
    scores = np.array(
        [objective.sort_key(None if t.state.is_lost else t.score) for t in finished],
        dtype=np.float64,
    )
    if np.isfinite(scores).sum() < _MIN_SCORES:
        return None
    points = encode(space, [(trial.space, dict(trial.values)) for trial in finished + running])
    return Observations(points, scores)


def scheduled_parts(observations: Observations) -> list[Observations]:
    """Returns the first finished trials, up to each number of the refit schedule; shortest first.

    The schedule counts finite scores: 3, 4, 5, 6, 8, ..., 20 % more each time, up to 122.
    """
    finite = np.flatnonzero(np.isfinite(observations.scores))
    parts = []
    size = _MIN_SCORES
    while size <= min(len(finite), _MAX_FITTED):
        end = finite[size - 1] + 1
        parts.append(Observations(observations.points[:end], observations.scores[:end]))
        size = ceil(size * _REFIT_GROWTH)
    return parts


def targets(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns scores [m] as the Gaussian process learns them: finite, of mean 0 and deviation 1.

    Scores beyond the outer fence (upper quartile plus three interquartile ranges; Tukey, 1977) are
    set to the fence; otherwise one diverged training would hide all differences between the others.
    Infinite scores, of failed trials, become the worst finite one.
    """
    finite = scores[np.isfinite(scores)]
    lower, upper = np.quantile(finite, [0.25, 0.75])
    worst = min(finite.max(), upper + 3.0 * (upper - lower))
    bounded = np.minimum(scores, worst)
    deviation = float(bounded.std()) or 1.0
    return np.asarray((bounded - bounded.mean()) / deviation, dtype=np.float64)


def fit_kernel(
    points: NDArray[np.float64], values: NDArray[np.float64], seed: int, start: Any = None
) -> Any:
    """Returns the scikit-learn kernel of the highest marginal likelihood.

    Args:
        points: [m, D].
        values: [m], of `targets`.
        seed: Of the second start of the optimiser.
        start: A kernel of the same form, the first start; None for one of middling length scales.
    """
    kernel = start if start is not None else _start_kernel(points.shape[1])
    process = GaussianProcessRegressor(
        kernel, alpha=_JITTER, n_restarts_optimizer=1, random_state=seed % 2**32
    )
    with warnings.catch_warnings():
        # A length scale at its bound only means that the column does not matter.
        warnings.simplefilter("ignore", ConvergenceWarning)
        process.fit(points, values)
    return process.kernel_


def _start_kernel(num_columns: int) -> Any:
    length_scales = Matern(np.full(num_columns, 0.5), length_scale_bounds=(0.05, 20.0), nu=2.5)
    return ConstantKernel(1.0, (0.05, 20.0)) * length_scales + WhiteKernel(0.01, (1e-6, 1.0))


@dataclass(frozen=True)
class Surrogate:
    """A Gaussian process of all observations.

    Attributes:
        process: Scikit-learn's process, conditioned on the observations.
        best: The lowest posterior mean at a finished trial.
        noise: Variance of one training, in variances of the scores.
    """

    process: Any
    best: float
    noise: float

    @classmethod
    def fit(cls, kernel: Any, observations: Observations) -> "Surrogate":
        """Returns the process of a fitted kernel, given observations of any number."""
        values = targets(observations.scores)
        num_finished = len(values)
        lies = np.zeros(len(observations.points) - num_finished)  # the mean of `targets` is 0
        process = GaussianProcessRegressor(kernel, alpha=_JITTER, optimizer=None)
        process.fit(observations.points, np.concatenate([values, lies]))
        best = float(process.predict(observations.points[:num_finished]).min())
        return cls(process, best, kernel.k2.noise_level)

    def expected_improvement(self, candidates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the expected improvement [c] of candidates [c, D], in deviations of scores."""
        mean, deviation = self.process.predict(candidates, return_std=True)
        deviation = np.sqrt(np.maximum(deviation**2 - self.noise, 1e-12))
        z = (self.best - mean) / deviation
        improvement = (self.best - mean) * norm.cdf(z) + deviation * norm.pdf(z)
        return np.asarray(improvement, dtype=np.float64)


def from_settings(
    config: RunConfig, hyperparameters: "HyperParameters", objective: Objective
) -> BayesianDriver:
    """Returns the driver of a run."""
    max_trials = config.max_trials or DEFAULT_MAX_TRIALS
    return BayesianDriver(hyperparameters, objective, config.seed, max_trials, config.max_epochs)
