"""Keras callbacks: when they are called, what they see, what they remember, which are refused."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from callback_models import recommender, small_model
from keras import callbacks as kc
from prepared import pipeline, prepared, prepared_with_ids

from recsearch.contract.checks.builder_result import as_recommender
from recsearch.data.store import write_prepared
from recsearch.data.task import Task
from recsearch.errors import SpaceError
from recsearch.evaluation.protocol import make_protocol
from recsearch.nn import Pairs, Recommender, make_optimizer
from recsearch.study.trial import Assignment, Epoch, Objective, Outcome, Trial, TrialState
from recsearch.training.callbacks import EpochCallbacks
from recsearch.training.fit import Fitter
from recsearch.tuning.engines.builders import SpaceSetup
from recsearch.tuning.engines.runner import TrialRunner
from recsearch.tuning.space.families import Family
from recsearch.tuning.space.search_space import SearchSpace
from recsearch.workflow.check import check_space
from recsearch.workflow.final.finalist import Finalist
from recsearch.workflow.final.retraining import retrain

STEPS = 3  # 1,200 ratings, 400 a batch


def runner(*make: Any, learning_rate: Any = 0.5) -> TrialRunner:
    """Returns the runner of a family whose callbacks are made by these functions."""

    def build(hp, data):
        return recommender(*(one() for one in make), learning_rate=learning_rate)

    data = prepared(Task.RATING)
    space = SearchSpace({"biased": Family("biased", build, "tests")})
    return TrialRunner(space, pipeline(Task.RATING), make_protocol(data, ["rmse", "mae"]))


def run(
    runner: TrialRunner, epochs: int, first: int = 0, stop_at: int = 0, **paths: Any
) -> Outcome:
    told: list[Epoch] = []
    assignment = Assignment("0000", "biased", {}, first, epochs, seed=1, **paths)
    return runner.run(assignment, told.append, lambda: bool(told) and told[-1].epoch == stop_at)


def rates(outcome: Outcome) -> list[float]:
    return [point.metrics["learning_rate"] for point in outcome.curve]


class Diary(kc.Callback):
    """Writes down what it is told."""

    def __init__(self, pages: list[Any]) -> None:
        super().__init__()
        self.pages = pages

    def on_train_begin(self, logs=None):
        self.pages.append(("train", self.params["epochs"]))

    def on_epoch_begin(self, epoch, logs=None):
        self.pages.append(("begin", epoch, int(self.model.optimizer.iterations)))

    def on_epoch_end(self, epoch, logs=None):
        self.pages.append(("end", epoch, int(self.model.optimizer.iterations)))
        self.pages.append(dict(logs))

    def on_train_end(self, logs=None):
        self.pages.append("over")


def test_hooks_are_called_around_training_and_validation_of_each_epoch() -> None:
    pages: list[Any] = []
    outcome = run(runner(lambda: Diary(pages)), epochs=2)
    logs = [pages.pop(3), pages.pop(5)]
    assert pages == [
        ("train", 2),
        ("begin", 0, 0), ("end", 0, STEPS),
        ("begin", 1, STEPS), ("end", 1, 2 * STEPS),
        "over",
    ]  # fmt: skip
    assert outcome.state is TrialState.COMPLETED
    for point, told in zip(outcome.curve, logs, strict=True):
        metrics = dict(point.metrics)
        assert told == {
            "loss": metrics["train_loss"],
            "mae": metrics["train_mae"],
            "val_rmse": metrics["rmse"],
            "val_mae": metrics["mae"],
        }


def test_callbacks_that_do_nothing_change_no_number() -> None:
    with_diary, without = run(runner(lambda: Diary([])), 2), run(runner(), 2)
    assert rates(with_diary) == [0.5, 0.5]
    for one, other in zip(with_diary.curve, without.curve, strict=True):
        assert "learning_rate" not in other.metrics
        assert dict(one.metrics) == {**other.metrics, "learning_rate": 0.5}


def test_rate_in_the_curve_is_the_one_that_the_epoch_was_trained_with() -> None:
    schedule = runner(lambda: kc.LearningRateScheduler(lambda epoch: 0.5**epoch))
    assert rates(run(schedule, 3)) == [1.0, 0.5, 0.25]
    # Nothing improves by 100, so after each two epochs the rate is halved, from the next one on.
    plateau = runner(
        lambda: kc.ReduceLROnPlateau("val_rmse", factor=0.5, patience=2, min_delta=100.0)
    )
    assert rates(run(plateau, 6)) == [0.5, 0.5, 0.5, 0.25, 0.25, 0.125]


def test_schedule_of_the_optimizer_is_not_recorded_and_not_set() -> None:
    decay = keras.optimizers.schedules.ExponentialDecay(0.5, 1, 0.9)
    outcome = run(runner(lambda: Diary([]), learning_rate=decay), 1)
    assert outcome.state is TrialState.COMPLETED
    assert "learning_rate" not in outcome.curve[0].metrics


@pytest.mark.parametrize(("metric", "falls"), [("rmse", True), ("ndcg@10", False)])
def test_direction_of_a_validation_metric_need_not_be_given(metric: str, falls: bool) -> None:
    callback = kc.EarlyStopping(f"val_{metric}", patience=1)
    told = EpochCallbacks(recommender(callback))
    told.begin(9)
    assert callback.mode == "auto"  # the callback of the user stays as it is
    for epoch, value in enumerate([0.3, 0.2, 0.1]):
        told.end_epoch(epoch, {"loss": 1.0}, {metric: value})
    assert told.stopped is not falls


def test_mode_that_the_builder_chose_stays() -> None:
    told = EpochCallbacks(recommender(kc.EarlyStopping("val_rmse", mode="max", patience=1)))
    told.begin(9)
    for epoch, value in enumerate([0.3, 0.2, 0.1]):
        told.end_epoch(epoch, {"loss": 1.0}, {"rmse": value})
    assert told.stopped


@pytest.mark.parametrize("monitor", ["val_loss", "val_nonsense", "auc"])
def test_monitor_that_is_not_measured_fails_the_trial_with_the_names_that_are(monitor: str) -> None:
    outcome = run(runner(lambda: kc.EarlyStopping(monitor, mode="min")), 2)
    assert outcome.state is TrialState.FAILED
    assert f"EarlyStopping monitors {monitor!r}, which is not measured" in outcome.message
    assert "Expected one of: loss, mae, val_rmse, val_mae." in outcome.message


def impatient() -> kc.Callback:
    """Stops at the first epoch, of those after the first two, that is no better by 100."""
    return kc.EarlyStopping("val_rmse", min_delta=100.0, patience=1, start_from_epoch=2)


@pytest.mark.parametrize("epochs", [9, 4], ids=["midway", "at the last epoch"])
def test_callback_ends_its_trial_and_the_score_counts(epochs: int, tmp_path: Path) -> None:
    paths = {
        "save_checkpoint": str(tmp_path / f"0000-{epochs}.npz"),
        "stop_checkpoint": str(tmp_path / "0000-{epoch}.npz"),
    }
    outcome = run(runner(impatient), epochs, **paths)
    assert outcome.state is TrialState.COMPLETED
    assert outcome.stopped_itself
    assert [point.epoch for point in outcome.curve] == [1, 2, 3, 4]
    assert outcome.checkpoint_saved
    assert [path.name for path in tmp_path.iterdir()] == ["0000-4.npz"]
    # The owner may be killed before it has written down that the trial is over.
    again = run(
        runner(impatient), 12, first=4, load_checkpoint=str(tmp_path / "0000-4.npz"), **paths
    )
    assert (again.state, again.stopped_itself) == (TrialState.COMPLETED, True)
    assert (again.curve, again.checkpoint_saved) == ((), False)


def test_trial_without_a_reason_to_stop_is_trained_to_the_end() -> None:
    outcome = run(runner(impatient), 3)
    assert outcome.state is TrialState.COMPLETED
    assert not outcome.stopped_itself
    assert len(outcome.curve) == 3


def halving() -> kc.Callback:
    return kc.ReduceLROnPlateau("val_rmse", 0.5, patience=2, cooldown=1, min_delta=100.0)


def patient() -> kc.Callback:
    return kc.EarlyStopping("val_rmse", patience=6, min_delta=0.001, restore_best_weights=True)


@pytest.mark.parametrize(
    "make",
    [
        (halving, patient, kc.History),
        (lambda: kc.LearningRateScheduler(lambda epoch, rate: rate * 0.7),),
        (lambda: kc.EarlyStopping("val_rmse", patience=6, min_delta=100.0),),
    ],
    ids=["plateau", "schedule", "stopping"],
)
def test_training_in_parts_equals_training_in_one_go(make: tuple[Any, ...], tmp_path: Path) -> None:
    epochs = 8
    stop = {"stop_checkpoint": str(tmp_path / "{epoch}.npz")}
    whole = run(runner(*make), epochs, save_checkpoint=str(tmp_path / "whole.npz"))
    curve, first = list[Epoch](), 0
    for cut in (1, 4):
        load = {"load_checkpoint": str(tmp_path / f"{first}.npz")} if first else {}
        part = run(runner(*make), epochs, first, stop_at=cut, **stop, **load)
        assert part.state is TrialState.WAITING
        curve, first = [*curve, *part.curve], cut
    last = run(
        runner(*make),
        epochs,
        first,
        load_checkpoint=str(tmp_path / f"{first}.npz"),
        save_checkpoint=str(tmp_path / "parts.npz"),
    )
    assert [dict(p.metrics) for p in [*curve, *last.curve]] == [
        dict(p.metrics) for p in whole.curve
    ]
    assert last.stopped_itself is whole.stopped_itself
    assert_same_file(tmp_path / "whole.npz", tmp_path / "parts.npz")


def assert_same_file(first: Path, second: Path) -> None:
    """Variables, slots and what the callbacks remember, to the last bit."""
    with np.load(first) as one, np.load(second) as two:
        assert one.files == two.files
        assert "callbacks" in one.files
        for name in one.files:
            np.testing.assert_array_equal(one[name], two[name])


def test_restoring_the_best_weights_leaves_the_saved_state_alone(tmp_path: Path) -> None:
    def make() -> kc.Callback:
        # The first epoch counts as the best, and on_train_end goes back to it.
        return kc.EarlyStopping("val_rmse", 100.0, patience=9, restore_best_weights=True)

    for epochs in (1, 3):
        run(runner(make), epochs, save_checkpoint=str(tmp_path / f"{epochs}.npz"))
    plain = runner(lambda: Diary([]))
    run(plain, 3, save_checkpoint=str(tmp_path / "plain.npz"))
    kept = {path.stem: np.load(path) for path in tmp_path.iterdir()}
    np.testing.assert_array_equal(kept["3"]["0000"], kept["plain"]["0000"])
    assert not np.array_equal(kept["3"]["0000"], kept["1"]["0000"])
    np.testing.assert_array_equal(kept["3"]["callbacks-0000"], kept["1"]["0000"])  # best_weights


class BatchCounter(kc.Callback):
    def on_batch_end(self, batch, logs=None):
        pass


@pytest.mark.parametrize(
    ("callback", "hooks"),
    [
        (BatchCounter(), "on_batch_end"),
        (kc.TerminateOnNaN(), "on_batch_end"),
        (kc.ModelCheckpoint("best.keras"), "on_train_batch_end"),
        (kc.LambdaCallback(on_train_batch_begin=lambda batch, logs: None), "on_train_batch_begin"),
        (kc.SwapEMAWeights(), "on_predict_begin, on_predict_end, on_test_begin, on_test_end"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, kc.Callback) else "",
)
def test_callback_with_a_hook_that_is_never_called_is_refused(
    callback: kc.Callback, hooks: str
) -> None:
    name = type(callback).__name__
    with pytest.raises(
        SpaceError, match=f"{name} has {hooks}, which would never .*leave {name} out: .* NaN never"
    ):
        as_recommender(recommender(callback), prepared(Task.RATING).spec, {})


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ((kc.CSVLogger("log.csv"),), "CSVLogger would start its file again.*Leave it out"),
        (("early",), r"must be a keras\.callbacks\.Callback\. Received: str"),
        (kc.History(), r"must be a tuple.*Received: History.*callbacks=\(callback,\)"),
    ],
)
def test_what_is_no_usable_callback_is_refused(callbacks: Any, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        as_recommender(
            Recommender(small_model(), Pairs(), callbacks=callbacks), prepared(Task.RATING).spec, {}
        )


def test_lambda_callback_with_epoch_hooks_is_accepted() -> None:
    ends: list[int] = []
    made = runner(lambda: kc.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(epoch)))
    assert run(made, 2).state is TrialState.COMPLETED
    assert ends == [0, 1]


def test_check_runs_the_callbacks() -> None:
    pages: list[Any] = []
    space = runner(lambda: Diary(pages), lambda: kc.EarlyStopping("val_loss")).space
    with pytest.raises(SpaceError, match="EarlyStopping monitors 'val_loss'"):
        check_space(space, Task.RATING, lambda line: None)
    assert [page[0] for page in pages[:3]] == ["train", "begin", "end"]
    assert set(pages[3]) == {"loss", "mae", "val_rmse", "val_mae"}


@pytest.mark.parametrize("make", [[], [lambda: Diary([])]], ids=["without", "with callbacks"])
def test_retraining_repeats_the_learning_rates_of_the_winner(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_prepared(tmp_path / "data" / "final", *prepared_with_ids(Task.RATING))
    pages: list[Any] = []
    make = [lambda: Diary(pages), *make] if make else make
    recorded = [0.5, 0.25, 0.125]
    curve = tuple(
        Epoch(number + 1, {"rmse": 1.0 - number, **({"learning_rate": rate} if make else {})}, 0.1)
        for number, rate in enumerate(recorded)
    )
    winner = Trial("0000", "biased", {}, 3, TrialState.COMPLETED, curve=curve, best_epoch=2)
    monkeypatch.setattr(Finalist, "space", runner(*make).space)
    objective = Objective("rmse", "min")
    finalist = Finalist(
        tmp_path,
        SpaceSetup(()),
        objective,
        0,
        winner,
        ("rmse",),
        "",
        "",
        announce=lambda text: None,
    )
    assert retrain(finalist)["epochs"] == 2
    saved = keras.models.load_model(tmp_path / "best" / "model.keras")
    assert float(saved.optimizer.learning_rate) == (0.25 if make else 0.5)
    assert int(saved.optimizer.iterations) == 2 * STEPS
    assert pages == []  # it is not called: there is no validation part
    expected = small_model()
    fitter = Fitter(Recommender(expected, Pairs(), 400), pipeline(Task.RATING), 0)
    for epoch, rate in enumerate(recorded[:2]):
        fitter.set_learning_rate(rate if make else 0.5)
        fitter.run_epoch(epoch)
    # The order of the examples is another, so that weights agree roughly: rates decide their size.
    assert np.linalg.norm(saved.weights[0]) == pytest.approx(
        np.linalg.norm(expected.weights[0]), rel=0.05
    )


def test_rate_set_before_an_epoch_is_the_one_it_trains_with() -> None:
    for optimizer in ("sgd", "adam", "rmsprop"):
        model = small_model()
        model.compile(make_optimizer(optimizer, 0.5), "mse")
        fitter = Fitter(Recommender(model, Pairs(), 400), pipeline(Task.RATING), 0)
        fitter.run_epoch(0)
        before = np.asarray(model.weights[0])
        fitter.set_learning_rate(0.0)
        fitter.run_epoch(1)
        np.testing.assert_array_equal(model.weights[0], before)
