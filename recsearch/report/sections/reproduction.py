"""The data of a run, and everything that is needed to run it again."""

import shlex
from typing import Any

from recsearch.report.sections.cells import Facts, known_facts, pairs_text, words
from recsearch.results.run_description import DataDescription, Machine, RunDescription
from recsearch.text.wording import number_text


def command(described: RunDescription) -> str:
    """Returns the command line as it can be typed again, or the call of the Python interface."""
    only_a_call = len(described.command) == 1
    return described.command[0] if only_a_call else shlex.join(described.command)


def settings(described: RunDescription) -> Facts:
    """Returns every setting that has a value, in the form in which it is typed."""
    pairs = described.config.items()
    return tuple((words(k), _typed(v)) for k, v in pairs if v is not None and v != [])


def _typed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def data(described: RunDescription) -> Facts:
    """Returns facts about the data and their split; unset values are left out."""
    known = described.data
    facts = {
        "file": known.path or "built-in generated data (no --data was given)",
        "task": known.task,
        "interactions": known.num_interactions,
        "users in training": known.num_users,
        "items in training": known.num_items,
        "label": _label_text(known),
        "columns": pairs_text(known.columns),
        "features": ", ".join(known.features),
        "split": known.split,
        "train": known.train,
        "validation": known.validation,
        "test": known.test,
        "validation is measured on": described.validation_protocol,
    }
    return known_facts(facts)


def _label_text(known: DataDescription) -> str:
    if known.label_mean is None:
        return ""
    low, high = number_text(known.label_min), number_text(known.label_max)
    return f"{low} to {high}, mean {number_text(known.label_mean)}"


def reproduction(described: RunDescription) -> Facts:
    """Returns the seed, the data, the versions and the machine of a run."""
    facts = {
        "started": described.created,
        "seed": _typed(described.config.get("seed", "")),
        "data fingerprint": described.data.fingerprint,
        "versions": pairs_text(described.versions, " "),
        "machine": _machine_text(described.machine),
    }
    return known_facts(facts)


def _machine_text(machine: Machine) -> str:
    if machine == Machine():
        return ""
    memory = number_text(machine.memory_gb)
    return f"{machine.cores} cores, {memory} GB of memory, {machine.platform}"
