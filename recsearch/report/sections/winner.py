"""The verdict of a run: its status, the test metrics, and how the winner was chosen."""

from recsearch.report.sections.cells import Facts, Table, any_text, cell, pairs_text, words
from recsearch.results import RunRecord
from recsearch.results.run_metrics import ExportFacts, Measured, RunMetrics, Winner
from recsearch.study.wording import count_text
from recsearch.text.wording import duration_text, number_text


def verdict_text(run: RunRecord) -> str:
    """Returns the result of the run so far, in words."""
    if run.tested is not None:
        return run.tested.verdict
    best, objective = run.best(), run.state.objective
    found = "No trial has a score so far."
    if best is not None and objective is not None:
        found = (
            f"So far trial {best.trial_id} ({best.space}) is best on the validation part, with "
            f"{objective.name} {number_text(best.score)}."
        )
    return f"The run has not ended: nothing has been measured on the test part yet. {found}"


def status(run: RunRecord) -> str:
    """Returns the number of trials in each state, and the duration of the search."""
    count = count_text(run.state.trials.values())
    return f"{count}; search time {duration_text(run.state.seconds)}"


def results(metrics: RunMetrics) -> Table:
    """Returns the test metrics of the winner and of the baselines, the best first."""
    objective, winner = metrics.objective, metrics.winner.title
    entries = {winner: metrics.test, **metrics.compared}
    order = sorted(entries, key=lambda name: objective.sort_key(entries[name].get(objective.name)))
    names = [objective.name, *(name for name in metrics.test if name != objective.name)]
    rows = tuple((cell(each), *(cell(entries[each].get(name)) for name in names)) for each in order)
    better = "lower" if objective.direction == "min" else "higher"
    headers = ("model", f"{objective.name} ({better} is better)", *names[1:])
    return Table(headers, rows, order.index(winner))


def skipped(metrics: RunMetrics) -> Facts:
    """Returns the baselines that could not be fitted, with the reasons."""
    reasons = ((name, each.skipped) for name, each in metrics.baselines.items())
    return tuple((name, reason) for name, reason in reasons if reason is not None)


def protocol(metrics: RunMetrics) -> Facts:
    """Returns how the winner was chosen, measured and exported."""
    looks = metrics.test_looks
    how_often = "1" if looks == 1 else f"{looks}, so the test metrics may be optimistic"
    facts = [(words(name), any_text(value)) for name, value in metrics.protocol.items()]
    facts.append(("evaluations on the test part", how_often))
    facts.append(("winner on validation", _metrics_text(metrics.validation)))
    facts.append(("winner", _winner_text(metrics.winner)))
    if metrics.export.verified:
        facts.append(("export", _export_text(metrics.export)))
    return tuple(facts)


def _metrics_text(values: Measured) -> str:
    measured = {k: v for k, v in values.items() if not k.startswith("train_")}
    chosen = ", ".join(f"{name} {number_text(value)}" for name, value in measured.items())
    return f"{chosen} (the winner was chosen by these metrics, so they are optimistic)"


def _winner_text(winner: Winner) -> str:
    epochs = winner.epochs
    return (
        f"{winner.space} with {pairs_text(winner.hyperparameters) or 'no hyperparameters'}; "
        f"{epochs} epoch{'' if epochs == 1 else 's'}; {number_text(winner.num_parameters)} "
        "parameters"
    )


def _export_text(export: ExportFacts) -> str:
    difference = number_text(export.max_difference)
    return f"verified in a fresh process (largest difference {difference})"
