"""The search space of a run: ranges, conditions, and the values of the best trial."""

from recsearch.report.sections.cells import Table, any_text, cell
from recsearch.results import RunRecord
from recsearch.results.run_description import Hyperparameter
from recsearch.study.full_name import SPACE


def space(run: RunRecord) -> Table:
    """Returns the hyperparameters with their ranges, conditions and the best trial's values."""
    best = run.best()
    rows = []
    for each in run.description.space:
        if each.family:
            is_own = best is not None and best.space == each.family
            own = best.values.get(each.bare) if best is not None and is_own else None
            texts = (each.family, each.bare, _range_text(each), any_text(each.default))
            rows.append((*map(cell, texts), cell(_conditions_text(each)), cell(own)))
    headers = ("space", "hyperparameter", "values", "default", "only if", "in the best trial")
    return Table(headers, tuple(rows))


def _range_text(each: Hyperparameter) -> str:
    if each.values:
        return ", ".join(map(any_text, each.values))
    if each.kind == "Boolean":
        return "True, False"
    if each.min_value is None or each.max_value is None:
        return f"always {any_text(each.default)}"
    step = f", step {any_text(each.step)}" if each.step not in (None, 1) else ""
    span = f"{any_text(each.min_value)} to {any_text(each.max_value)}"
    return f"{span}, {each.sampling or 'linear'}{step}"


def _conditions_text(each: Hyperparameter) -> str:
    """Returns the conditions, except the one on the family."""
    own = [condition for condition in each.conditions if condition.name != SPACE]
    return " and ".join(f"{c.bare} is {' or '.join(map(any_text, c.values))}" for c in own)
