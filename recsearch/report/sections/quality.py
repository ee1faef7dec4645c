"""The quality of the winner: intervals, groups of users and items, recommended lists, baselines.

If an older metrics.json lacks a key, the table is empty.
"""

from recsearch.report.sections.cells import Facts, Table, cell
from recsearch.results.run_metrics import RunMetrics
from recsearch.text.wording import number_text

SLICE_KINDS = {
    "user_activity": "training interactions of the user",
    "item_popularity": "popularity of the item",
    "known_user": "user in training",
    "known_item": "item in training",
}


def interval_table(metrics: RunMetrics) -> Table:
    """Returns the winner's test metrics with their intervals over users, and over seeds."""
    seeds = metrics.seeds
    headers = ["metric", "value", "low (95 %)", "high (95 %)"]
    if seeds:
        headers += [f"mean of {len(seeds.metrics)} seeds", "standard deviation"]
    rows = []
    for name, each in metrics.intervals.items():
        row = [cell(name), cell(each.value), cell(each.low), cell(each.high)]
        if seeds:
            row += [cell(seeds.mean.get(name)), cell(seeds.deviation.get(name))]
        rows.append(tuple(row))
    return Table(tuple(headers), tuple(rows))


def certainty(metrics: RunMetrics) -> Facts:
    """Returns how the winner compares with the best baseline, and how this was computed."""
    found = metrics.comparison
    if found is None:
        return ()
    difference = found.difference
    if difference.low is None:
        return (("against the best baseline", f"no interval: {difference.note}"),)
    text = (
        f"{number_text(difference.value)} on {found.metric} ({difference.level:.0%} "
        f"interval {number_text(difference.low)} to {number_text(difference.high)}, p = "
        f"{number_text(found.p_value)}): {found.answer}"
    )
    how = (
        f"{difference.num_resamples:,} bootstrap resamples of {difference.num_users:,} users, the "
        "same for the winner and the baseline"
    )
    return ((f"difference from {found.baseline}, the best baseline", text), ("method", how))


def slice_table(metrics: RunMetrics) -> Table:
    """Returns the objective by group of users and items, of the winner and of the baselines."""
    objective = metrics.objective.name
    columns = {metrics.winner.title: metrics.slices, **metrics.baseline_slices}
    values = {
        contender: {(each.name, each.label): each.metrics.get(objective) for each in found}
        for contender, found in columns.items()
    }
    rows = tuple(
        (
            cell(SLICE_KINDS.get(each.name, each.name)),
            cell(each.label),
            cell(each.num_rows),
            cell(each.num_users),
            *(cell(found.get((each.name, each.label))) for found in values.values()),
        )
        for each in metrics.slices
    )
    return Table(("grouped by", "group", "held-out rows", "users", *columns), rows)


def list_table(metrics: RunMetrics) -> Table:
    """Returns the metrics of the users' ten best items, of the winner and of the baselines."""
    own = metrics.lists
    if not own:
        return Table((), ())
    every = {metrics.winner.title: own, **metrics.baseline_lists}
    rows = tuple((cell(name), *(cell(found.get(n)) for n in own)) for name, found in every.items())
    return Table(("recommended lists", *own), rows, 0)


def tuning_table(metrics: RunMetrics) -> Table:
    """Returns how each baseline was tuned on the validation part."""
    objective = metrics.objective.name
    rows = tuple(
        (
            cell(name),
            cell(", ".join(f"{k} = {v}" for k, v in each.parameters.items()) or "none"),
            cell(each.validation.get(objective)),
            cell(each.note),
        )
        for name, each in metrics.baseline_tuning.items()
        if each.skipped is None
    )
    return Table(("baseline", "parameters", f"{objective} on validation", "search"), rows)
