"""Models that stay in their worker between two rungs: the same numbers, without a second build."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from prepared import pipeline, prepared

from recsearch.data.task import Task
from recsearch.evaluation.protocol import make_protocol
from recsearch.nn import Embedding, Pairs, Recommender
from recsearch.study.trial import Assignment, Outcome
from recsearch.training.fit import Fitter
from recsearch.tuning.engines import kept_models
from recsearch.tuning.engines.repeatable import is_repeatable
from recsearch.tuning.engines.runner import TrialRunner
from recsearch.tuning.space.builtin import builtin_names
from recsearch.tuning.space.families import Family
from recsearch.tuning.space.search_space import SearchSpace, load_space


class Noise(keras.layers.Layer):
    """Noise of TensorFlow's own generator, whose state no checkpoint holds."""

    def call(self, inputs: Any) -> Any:
        return inputs + tf.random.normal(tf.shape(inputs), stddev=0.1)


class Called(keras.layers.Layer):
    """Runs Python code in each step."""

    def call(self, inputs: Any) -> Any:
        doubled = tf.numpy_function(lambda values: 1.0 * values, [inputs], tf.float32)
        return inputs + tf.stop_gradient(tf.ensure_shape(doubled, inputs.shape) - inputs)


class Builder:
    """Builds a small model with dropout; counts how often."""

    def __init__(self, extra: Callable[[], Any] | None = None, callbacks: tuple = ()) -> None:
        self.count = 0
        self.extra, self.callbacks = extra, callbacks

    def __call__(self, hp: Any, data: Any) -> Recommender:
        self.count += 1
        user = keras.Input((), dtype="int32", name="user_id")
        item = keras.Input((), dtype="int32", name="item_id")
        vector = keras.layers.Dropout(0.5)(Embedding(data.num_items, 2)(item))
        if self.extra:
            vector = self.extra()(vector)
        score = keras.layers.Dot(-1)([Embedding(data.num_users, 2)(user), vector])
        model = keras.Model([user, item], score)
        model.compile(keras.optimizers.Adam(hp.Float("learning_rate", 0.01, 0.1)), "mse")
        return Recommender(model, Pairs(), 400, callbacks=self.callbacks)

    def runner(self) -> TrialRunner:
        space = SearchSpace({"counted": Family("counted", self, "tests")})
        protocol = make_protocol(prepared(Task.RATING), ["rmse"])
        return TrialRunner(space, pipeline(Task.RATING), protocol)


def first_rung(folder: Path, trial_id: str = "0000") -> Assignment:
    path = str(folder / f"{trial_id}.npz")
    return Assignment(
        trial_id, "counted", {}, 0, 2, seed=3, save_checkpoint=path, may_continue=True
    )


def second_rung(first: Assignment) -> Assignment:
    return replace(
        first,
        initial_epoch=2,
        epochs=4,
        load_checkpoint=first.save_checkpoint,
        save_checkpoint=f"{first.save_checkpoint}-second.npz",
        may_continue=False,
    )


def run(runner: TrialRunner, assignment: Assignment) -> Outcome:
    outcome = runner.run(assignment, lambda point: None)
    assert outcome.message == ""
    return outcome


def promoted(folder: Path, builder: Builder, keep: bool) -> tuple[list, list[np.ndarray]]:
    """Returns the measured epochs of both rungs, and the last state."""
    first = first_rung(folder)
    runner = builder.runner()
    curve = run(runner, first).curve
    if not keep:
        runner = builder.runner()
    curve += run(runner, second_rung(first)).curve
    with np.load(f"{first.save_checkpoint}-second.npz") as state:
        return [dict(point.metrics) for point in curve], [state[name] for name in state.files]


def test_kept_model_gives_the_numbers_of_one_built_anew(tmp_path: Path) -> None:
    anew, kept = Builder(), Builder()
    curve, state = promoted(tmp_path, anew, keep=False)
    kept_curve, kept_state = promoted(tmp_path, kept, keep=True)
    assert (anew.count, kept.count) == (2, 1)
    assert kept_curve == curve
    assert len(kept_state) == len(state) > 6
    for ours, theirs in zip(kept_state, state, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_trials_between_the_rungs_change_nothing(tmp_path: Path) -> None:
    builder = Builder()
    curve, _ = promoted(tmp_path, builder, keep=False)
    runner = builder.runner()
    first = first_rung(tmp_path)
    run(runner, first)
    for name in ("0001", "0002"):
        run(runner, first_rung(tmp_path, name))
    again = run(runner, second_rung(first))
    assert builder.count == 2 + 3
    assert [dict(point.metrics) for point in again.curve] == curve[2:]


@pytest.mark.parametrize(
    "builder",
    [
        Builder(extra=Noise),
        Builder(extra=Called),
        Builder(callbacks=(keras.callbacks.EarlyStopping("val_rmse", patience=9),)),
    ],
    ids=["random numbers of TensorFlow", "Python code", "callbacks"],
)
def test_model_that_remembers_more_than_a_checkpoint_is_built_anew(
    tmp_path: Path, builder: Builder
) -> None:
    curve, _ = promoted(tmp_path, builder, keep=True)
    assert builder.count == 2
    assert promoted(tmp_path, builder, keep=False)[0] == curve


def test_model_of_a_trial_that_is_over_is_not_kept(tmp_path: Path) -> None:
    builder = Builder()
    runner = builder.runner()
    run(runner, replace(first_rung(tmp_path), may_continue=False))
    run(runner, second_rung(first_rung(tmp_path)))
    assert builder.count == 2


@pytest.mark.parametrize("bound", ["MAX_MODELS", "MAX_PARAMETERS"])
def test_model_that_was_kept_first_makes_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    builder = Builder()
    runner = builder.runner()
    size = run(runner, first_rung(tmp_path, "0000")).num_parameters
    monkeypatch.setattr(kept_models, bound, {"MAX_MODELS": 2, "MAX_PARAMETERS": 2 * size}[bound])
    for name in ("0001", "0002"):
        run(runner, first_rung(tmp_path, name))
    assert builder.count == 3
    run(runner, second_rung(first_rung(tmp_path, "0002")))
    run(runner, second_rung(first_rung(tmp_path, "0001")))
    assert builder.count == 3
    run(runner, second_rung(first_rung(tmp_path, "0000")))
    assert builder.count == 4


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("name", builtin_names())
def test_models_of_builtin_spaces_are_kept(name: str, task: Task) -> None:
    built = load_space([name]).build(name, {}, prepared(task).spec)
    assert is_repeatable(Fitter(built.recommender, pipeline(task), 0).operations())


@pytest.mark.parametrize(
    "kind", ["RandomUniform", "StatefulUniform", "RngReadAndSkip", "EagerPyFunc", "NewOperation"]
)
def test_operation_with_a_state_of_its_own_or_unknown_is_not_repeatable(kind: str) -> None:
    assert is_repeatable(["MatMul", "AddV2"])
    assert not is_repeatable(["MatMul", kind])
    assert not is_repeatable([])
