"""What the report page says: facts and tables as plain text, taken from the records of a run."""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from recsearch.report.cells import Cell, Facts, Table, cell
from recsearch.report.figures import winner_name
from recsearch.results import RunRecord
from recsearch.study.full_name import SPACE, FullName
from recsearch.study.trial import Objective, Trial, TrialState
from recsearch.study.wording import count_text
from recsearch.text.wording import duration_text, number_text

MAX_ROWS = 2_000  # of the leaderboard: a browser sorts them without a pause
MAX_FAILURES = 50


def verdict(run: RunRecord) -> str:
    """Returns in words what the run found, as far as it has come."""
    if run.metrics is not None:
        return str(run.metrics["verdict"])
    best, objective = run.best(), run.state.objective
    found = "No trial has a score so far."
    if best is not None and objective is not None:
        found = (
            f"So far trial {best.trial_id} ({best.space}) is best on the validation part, with "
            f"{objective.name} {number_text(best.score)}."
        )
    return f"The run has not ended: nothing was measured on the test part yet. {found}"


def status(run: RunRecord) -> str:
    """Returns how many trials stand where, and how long the run was worked on."""
    count = count_text(run.state.trials.values())
    return f"{count}; {duration_text(run.state.seconds)} of work"


def results(metrics: Mapping[str, Any]) -> Table:
    """Returns the test metrics of the winner and of the baselines, the best first."""
    objective = Objective.from_json(metrics["objective"])
    winner = winner_name(metrics)
    entries = {winner: metrics["test"], **_compared(metrics)}
    order = sorted(entries, key=lambda name: objective.sort_key(entries[name].get(objective.name)))
    names = [objective.name, *(name for name in metrics["test"] if name != objective.name)]
    rows = tuple((cell(who), *(cell(entries[who].get(name)) for name in names)) for who in order)
    better = "lower" if objective.direction == "min" else "higher"
    headers = ("on the test part", f"{objective.name} ({better} is better)", *names[1:])
    return Table(headers, rows, order.index(winner))


def _compared(metrics: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    baselines: Mapping[str, Mapping[str, Any]] = metrics.get("baselines", {})
    return {name: entry for name, entry in baselines.items() if "skipped" not in entry}


def skipped(metrics: Mapping[str, Any]) -> Facts:
    """Returns the baselines that could not be fitted, with the reasons."""
    baselines = metrics.get("baselines", {})
    return tuple((name, str(e["skipped"])) for name, e in baselines.items() if "skipped" in e)


def protocol(metrics: Mapping[str, Any]) -> Facts:
    """Returns how the winner was chosen, measured and exported."""
    looks, export = metrics.get("test_looks", 1), metrics.get("export", {})
    told = "once" if looks == 1 else f"{looks} times, so that the numbers may flatter the winner"
    facts = [(_words(name), _text(value)) for name, value in metrics.get("protocol", {}).items()]
    facts.append(("looks at the test part", told))
    facts.append(("winner on validation", _metrics_text(metrics.get("validation", {}))))
    facts.append(("winner", _winner_text(metrics.get("winner", {}))))
    if export.get("verified"):
        facts.append(("export", _export_text(export)))
    return tuple(facts)


def _metrics_text(values: Mapping[str, float | None]) -> str:
    measured = {k: v for k, v in values.items() if not k.startswith("train_")}
    chosen = ", ".join(f"{name} {number_text(value)}" for name, value in measured.items())
    return f"{chosen} (it was chosen by these, so they flatter it)"


def _winner_text(winner: Mapping[str, Any]) -> str:
    values = ", ".join(f"{k} = {_text(v)}" for k, v in winner.get("hyperparameters", {}).items())
    epochs = winner.get("epochs")
    return (
        f"{winner.get('space')} with {values or 'no hyperparameters'}; {epochs} "
        f"epoch{'' if epochs == 1 else 's'}; {number_text(winner.get('num_parameters'))} parameters"
    )


def _export_text(export: Mapping[str, Any]) -> str:
    difference = number_text(export.get("max_difference"))
    return f"verified in a fresh process (largest difference {difference})"


def command(config: Mapping[str, Any]) -> str:
    """Returns the command line as it can be typed again, or the call of the Python interface."""
    words = [str(word) for word in config.get("command", ())]
    return words[0] if len(words) == 1 else shlex.join(words)


def settings(config: Mapping[str, Any]) -> Facts:
    """Returns every setting that has a value, as it would be typed."""
    pairs = config.get("config", {}).items()
    return tuple((_words(k), _typed(v)) for k, v in pairs if v is not None and v != [])


def _typed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def data(config: Mapping[str, Any]) -> Facts:
    """Returns what the data are and how they were split; unset values are left out."""
    described = config.get("data", {})
    made = {
        "file": described.get("path") or "generated data (none was given)",
        "task": described.get("task"),
        "interactions": described.get("num_interactions"),
        "users in training": described.get("num_users"),
        "items in training": described.get("num_items"),
        "label": _label_text(described),
        "columns": _pairs_text(described.get("columns")),
        "features": ", ".join(described.get("features") or ()),
        "split": described.get("split"),
        "train": described.get("train"),
        "validation": described.get("validation"),
        "test": described.get("test"),
        "validation is measured on": config.get("validation_protocol"),
    }
    return tuple((name, _text(value)) for name, value in made.items() if value not in (None, ""))


def _label_text(described: Mapping[str, Any]) -> str:
    if described.get("label_mean") is None:
        return ""
    low, high = number_text(described.get("label_min")), number_text(described.get("label_max"))
    return f"{low} to {high}, mean {number_text(described['label_mean'])}"


def leaderboard(run: RunRecord) -> Table:
    """Returns all trials with the values of their hyperparameters, the best by validation first.

    Those without a score come last, without a rank.
    """
    ranked = run.state.ranked()
    unranked = [trial for trial in run.state.trials.values() if trial.score is None]
    shown = [*ranked, *unranked][:MAX_ROWS]
    objective = run.state.objective
    names = _hyperparameter_names(shown)
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
            cell(_words(trial.state.lower())),
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
            cell(trial.state.lower()),
            cell(trial.attempt),
            cell(trial.message),
            cell(_pairs_text(trial.values)),
        )
        for trial in failed_trials(run)[:MAX_FAILURES]
    )
    return Table(headers, rows)


