"""What the report page says of quality: how sure it is, where a model fails, what it recommends.

A key that an older metrics.json lacks leaves its table empty.
"""

from collections.abc import Mapping
from typing import Any

from recsearch.report.cells import Facts, Table, cell
from recsearch.report.figures import winner_name
from recsearch.text.wording import number_text

SLICE_KINDS = {
    "user_activity": "training interactions of the user",
    "item_popularity": "popularity of the item",
    "known_user": "user in training",
    "known_item": "item in training",
}


def intervals(metrics: Mapping[str, Any]) -> Table:
    """Returns the winner's test metrics with their intervals over users, and over seeds."""
    seeds = metrics.get("seeds") or {}
    headers = ["metric", "value", "from", "to"]
    if seeds:
        headers += [f"mean of {len(seeds['metrics'])} seeds", "deviation"]
    rows = []
    for name, each in (metrics.get("intervals") or {}).items():
        row = [cell(name), cell(each["value"]), cell(each["low"]), cell(each["high"])]
        if seeds:
            row += [cell(seeds["mean"].get(name)), cell(seeds["deviation"].get(name))]
        rows.append(tuple(row))
    return Table(tuple(headers), tuple(rows))


def certainty(metrics: Mapping[str, Any]) -> Facts:
    """Returns how the winner compares with the best baseline, and how that is known."""
    found = metrics.get("comparison")
    if not found:
        return ()
    difference = found["difference"]
    if difference["low"] is None:
        return (("against the best baseline", f"no interval: {difference['note']}"),)
    text = (
        f"{number_text(difference['value'])} on {found['metric']} ({difference['level']:.0%} "
        f"interval {number_text(difference['low'])} to {number_text(difference['high'])}, p = "
        f"{number_text(found['p_value'])}): {found['answer']}"
    )
    how = (
        f"{difference['num_resamples']:,} bootstrap resamples of {difference['num_users']:,} users,"
        " the same for both"
    )
    return ((f"minus {found['baseline']}, the best baseline", text), ("by", how))


def slices(metrics: Mapping[str, Any]) -> Table:
    """Returns the objective by kinds of users and items, of the winner and of the baselines."""
    objective = metrics["objective"]["name"]
    columns = {winner_name(metrics): metrics.get("slices") or []}
    columns |= metrics.get("baseline_slices") or {}
    values = {
        who: {(each["name"], each["label"]): each["metrics"].get(objective) for each in found}
        for who, found in columns.items()
    }
    rows = tuple(
        (
            cell(SLICE_KINDS.get(each["name"], each["name"])),
            cell(each["label"]),
            cell(each["num_rows"]),
            cell(each["num_users"]),
            *(cell(values[who].get((each["name"], each["label"]))) for who in columns),
        )
        for each in metrics.get("slices") or []
    )
    return Table(("by", "group", "held-out rows", "users", *columns), rows)


def lists(metrics: Mapping[str, Any]) -> Table:
    """Returns what the ten best items of users are like, of the winner and of the baselines."""
    own = metrics.get("lists")
    if not own:
        return Table((), ())
    every = {winner_name(metrics): own, **(metrics.get("baseline_lists") or {})}
    rows = tuple((cell(who), *(cell(found.get(n)) for n in own)) for who, found in every.items())
    return Table(("recommended lists", *own), rows, 0)


def tuning(metrics: Mapping[str, Any]) -> Table:
    """Returns how each baseline was tuned on the validation part."""
    objective = metrics["objective"]["name"]
    found = metrics.get("baseline_tuning") or {}
    rows = tuple(
        (
            cell(name),
            cell(", ".join(f"{k} = {v}" for k, v in each["parameters"].items()) or "none"),
            cell(each["validation"].get(objective)),
            cell(each["note"]),
        )
        for name, each in found.items()
        if "skipped" not in each
    )
    return Table(("baseline", "parameters", f"{objective} on validation", "search"), rows)
