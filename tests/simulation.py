"""Search spaces and a loop that runs a driver on them without training anything."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import keras_tuner
import numpy as np

from recsearch.study.decision import Decision, Driver, Finish, Promote, Propose, Wait
from recsearch.study.trial import Epoch, Objective, Scalar, Trial, TrialState, best_epoch

LOSS = Objective("loss", "min")
Evaluate = Callable[[str, Mapping[str, Scalar], int], float]


def thirty_configurations() -> keras_tuner.HyperParameters:
    """One family, 5 x 6 = 30 configurations."""
    hp = keras_tuner.HyperParameters()
    hp.Choice("space", ["mf"])
    with hp.conditional_scope("space", ["mf"]):
        hp.Choice("mf/optimizer", ["sgd", "adam", "adagrad", "ftrl", "lion"])
        hp.Int("mf/num_layers", 1, 6)
    return hp


def layered_space() -> keras_tuner.HyperParameters:
    """One family, 2 + 2*2 + 2*2*2 = 14 configurations: units_i exists from i + 1 layers on."""
    hp = keras_tuner.HyperParameters()
    hp.Choice("space", ["mlp"])
    with hp.conditional_scope("space", ["mlp"]):
        hp.Int("mlp/num_layers", 1, 3)
        hp.Choice("mlp/units_0", [8, 16])
        with hp.conditional_scope("mlp/num_layers", [2, 3]):
            hp.Choice("mlp/units_1", [8, 16])
        with hp.conditional_scope("mlp/num_layers", [3]):
            hp.Choice("mlp/units_2", [8, 16])
    return hp


def two_families() -> keras_tuner.HyperParameters:
    """Two families with continuous ranges; `momentum` stands twice, under two conditions."""
    hp = keras_tuner.HyperParameters()
    hp.Choice("space", ["mf", "neumf"])
    with hp.conditional_scope("space", ["mf"]):
        hp.Float("mf/learning_rate", 1e-4, 1e-1, sampling="log", default=1e-3)
        hp.Boolean("mf/bias")
    with hp.conditional_scope("space", ["neumf"]):
        hp.Choice("neumf/optimizer", ["sgd", "rmsprop", "adam"], default="adam")
        with hp.conditional_scope("neumf/optimizer", ["sgd"]):
            hp.Float("neumf/momentum", 0.0, 0.5)
        with hp.conditional_scope("neumf/optimizer", ["rmsprop"]):
            hp.Float("neumf/momentum", 0.5, 1.0)
        hp.Int("neumf/embedding_dim", 4, 256, sampling="log")
        hp.Fixed("neumf/batch_size", 256)
    return hp


def square() -> keras_tuner.HyperParameters:
    """One family with two continuous ranges, x in [-5, 10] and y in [0, 15]."""
    hp = keras_tuner.HyperParameters()
    hp.Choice("space", ["f"])
    with hp.conditional_scope("space", ["f"]):
        hp.Float("f/x", -5.0, 10.0)
        hp.Float("f/y", 0.0, 15.0)
    return hp


def branin(family: str, values: Mapping[str, Scalar], epoch: int) -> float:
    """Branin's function; its minimum is 0.397887."""
    x, y = float(values["x"]), float(values["y"])
    bowl = y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6
    return float(bowl**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10)


@dataclass
class Search:
    """What a simulated search left."""

    trials: list[Trial]
    finish: Finish = Finish("")
    decisions: list[tuple[tuple[Trial, ...], Decision]] = field(default_factory=list)
    rung_trainings: int = 0

    @property
    def epochs(self) -> int:
        return sum(len(trial.curve) for trial in self.trials)

    @property
    def best(self) -> float:
        return min(trial.score for trial in self.trials if trial.score is not None)


def run_search(
    driver: Driver,
    evaluate: Evaluate,
    workers: int = 1,
    fails: Callable[[Trial], bool] = lambda trial: False,
    reads: Callable[[Mapping[str, Scalar]], dict[str, Scalar]] = dict,
    seed: int = 0,
) -> Search:
    """Runs a driver to its end; running trials end in random order.

    Args:
        driver: The driver.
        evaluate: (family, values, epoch) -> the loss after that epoch.
        workers: How many trials run at once.
        fails: Whether the current rung of a trial ends as FAILED, without an epoch.
        reads: Proposed values -> those that the builder reads.
        seed: Of the order in which trials end.
    """
    rng = np.random.default_rng(seed)
    search = Search(trials=[])
    final: dict[str, bool] = {}
    running: list[str] = []
    while True:
        while len(running) < workers:
            decision = driver.propose(search.trials)
            search.decisions.append((tuple(search.trials), decision))
            if isinstance(decision, Finish):
                assert not running, "a search must not finish while trials run"
                search.finish = decision
                return search
            if isinstance(decision, Wait):
                assert running, "the driver waits, and nothing runs"
                break
            trial_id = _start(search, decision)
            final[trial_id] = decision.final
            running.append(trial_id)
        ended = running.pop(rng.integers(len(running)))
        _end(search, int(ended), evaluate, final[ended], fails, reads)
        promotable = driver.promotable(search.trials)
        search.trials = [
            replace(trial, state=TrialState.STOPPED_EARLY)
            if trial.state is TrialState.PAUSED and trial.trial_id not in promotable
            else trial
            for trial in search.trials
        ]


def num_foreseen(driver: Driver, search: Search) -> int:
    """Returns how many proposals the driver foresaw before the decision that came first.

    Whatever it foresaw at any decision of the search must be what it proposed next.
    """
    count = 0
    for place, (trials, _) in enumerate(search.decisions):
        following = [d for _, d in search.decisions[place:] if isinstance(d, Propose)]
        foreseen = driver.foresee(trials)
        if foreseen is not None:
            assert following[:1] == [foreseen]
            count += search.decisions[place][1] != foreseen
    return count


def _start(search: Search, decision: Propose | Promote) -> str:
    search.rung_trainings += 1
    if isinstance(decision, Propose):
        trial_id = f"{len(search.trials):04d}"
        search.trials.append(
            Trial(
                trial_id,
                decision.space,
                dict(decision.values),
                decision.epochs,
                TrialState.RUNNING,
                decision.bracket,
                decision.rung,
            )
        )
        return trial_id
    trial = search.trials[int(decision.trial_id)]
    assert trial.state is TrialState.PAUSED
    assert decision.rung == trial.rung + 1
    search.trials[int(decision.trial_id)] = replace(
        trial, epochs=decision.epochs, rung=decision.rung, state=TrialState.RUNNING
    )
    return decision.trial_id


def _end(search, index, evaluate, final, fails, reads) -> None:
    trial = search.trials[index]
    if fails(trial):
        search.trials[index] = replace(trial, state=TrialState.FAILED, score=None)
        return
    curve = trial.curve + tuple(
        Epoch(epoch, {"loss": evaluate(trial.space, trial.values, epoch)}, 0.1)
        for epoch in range(len(trial.curve) + 1, trial.epochs + 1)
    )
    best = best_epoch(curve, LOSS)
    search.trials[index] = replace(
        trial,
        values=reads(trial.values),
        curve=curve,
        state=TrialState.COMPLETED if final else TrialState.PAUSED,
        score=best[0] if best else None,
        best_epoch=best[1] if best else None,
    )
