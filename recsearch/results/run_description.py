"""run.json as typed records: settings, data, search space and machine of a run.

The shape accepts the files of all versions of the schema: keys that some version did not write may
be missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from recsearch.study.aliases import with_current_name
from recsearch.study.decision import Plan
from recsearch.study.full_name import FullName
from recsearch.study.trial import Objective, Scalar
from recsearch.text.json_shapes import (
    Mismatch,
    anything,
    count,
    kind_of,
    known_fields,
    list_of,
    map_of,
    number,
    one_of,
    optional,
    record,
    scalar,
    text,
)

RUN_SCHEMA = 1
"""The version of run.json that is written and read."""

Setting = Scalar | list[Scalar] | None
"""A value of `config` in run.json."""


def _iso_time(value: Any) -> None:
    text(value)
    try:
        datetime.fromisoformat(value).timestamp()
    except (ValueError, OverflowError, OSError):
        raise Mismatch("a time such as 2026-01-01T12:00:00+00:00", "another text") from None


def _setting(value: Any) -> None:
    if isinstance(value, list):
        list_of(scalar)(value)
    else:
        optional(scalar)(value)


_HYPERPARAMETER = record(
    {"name": text},
    {
        "kind": text,
        **dict.fromkeys(("min_value", "max_value", "step"), optional(number)),
        "sampling": optional(text),
        "values": optional(list_of(scalar)),
        "default": optional(scalar),
        "conditions": optional(list_of(record({"name": text, "values": list_of(scalar)}))),
    },
)
_DATA = record(
    {},
    {
        **dict.fromkeys(("fingerprint", "task", "split"), text),
        **dict.fromkeys(("num_interactions", "num_users", "num_items"), count),
        **dict.fromkeys(("train", "validation", "test"), count),
        **dict.fromkeys(("label_mean", "label_min", "label_max"), optional(number)),
        "path": optional(text),
        "columns": optional(map_of(anything)),
        "features": optional(list_of(text)),
        "notes": list_of(text),
    },
)
OBJECTIVE = record({"name": text, "direction": one_of(("min", "max"))})
_RUN = record(
    {},
    {
        "created": _iso_time,
        "command": list_of(text),
        "config": map_of(_setting),
        "versions": optional(map_of(text)),
        "machine": optional(
            record(
                {},
                {"cores": count, "memory_gb": optional(number), "platform": text, "host": text},
            )
        ),
        "data": _DATA,
        "space": list_of(_HYPERPARAMETER),
        "builders": map_of(optional(text)),
        "plan": record({"configurations": count, "epochs": count, "lines": list_of(text)}),
        "objective": OBJECTIVE,
        "validation_protocol": text,
    },
)


@dataclass(frozen=True)
class Condition:
    """A hyperparameter exists only if another one, under its full name, has one of the values."""

    name: str
    values: tuple[Scalar, ...]

    @property
    def bare(self) -> str:
        """The name of the other hyperparameter without its family."""
        return FullName.parse(self.name).bare


@dataclass(frozen=True)
class Hyperparameter:
    """A hyperparameter of the search space.

    Attributes:
        name: Full name, `family/name`; "space" is the choice of the family.
        kind: Keras Tuner's type: Int, Float, Choice, Boolean or Fixed.
        min_value: The lowest value of a range, or None.
        max_value: The highest value of a range, or None.
        step: The step of a range, or None.
        sampling: "linear" or "log" for a range.
        values: The values of a choice; empty for a range.
        default: The default value.
        conditions: All must hold for the hyperparameter to exist.
    """

    name: str
    kind: str = ""
    min_value: float | None = None
    max_value: float | None = None
    step: float | None = None
    sampling: str | None = None
    values: tuple[Scalar, ...] = ()
    default: Scalar | None = None
    conditions: tuple[Condition, ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Hyperparameter":
        """Returns the hyperparameter that an entry of `space` describes.

        Raises:
            Mismatch: If the entry does not have the expected shape.
        """
        _HYPERPARAMETER(value)
        conditions = value.get("conditions") or ()
        return cls(
            **{
                **known_fields(cls, value),
                "values": tuple(value.get("values") or ()),
                "conditions": tuple(Condition(c["name"], tuple(c["values"])) for c in conditions),
            }
        )

    @property
    def family(self) -> str:
        """The family; empty for the choice of the family."""
        return FullName.parse(self.name).family

    @property
    def bare(self) -> str:
        """The name without the family; "space" for the choice of the family."""
        return FullName.parse(self.name).bare


@dataclass(frozen=True)
class Machine:
    """The machine that a run was started on."""

    cores: int | None = None
    memory_gb: float | None = None
    platform: str | None = None
    host: str | None = None


@dataclass(frozen=True)
class DataDescription:
    """The data of a run and how they were split.

    Attributes:
        path: The file, or None for generated data.
        fingerprint: Identifies the content.
        task: "rating", "implicit" or "click".
        num_interactions: Over all parts.
        num_users: Users in the training part.
        num_items: Items in the training part.
        label_mean: Mean label of the training part; None for data without labels.
        label_min: The lowest label.
        label_max: The highest label.
        columns: Role -> name of the column.
        features: Names of the feature columns.
        notes: Remarks about the data.
        split: How the parts were made, in words.
        train: Number of interactions in the training part.
        validation: Number of interactions in the validation part.
        test: Number of interactions in the test part.
    """

    path: str | None = None
    fingerprint: str | None = None
    task: str | None = None
    num_interactions: int | None = None
    num_users: int | None = None
    num_items: int | None = None
    label_mean: float | None = None
    label_min: float | None = None
    label_max: float | None = None
    columns: Mapping[str, object] = field(default_factory=dict)
    features: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    split: str | None = None
    train: int | None = None
    validation: int | None = None
    test: int | None = None


@dataclass(frozen=True)
class RunDescription:
    """run.json.

    Attributes:
        json: Everything that the file contains.
        created: When the run was started, in ISO 8601, or None.
        command: The words of the command line, or one call of the Python interface.
        config: Name of a setting -> value.
        versions: Package -> version.
        machine: The machine that the run was started on.
        data: The data.
        space: The hyperparameters.
        builders: Family -> fingerprint of its source, where known.
        plan: The size of the search as planned, or None.
        objective: The metric that the search optimises, or None.
        validation_protocol: How an epoch is measured, in words, or None.
    """

    json: Mapping[str, Any] = field(default_factory=dict, repr=False)
    created: str | None = None
    command: tuple[str, ...] = ()
    config: Mapping[str, Setting] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: Machine = Machine()
    data: DataDescription = DataDescription()
    space: tuple[Hyperparameter, ...] = ()
    builders: Mapping[str, str | None] = field(default_factory=dict)
    plan: Plan | None = None
    objective: Objective | None = None
    validation_protocol: str | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "RunDescription":
        """Returns the description that run.json contains.

        Raises:
            Mismatch: If the value has another schema version or does not have the expected shape.
        """
        require_schema(value.get("schema"), RUN_SCHEMA)
        _RUN(value)
        space = [with_current_name(entry) for entry in value.get("space", ())]
        value = {**value, "space": space} if space else value
        data, plan = value.get("data", {}), value.get("plan")
        lists = {name: tuple(data.get(name) or ()) for name in ("features", "notes")}
        typed = {
            "json": value,
            "command": tuple(value.get("command", ())),
            "machine": Machine(**known_fields(Machine, value.get("machine") or {})),
            "data": DataDescription(**{**known_fields(DataDescription, data), **lists}),
            "space": tuple(map(Hyperparameter.from_json, space)),
            "objective": Objective.from_json(value["objective"]) if "objective" in value else None,
            "plan": None
            if plan is None
            else Plan(plan["configurations"], plan["epochs"], tuple(plan["lines"])),
        }
        return cls(**{**known_fields(cls, value), **typed})


def require_schema(schema: Any, expected: int) -> None:
    """Refuses a file of another schema version.

    Raises:
        Mismatch: If `schema` is not the expected number.
    """
    if isinstance(schema, bool) or schema != expected:
        received = schema if isinstance(schema, int | None) else kind_of(schema)
        raise Mismatch(
            f"schema {expected}", f"{received}. It was written by another version of recsearch"
        )
