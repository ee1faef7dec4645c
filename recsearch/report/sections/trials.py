"""The trials of a run: the leaderboard, and the trials without a result."""

from recsearch.report.sections.cells import Cell, Table, cell, pairs_text
from recsearch.results import RunRecord
from recsearch.study.trial import Trial
from recsearch.text.wording import duration_text

MAX_ROWS = 2_000  # of the leaderboard: a browser sorts them without a pause
MAX_FAILURES = 50


def leaderboard(run: RunRecord) -> Table:
    """Returns all trials with the values of their hyperparameters, the best by validation first.

    Those without a score come last, without a rank.
    """
    ranked = run.state.ranked()
    unranked = [trial for trial in run.state.trials.values() if trial.score is None]
    shown = [*ranked, *unranked][:MAX_ROWS]
    objective = run.state.objective
    names = list(dict.fromkeys(name for trial in shown for name in trial.values))
    headers = (
        "rank", "trial", "space", objective.name if objective else "score", "state",
        "best epoch", "epochs", "time", "parameters", *names,
    )  # fmt: skip
    rows = tuple(
        (
            cell(rank if rank <= len(ranked) else None),
            cell(trial.trial_id),
            cell(trial.space),
            cell(trial.score),
            cell(trial.state.text),
            cell(trial.best_epoch),
            cell(len(trial.curve)),
            Cell(duration_text(trial.seconds), trial.seconds),
            cell(trial.num_parameters),
            *(cell(trial.values.get(name)) for name in names),
        )
        for rank, trial in enumerate(shown, 1)
    )
    return Table(headers, rows, 0 if ranked else None)


def failures(run: RunRecord) -> Table:
    """Returns the first trials that failed or were infeasible, with the reasons."""
    headers = ("trial", "space", "state", "attempts", "reason", "hyperparameters")
    rows = tuple(
        (
            cell(trial.trial_id),
            cell(trial.space),
            cell(trial.state.text),
            cell(trial.attempt),
            cell(trial.message),
            cell(pairs_text(trial.values)),
        )
        for trial in failed_trials(run)[:MAX_FAILURES]
    )
    return Table(headers, rows)


def failed_trials(run: RunRecord) -> list[Trial]:
    """Returns the trials without a result: failed, or too large to train."""
    return [trial for trial in run.state.trials.values() if trial.state.is_lost]
