"""The tables of a comparison of runs."""

import html
from collections.abc import Callable
from typing import TYPE_CHECKING

from recsearch.report.sections.cells import Cell, Table, cell
from recsearch.results import ComparedRuns, Entry
from recsearch.results.run_metrics import RunMetrics
from recsearch.text.printable import printable_line
from recsearch.text.text_table import text_table
from recsearch.text.wording import duration_text, number_text, value_text

if TYPE_CHECKING:
    import pandas as pd

SHARES = (0.25, 0.5, 0.75, 1.0)
"""Fractions of the shortest search's duration at which the best score so far is shown."""


def comparison_tables(found: ComparedRuns) -> dict[str, Table]:
    """Returns the tables by their titles, without those that have no rows."""
    tables = {
        "Best on validation at equal time": _equal_time(found),
        "On the test part": _tested(found),
        "Winners": _winners(found),
        "Cost": _cost(found),
    }
    return {title: table for title, table in tables.items() if table.rows}


def comparison_text(found: ComparedRuns) -> str:
    """Returns the differences and the tables for a terminal."""
    parts = [f"! {printable_line(difference)}" for difference in found.differences]
    parts += [f"{title}\n{_as_text(table)}" for title, table in comparison_tables(found).items()]
    return "\n\n".join(parts)


def comparison_html(found: ComparedRuns) -> str:
    """Returns the differences and the tables for a notebook; texts are escaped."""
    parts = [f"<p>{html.escape(difference)}</p>" for difference in found.differences]
    parts += [_as_html(title, table) for title, table in comparison_tables(found).items()]
    return "".join(parts)


def _equal_time(found: ComparedRuns) -> Table:
    """Returns the best score so far at shares of the time of the shortest search."""
    equal = found.equal_seconds
    if equal is None or found.objective is None:
        return Table((), ())
    headers = ("run", *(f"after {duration_text(share * equal)}" for share in SHARES), "at its end")
    rows = tuple(
        (
            cell(entry.name),
            *(cell(entry.best_at(share * equal)) for share in SHARES),
            cell(entry.best_so_far[-1][1]),
        )
        for entry in found.entries
    )
    return Table(headers, rows, _best_row(found, lambda entry: entry.best_at(equal)))


def _tested(found: ComparedRuns) -> Table:
    """Returns the test metrics of the runs that have ended, with the best baseline of each."""
    ended = [(entry.name, entry.run.tested) for entry in found.entries if entry.run.tested]
    names = list(dict.fromkeys(name for _, metrics in ended for name in metrics.test))
    rows = tuple(
        (
            cell(run),
            *(cell(metrics.test.get(name)) for name in names),
            cell(_best_baseline(metrics)),
        )
        for run, metrics in ended
    )
    highlighted = None
    if found.objective is not None and len(ended) == len(found.entries):
        highlighted = _best_row(found, _test_score)
    return Table(("run", *names, "best baseline"), rows, highlighted)


def _test_score(entry: Entry) -> float | None:
    metrics, objective = entry.run.tested, entry.run.state.objective
    return metrics.test.get(objective.name) if metrics and objective else None


def _best_row(found: ComparedRuns, score: Callable[[Entry], float | None]) -> int | None:
    """Returns the number of the best run; None where several are as good, or data differ."""
    if found.objective is None or len({entry.data for entry in found.entries}) > 1:
        return None
    keys = [found.objective.sort_key(score(entry)) for entry in found.entries]
    return keys.index(min(keys)) if keys.count(min(keys)) == 1 else None


def _best_baseline(metrics: RunMetrics) -> str | None:
    objective = metrics.objective
    scores = {name: found.get(objective.name) for name, found in metrics.compared.items()}
    values = {name: score for name, score in scores.items() if score is not None}
    if not values:
        return None
    best = min(values, key=lambda name: objective.sort_key(values[name]))
    return f"{best}: {objective.name} {number_text(values[best])}"


def _winners(found: ComparedRuns) -> Table:
    """Returns the best trial of each run by validation."""
    rows = []
    for entry in found.entries:
        best = entry.run.best()
        if best is not None:
            values = ", ".join(f"{k} = {value_text(v)}" for k, v in best.values.items())
            texts = (entry.name, best.space, f"trial {best.trial_id}", values or "none")
            rows.append((*map(cell, texts), cell(best.best_epoch), cell(best.num_parameters)))
    headers = ("run", "space", "trial", "hyperparameters", "best epoch", "parameters")
    return Table(headers, tuple(rows))


def _cost(found: ComparedRuns) -> Table:
    """Returns the durations of the runs, and the sizes of their exports."""
    rows = []
    for entry in found.entries:
        run = entry.run
        stages = sum(run.tested.seconds.values()) or None if run.tested else None
        size = run.tested.export.bytes if run.tested else None
        rows.append(
            (
                cell(entry.name),
                cell(run.description.config.get("tuner")),
                cell(len(run.state.trials)),
                cell(run.state.history.num_epochs),
                Cell(duration_text(entry.seconds), entry.seconds),
                Cell(duration_text(stages), stages),
                cell(None if size is None else round(size / 2**20, 1)),
            )
        )
    headers = ("run", "tuner", "trials", "epochs", "search", "end stages", "export in MiB")
    return Table(headers, tuple(rows))


def _as_text(table: Table) -> str:
    """Returns a table for a terminal."""
    return text_table(_frame(table))


def _as_html(title: str, table: Table) -> str:
    """Returns a table for a notebook, below its title; texts are escaped."""
    return f"<h4>{html.escape(title)}</h4>{_frame(table).to_html(escape=True, index=False)}"


def _frame(table: Table) -> "pd.DataFrame":
    import pandas as pd

    rows = [[each.text for each in row] for row in table.rows]
    return pd.DataFrame(rows, columns=list(table.headers), dtype="object")