def failed_trials(run: RunRecord) -> list[Trial]:
    """Returns the trials without a result: failed, or too large to train."""
    without = (TrialState.FAILED, TrialState.INFEASIBLE)
    return [trial for trial in run.state.trials.values() if trial.state in without]


def space(run: RunRecord) -> Table:
    """Returns the hyperparameters with their ranges, conditions and the best trial's values."""
    best = run.best()
    rows = []
    for each in run.config.get("space", ()):
        family, name = FullName.parse(str(each["name"]))
        if name != SPACE:
            own = best.values.get(name) if best is not None and best.space == family else None
            texts = (family, name, _range_text(each), _text(each.get("default")))
            rows.append((*map(cell, texts), cell(_conditions_text(each)), cell(own)))
    headers = ("space", "hyperparameter", "values", "default", "only if", "in the best trial")
    return Table(headers, tuple(rows))


def _range_text(each: Mapping[str, Any]) -> str:
    if each.get("values"):
        return ", ".join(map(_text, each["values"]))
    if each.get("kind") == "Boolean":
        return "True, False"
    if each.get("min_value") is None or each.get("max_value") is None:
        return f"always {_text(each.get('default'))}"
    sampling = each.get("sampling") or "linear"
    step = f", step {_text(each['step'])}" if each.get("step") not in (None, 1) else ""
    return f"{_text(each['min_value'])} to {_text(each['max_value'])}, {sampling}{step}"


def _conditions_text(each: Mapping[str, Any]) -> str:
    """Returns the conditions, but for the one that the family was chosen."""
    own = [c for c in each.get("conditions") or () if c["name"] != SPACE]
    return " and ".join(
        f"{FullName.parse(c['name']).bare} is {' or '.join(map(_text, c['values']))}" for c in own
    )


def reproduction(config: Mapping[str, Any]) -> Facts:
    """Returns what is needed to run it again, and where it ran."""
    made = {
        "started": config.get("created"),
        "seed": _typed(config.get("config", {}).get("seed", "")),
        "data fingerprint": config.get("data", {}).get("fingerprint"),
        "versions": _pairs_text(config.get("versions"), " "),
        "machine": _machine_text(config.get("machine")),
    }
    return tuple((name, _text(value)) for name, value in made.items() if value not in (None, ""))


def _machine_text(machine: Mapping[str, Any] | None) -> str:
    if not machine:
        return ""
    memory = number_text(machine.get("memory_gb"))
    return f"{machine.get('cores')} cores, {memory} GB of memory, {machine.get('platform')}"


def _hyperparameter_names(trials: Iterable[Trial]) -> list[str]:
    return list(dict.fromkeys(name for trial in trials for name in trial.values))


def _pairs_text(pairs: Mapping[str, Any] | None, sign: str = " = ") -> str:
    return ", ".join(f"{k}{sign}{_text(v)}" for k, v in (pairs or {}).items())


def _words(name: str) -> str:
    return name.replace("_", " ")


def _text(value: Any) -> str:
    """Returns a value of a JSON file for people."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return "-" if value is None else str(value)
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, Sequence):
        return ", ".join(map(_text, value))
    return json.dumps(value, ensure_ascii=False)
