"""The time of one Bayesian proposal, by the number of finished trials, with 12 hyperparameters.

    python benchmarks/bayesian_proposal.py

Prints the median and the maximum of 20 consecutive proposals, in seconds of wall time, for n = 10,
50, 100, 200 and 400 finished trials. The first proposal is the slowest: as in a resumed search, it
fits the length scales for every size of the schedule, each fit starting from the previous one.
"""

import argparse
import statistics
import time
from dataclasses import replace

from recsearch.system.tensorflow_import import import_tensorflow

import_tensorflow()

import keras_tuner  # noqa: E402  after TensorFlow's notes have been kept quiet
import numpy as np  # noqa: E402

from recsearch.study.decision import Propose  # noqa: E402
from recsearch.study.trial import Objective, Trial, TrialState  # noqa: E402
from recsearch.tuning.drivers.bayesian import BayesianDriver  # noqa: E402
from recsearch.tuning.drivers.encoding import encode  # noqa: E402
from recsearch.tuning.space.sampling import defaults, sample  # noqa: E402

NUM_PROPOSALS = 20
LOSS = Objective("loss", "min")


def twelve_hyperparameters() -> keras_tuner.HyperParameters:
    """Returns a space of four log floats, four ints and four choices."""
    hp = keras_tuner.HyperParameters()
    hp.Choice("space", ["a"])
    with hp.conditional_scope("space", ["a"]):
        for i in range(4):
            hp.Float(f"a/float_{i}", 1e-4, 1e-1, sampling="log")
            hp.Int(f"a/int_{i}", 1, 100)
            hp.Choice(f"a/choice_{i}", ["x", "y", "z"])
    return hp


def finished_trials(space: keras_tuner.HyperParameters, count: int) -> list[Trial]:
    """Returns random trials whose score is the sum of their float and int coordinates."""
    rng = np.random.default_rng(0)
    configurations = defaults(space) + [sample(space, rng) for _ in range(count - 1)]
    scores = encode(space, configurations)[:, :4].sum(axis=1)
    return [
        Trial(f"{i:04d}", family, values, 1, TrialState.COMPLETED, score=float(score))
        for i, ((family, values), score) in enumerate(zip(configurations, scores, strict=True))
    ]


def measure(space: keras_tuner.HyperParameters, count: int) -> list[float]:
    """Returns the seconds of 20 proposals; each trial gets an average score."""
    driver = BayesianDriver(space, LOSS, 0, 2 * count + NUM_PROPOSALS, 1)
    trials, seconds = finished_trials(space, count), []
    for _ in range(NUM_PROPOSALS):
        started = time.perf_counter()
        decision = driver.propose(trials)
        seconds.append(time.perf_counter() - started)
        if not isinstance(decision, Propose):
            break
        name = f"{len(trials):04d}"
        trial = Trial(name, decision.space, decision.values, 1, TrialState.COMPLETED)
        trials.append(replace(trial, score=2.0))
    return seconds


def main() -> None:
    """Prints the table."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    space = twelve_hyperparameters()
    print("trials  median   slowest")
    for count in (10, 50, 100, 200, 400):
        seconds = measure(space, count)
        print(f"{count:6d}  {statistics.median(seconds):.3f} s  {max(seconds):.3f} s")


if __name__ == "__main__":
    main()
