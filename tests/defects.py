"""What the tests of defects share: their mark, search spaces, objectives, and a trial by hand."""

from collections import Counter

import pytest
from two_systems import PlainKerasTuner, Recsearch, Task

STOCK_WARNINGS = [
    pytest.mark.filterwarnings("ignore:All-NaN:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


def stock_fails(reason, raises=AssertionError):
    """Runs a test on recsearch and on plain Keras Tuner, where it must fail for the reason."""
    mark = pytest.mark.xfail(strict=True, raises=raises, reason=reason)
    return pytest.mark.parametrize(
        "system",
        [
            pytest.param(Recsearch, id="recsearch"),
            pytest.param(PlainKerasTuner, id="keras_tuner", marks=mark),
        ],
        indirect=True,
    )


def square(hp):
    hp.Float("x", 0.0, 1.0)
    hp.Float("y", 0.0, 1.0)


def four_dimensions(hp):
    for name in "abcd":
        hp.Float(name, 0.0, 1.0)


def thirty_configurations(hp):
    hp.Choice("optimizer", ["sgd", "adam", "adagrad", "ftrl", "lion"])
    hp.Int("num_layers", 1, 6)


def line(hp):
    hp.Float("x", 0.0, 1.0)


def six_configurations(hp):
    hp.Int("num_layers", 1, 6)


def looping(hp):
    for index in range(hp.Int("num_layers", 1, 3)):
        hp.Int(f"units_{index}", 8, 1000)


def bowl(task):
    return (task.values["x"] - 0.3) ** 2 + (task.values["y"] - 0.6) ** 2


def by_layers(task):
    return abs(task.values["num_layers"] - 4) + float(task.values.get("optimizer") != "adam")


def key(task):
    return tuple(sorted(task.values.items()))


def started(tasks):
    return Counter((task.bracket, task.rung) for task in tasks)


def next_task(searching):
    task = searching.ask()
    if not isinstance(task, Task):
        raise TypeError(f"expected a trial, received {task}")
    return task


def train(searching, score=1.0):
    task = next_task(searching)
    searching.report(task, [score])
    searching.end(task)
    return task
