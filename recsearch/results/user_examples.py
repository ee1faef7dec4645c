"""best/examples.json as typed records: recommendations for a few users.

The file: `{"users": [{"user_id": 7, "history": [ITEM, ...], "held_out": [ITEM, ...],
"recommended": [ITEM, ...]}, ...]}`, an ITEM being `{"item_id": 3, "title": "...", "label": 4.0,
"score": 3.8, "held_out": true}`. An item needs only the `item_id`; `held_out` marks a recommended
item that the user has in the test part. `history` is what the user has in the training part.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recsearch.study.trial import Scalar
from recsearch.text.json_shapes import (
    boolean,
    known_fields,
    list_of,
    number,
    optional,
    record,
    scalar,
)

_ITEMS = optional(
    list_of(
        record(
            {},
            {
                "item_id": optional(scalar),
                "title": optional(scalar),
                "label": optional(number),
                "score": optional(number),
                "held_out": optional(boolean),
            },
        )
    )
)
_EXAMPLES = record(
    {},
    {
        "users": optional(
            list_of(
                record(
                    {},
                    {
                        "user_id": optional(scalar),
                        **dict.fromkeys(("history", "recommended", "held_out"), _ITEMS),
                    },
                )
            )
        )
    },
)


@dataclass(frozen=True)
class ExampleItem:
    """An item of a user, or one that is recommended to the user."""

    item_id: Scalar | None = None
    title: Scalar | None = None
    label: float | None = None
    score: float | None = None
    held_out: bool = False


@dataclass(frozen=True)
class ExampleUser:
    """A user with the items of each list."""

    user_id: Scalar | None = None
    history: tuple[ExampleItem, ...] = ()
    recommended: tuple[ExampleItem, ...] = ()
    held_out: tuple[ExampleItem, ...] = ()


@dataclass(frozen=True)
class UserExamples:
    """best/examples.json.

    Attributes:
        users: The users.
        json: Everything that the file contains.
    """

    users: tuple[ExampleUser, ...] = ()
    json: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "UserExamples":
        """Returns the examples that examples.json contains.

        Raises:
            Mismatch: If the value does not have the expected shape.
        """
        _EXAMPLES(value)
        return cls(tuple(map(_user, value.get("users") or ())), value)


def _user(value: Mapping[str, Any]) -> ExampleUser:
    lists = {name: _items(value.get(name)) for name in ("history", "recommended", "held_out")}
    return ExampleUser(value.get("user_id"), **lists)


def _items(values: list[dict[str, Any]] | None) -> tuple[ExampleItem, ...]:
    return tuple(ExampleItem(**known_fields(ExampleItem, each)) for each in values or ())
