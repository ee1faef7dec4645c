"""Recommendations for a few users, as best/examples.json holds them.

The file: `{"users": [{"user_id": 7, "history": [ITEM, ...], "held_out": [ITEM, ...],
"recommended": [ITEM, ...]}, ...]}`, an ITEM being `{"item_id": 3, "title": "...", "label": 4.0,
"score": 3.8, "held_out": true}`. Of an item the `item_id` alone must be there; `held_out` marks a
recommended item that the user has in the test part. `history` is what the user has in training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recsearch.text.wording import number_text

MOST_ITEMS = 10
"""Items of a user that are shown of each list."""


@dataclass(frozen=True)
class Item:
    """An item as people read it.

    Attributes:
        text: Its title, else its id.
        note: Its rating or score, and its id beside a title; may be empty.
        is_hit: Whether it is recommended and the user has it in the test part.
    """

    text: str
    note: str
    is_hit: bool


@dataclass(frozen=True)
class Example:
    """A user: what is known of them, and what is recommended to them.

    Attributes:
        user: The raw id as text.
        lists: (heading, items), those that are not empty.
    """

    user: str
    lists: tuple[tuple[str, tuple[Item, ...]], ...]


LISTS = {
    "history": "has in training",
    "recommended": "is recommended",
    "held_out": "has in the test part",
}


def examples(found: Mapping[str, Any] | None, task: str = "rating") -> tuple[Example, ...]:
    """Returns the users of best/examples.json; none if there is no such file.

    Args:
        found: What the file holds.
        task: rating, implicit or click: what the labels are.
    """
    users: Sequence[Mapping[str, Any]] = (found or {}).get("users") or ()
    word = "rated" if task == "rating" else "label"
    return tuple(Example(str(user.get("user_id")), _lists(user, word)) for user in users)


def _lists(user: Mapping[str, Any], word: str) -> tuple[tuple[str, tuple[Item, ...]], ...]:
    shown = []
    for name, heading in LISTS.items():
        items = tuple(_item(each, word) for each in (user.get(name) or ())[:MOST_ITEMS])
        if items:
            shown.append((heading, items))
    return tuple(shown)


def _item(each: Mapping[str, Any], label_word: str) -> Item:
    title = each.get("title")
    notes = [f"id {each.get('item_id')}"] if title else []
    notes += [
        f"{word} {number_text(each[key])}"
        for key, word in (("label", label_word), ("score", "score"))
        if isinstance(each.get(key), int | float)
    ]
    text = str(title or each.get("item_id"))
    return Item(text, ", ".join(notes), bool(each.get("held_out")))
