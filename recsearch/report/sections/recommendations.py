"""Recommendations for a few users, formatted for display."""

from dataclasses import dataclass

from recsearch.results.user_examples import ExampleItem, ExampleUser, UserExamples
from recsearch.text.wording import number_text

MOST_ITEMS = 10
"""Items of a user that are shown of each list."""


@dataclass(frozen=True)
class Item:
    """An item, formatted for display.

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
    """A user with known and recommended items.

    Attributes:
        user: The raw id as text.
        lists: (heading, items) of each list that is not empty.
    """

    user: str
    lists: tuple[tuple[str, tuple[Item, ...]], ...]


def recommendations(found: UserExamples | None, task: str | None = None) -> tuple[Example, ...]:
    """Returns the users of best/examples.json; none if there is no such file.

    Args:
        found: The content of the file.
        task: rating, implicit or click: the kind of the labels.
    """
    users = found.users if found is not None else ()
    word = "rated" if task in (None, "rating") else "label"
    return tuple(Example(str(user.user_id), _lists(user, word)) for user in users)


def _lists(user: ExampleUser, word: str) -> tuple[tuple[str, tuple[Item, ...]], ...]:
    every = {
        "Training items": user.history,
        "Recommended items": user.recommended,
        "Test items": user.held_out,
    }
    return tuple(
        (heading, tuple(_item(each, word) for each in items[:MOST_ITEMS]))
        for heading, items in every.items()
        if items
    )


def _item(each: ExampleItem, label_word: str) -> Item:
    notes = [f"id {each.item_id}"] if each.title else []
    notes += [
        f"{word} {number_text(value)}"
        for word, value in ((label_word, each.label), ("score", each.score))
        if value is not None
    ]
    return Item(str(each.title or each.item_id), ", ".join(notes), each.held_out)
