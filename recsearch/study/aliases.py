"""Former names of hyperparameters: old run directories contain them, and flags accept them."""

from collections.abc import Mapping
from typing import Any

CURRENT_NAMES = {"users_a_batch": "users_per_batch"}
"""Former bare name -> current bare name."""


def current_name(name: str) -> str:
    """Returns the current name of a hyperparameter, given as a bare name or as family/name."""
    family, slash, bare = name.rpartition("/")
    return f"{family}{slash}{CURRENT_NAMES.get(bare, bare)}"


def with_current_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns name -> value with the current names of the hyperparameters."""
    return {current_name(name): value for name, value in values.items()}


def with_current_name(description: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the description of a hyperparameter in run.json with its current name."""
    named = {**description, "name": current_name(description["name"])}
    if named.get("conditions"):
        named["conditions"] = [with_current_name(condition) for condition in named["conditions"]]
    return named
