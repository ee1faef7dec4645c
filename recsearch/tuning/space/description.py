"""Descriptions of search spaces: as text, and as JSON for run.json."""

from typing import Any

from recsearch.study.full_name import SPACE, FullName

MAX_LISTED_VALUES = 12


def describe_hyperparameter(hp: Any) -> str:
    """Returns one line about a hyperparameter: name, type, range, default, condition."""
    config = hp.get_config()
    values = [] if config.get("step", 1) is None else list(hp.values)
    if values and len(values) <= MAX_LISTED_VALUES:
        span = ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in values)
    else:
        scale = " on a log scale" if config["sampling"] == "log" else ""
        span = f"{config['min_value']:g} to {config['max_value']:g}{scale}"
    parents = [c for c in hp.conditions if c.name != SPACE]
    only = "".join(
        f"; only if {FullName.parse(c.name).bare} is {' or '.join(map(str, c.values))}"
        for c in parents
    )
    name, kind = FullName.parse(hp.name).bare, type(hp).__name__
    return f"{name:<22}{kind:<8}{span} (default {hp.default}){only}"


def describe_space(hyperparameters: Any) -> list[dict[str, Any]]:
    """Returns every hyperparameter with its range and conditions, ready for JSON."""
    return [_describe_hyperparameter(hp) for hp in hyperparameters.space]


def _describe_hyperparameter(hp: Any) -> dict[str, Any]:
    config = hp.get_config()
    return {
        "name": hp.name,
        "kind": type(hp).__name__,
        **{key: config.get(key) for key in ("min_value", "max_value", "step", "sampling")},
        "values": list(hp.values) if config.get("values") else None,
        "default": hp.default,
        "conditions": [{"name": c.name, "values": list(c.values)} for c in hp.conditions],
    }
