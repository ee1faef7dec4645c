from pathlib import Path

import pytest
from small_run import run_settings

import recsearch
from recsearch.study.trial import Epoch, Objective, Patience

RMSE = Objective("rmse", "min")


def curve(*scores: float, first: int = 1) -> tuple[Epoch, ...]:
    return tuple(Epoch(n, {"rmse": score}, 0.1) for n, score in enumerate(scores, first))


@pytest.mark.parametrize(
    ("scores", "over"),
    [
        ((), False),
        ((1.0,), False),
        ((1.0, 1.1), False),
        ((1.0, 1.1, 1.0), True),  # as good is not better
        ((1.0, 1.1, 0.9), False),
        ((float("nan"), float("nan")), True),
    ],
)
def test_patience_ends_two_epochs_after_the_best(scores: tuple[float, ...], over: bool) -> None:
    assert Patience(RMSE, 2).is_over(curve(*scores)) is over


def test_patience_counts_the_epochs_before_a_promotion_or_a_resume() -> None:
    patience = Patience(RMSE, 3, earlier=curve(0.9, 1.0, 1.0))
    assert not Patience(RMSE, 3).is_over(curve(1.0, first=4))
    assert patience.is_over(curve(1.0, first=4))
    assert not patience.is_over(curve(0.8, first=4))


def test_run_with_patience_ends_its_trials_after_their_best_epoch(tmp_path: Path) -> None:
    # At this rate the small model overfits within a few epochs.
    settings = run_settings(
        tmp_path, tuner="random", max_trials=1, max_epochs=30, patience=2, enqueue=["rate=3.0"]
    )
    run = recsearch.search(**settings)
    (trial,) = run.state.trials.values()
    assert trial.best_epoch is not None
    assert len(trial.curve) == trial.best_epoch + 2 < 30
    assert trial.state == "COMPLETED"
    assert run.metrics is not None
    assert run.metrics["winner"]["epochs"] == trial.best_epoch
