"""What continues across Hyperband's rungs, on the real training flow: everything."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from prepared import pipeline, prepared

from recsearch.data.task import Task
from recsearch.evaluation.protocol import make_protocol
from recsearch.nn import Embedding, Pairs, Recommender, make_optimizer
from recsearch.study.study import Study, trial_seed
from recsearch.study.trial import Assignment, Epoch, Objective, Trial, TrialState
from recsearch.tuning.drivers.hyperband import Bracket, HyperbandDriver, hyperband_brackets
from recsearch.tuning.engines.inline import InlineEngine
from recsearch.tuning.engines.runner import TrialRunner
from recsearch.tuning.loop import Budget, search
from recsearch.tuning.space.families import Family
from recsearch.tuning.space.search_space import SearchSpace

RMSE = Objective("rmse", "min")
STEPS = 3  # 1,200 ratings, 400 a batch


@dataclass(frozen=True)
class Sighting:
    """What a training was like after an epoch.

    Attributes:
        iterations: Steps that the optimizer has counted.
        variables: Weights, random state, optimizer slots and learning rate, byte by byte.
        plateau: What the callback that reduces the learning rate remembers.
    """

    iterations: int
    variables: bytes
    plateau: dict[str, Any]


class Witness(keras.callbacks.Callback):
    """Writes down every epoch of a trial; may fail its trial when a rung begins."""

    def __init__(
        self,
        seen: dict[int, Sighting],
        plateau: keras.callbacks.Callback,
        fails: Callable[[], bool],
    ) -> None:
        super().__init__()
        self.seen, self.plateau, self.fails = seen, plateau, fails

    def on_train_begin(self, logs=None):
        if self.fails():
            raise RuntimeError("planted")

    def on_epoch_end(self, epoch, logs=None):
        optimizer = self.model.optimizer
        state = [np.asarray(v).tobytes() for v in [*self.model.variables, *optimizer.variables]]
        remembered = {name: vars(self.plateau)[name] for name in ("wait", "best", "min_delta")}
        cooldown = self.plateau.cooldown_counter
        self.seen[epoch + 1] = Sighting(
            int(optimizer.iterations), b"".join(state), {**remembered, "cooldown": cooldown}
        )


@dataclass
class Flow:
    """The real flow on a small model, with a witness in every trial.

    Attributes:
        fails: Asked at the start of each rung of each trial, whether it is to fail there.
        patience: So many epochs after the first a trial ends itself.
        seen: Learning rate at the start (it names the trial) -> epoch -> what was seen after it.
    """

    fails: Callable[[], bool] = lambda: False
    patience: int = 99
    seen: dict[float, dict[int, Sighting]] = field(default_factory=dict)

    def build(self, hp: Any, data: Any) -> Recommender:
        rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log", default=0.01)
        user = keras.Input((), dtype="int32", name="user_id")
        item = keras.Input((), dtype="int32", name="item_id")
        dropped = keras.layers.Dropout(0.5)(Embedding(data.num_items, 2)(item))
        score = keras.layers.Dot(-1)([Embedding(data.num_users, 2)(user), dropped])
        model = keras.Model([user, item], keras.layers.Rescaling(1.0, offset=3.0)(score))
        model.compile(make_optimizer("adam", rate), "mse")
        plateau = keras.callbacks.ReduceLROnPlateau(
            "val_rmse", factor=0.5, patience=2, mode="min", cooldown=1, min_delta=100.0
        )  # a callback of mode "auto" is copied, and the witness would not see its state
        witness = Witness(self.seen.setdefault(rate, {}), plateau, self.fails)
        stop = keras.callbacks.EarlyStopping("val_rmse", min_delta=100.0, patience=self.patience)
        return Recommender(model, Pairs(), 400, callbacks=(plateau, witness, stop))

    def runner(self) -> TrialRunner:
        space = SearchSpace({"witnessed": Family("witnessed", self.build, "tests")})
        protocol = make_protocol(prepared(Task.RATING), ["rmse"])
        return TrialRunner(space, pipeline(Task.RATING), protocol)

    def hyperband(
        self, folder: Path, max_epochs: int, max_trials: int | None = None
    ) -> list[Trial]:
        """Returns the trials of a whole search; its failures are those that were planted."""
        runner = self.runner()
        found = runner.space.discover(prepared(Task.RATING).spec)
        driver = HyperbandDriver(found, RMSE, 2, max_epochs, max_trials=max_trials)
        folder.mkdir(exist_ok=True)
        with closing(Study(folder, driver, RMSE, seed=7)) as study:
            search(study, InlineEngine(runner), Budget(), lambda message: None)
            trials = list(study.trials)
        for trial in trials:
            assert ("planted" in trial.message) is (trial.state is TrialState.FAILED)
        return trials


def metrics(curve: tuple[Epoch, ...]) -> list[tuple[int, dict[str, float]]]:
    return [(point.epoch, dict(point.metrics)) for point in curve]


def assert_steps_and_epochs(flow: Flow, trials: list[Trial]) -> None:
    """The optimizer has counted each step of each epoch, and no epoch is missing or twice."""
    for trial in trials:
        seen = flow.seen[float(trial.values["learning_rate"])]
        epochs = [point.epoch for point in trial.curve]
        assert epochs == list(range(1, len(epochs) + 1)) == list(seen)
        assert [seen[epoch].iterations for epoch in epochs] == [STEPS * epoch for epoch in epochs]


def assert_rungs_are_filled(trials: list[Trial], brackets: tuple[Bracket, ...]) -> None:
    """As many go on from a rung as the next one holds, or as have survived."""
    assert len(trials) == sum(bracket.rungs[0].size for bracket in brackets)
    for bracket in brackets:
        members = [trial for trial in trials if trial.bracket == bracket.number]
        for below, rung in zip(bracket.rungs, bracket.rungs[1:], strict=False):
            survivors = sum(len(trial.curve) >= below.epochs for trial in members)
            assert sum(trial.epochs >= rung.epochs for trial in members) == min(
                rung.size, survivors
            )
        assert any(len(trial.curve) == bracket.rungs[-1].epochs for trial in members)


def one_of(number: int) -> Callable[[], bool]:
    """Fails the rung that is started as the `number`-th, from 0."""
    started = iter(range(10**6))
    return lambda: next(started) == number


def a_share_of(share: float, seed: int = 0) -> Callable[[], bool]:
    """Fails this share of all rungs that are started, at random."""
    rng = np.random.default_rng(seed)
    return lambda: rng.random() < share


@pytest.fixture(scope="module")
def nine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Flow, list[Trial]]:
    """A search of 23 rung trainings up to 9 epochs, of which a fifth fails."""
    flow = Flow(a_share_of(0.2))
    return flow, flow.hyperband(tmp_path_factory.mktemp("nine"), 9)


def test_hyperband_of_9_epochs_fills_its_rungs_though_trials_fail(nine: Any) -> None:
    flow, trials = nine
    assert 2 <= sum(trial.state is TrialState.FAILED for trial in trials) <= 8
    assert_rungs_are_filled(trials, hyperband_brackets(9, 3))
    assert_steps_and_epochs(flow, trials)


@pytest.mark.parametrize("bracket", [2, 1])
def test_promoted_trial_equals_one_that_was_trained_in_one_go(nine: Any, bracket: int) -> None:
    promoted, trials = nine
    trial = next(t for t in trials if t.bracket == bracket and len(t.curve) == 9)
    whole = Flow()
    assignment = Assignment(
        trial.trial_id, trial.space, trial.values, 0, 9, trial_seed(7, trial.trial_id)
    )
    outcome = whole.runner().run(assignment, lambda point: None)
    assert metrics(outcome.curve) == metrics(trial.curve)
    rate = float(trial.values["learning_rate"])
    assert list(promoted.seen[rate]) == list(range(1, 10))
    assert promoted.seen[rate] == whole.seen[rate]
    # Otherwise this would not show whether the callback's state continues.
    assert {sighting.plateau["wait"] for sighting in whole.seen[rate].values()} >= {0, 1}
    assert len({point.metrics["learning_rate"] for point in trial.curve}) > 1


def test_trial_that_ends_itself_counts_and_is_not_promoted(tmp_path: Path) -> None:
    # It waits one epoch after the first, which lies before the promotion: it remembers that.
    trials = Flow(patience=1).hyperband(tmp_path, 3)
    assert [len(trial.curve) for trial in trials if trial.bracket == 0] == [2, 2]
    assert sorted(len(trial.curve) for trial in trials if trial.bracket == 1) == [1, 1, 2]
    for trial in trials:
        ended_itself = len(trial.curve) == 2
        assert (trial.state is TrialState.COMPLETED) is ended_itself
        assert trial.score is not None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fails", "failures", "max_trials"),
    [
        (one_of(4), range(1, 2), 27),  # the bracket of 27 -> 9 -> 3 -> 1 alone
        (a_share_of(0.05), range(1, 6), 27),
        (a_share_of(0.2), range(8, 22), None),
    ],
    ids=["one", "5 percent", "20 percent"],
)
def test_hyperband_of_27_epochs_fills_its_rungs_though_trials_fail(
    fails: Callable[[], bool], failures: range, max_trials: int | None, tmp_path: Path
) -> None:
    flow = Flow(fails)
    trials = flow.hyperband(tmp_path, 27, max_trials)
    assert sum(trial.state is TrialState.FAILED for trial in trials) in failures
    assert_rungs_are_filled(trials, hyperband_brackets(27, 3)[: 1 if max_trials else None])
    assert_steps_and_epochs(flow, trials)
