import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsearch.text.printable import MESSAGE_LIMIT, printable, printable_line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text", "plain text"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("Zürich, 東京, 🎬, e\u0301", "Zürich, 東京, 🎬, e\u0301"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # noqa: RUF001  Persian letters
        ("a\udcff.csv", "a\\udcff.csv"),
        ("\x1b]0;title\x07red", "\\x1b]0;title\\x07red"),
        ("\x9b31m", "\\x9b31m"),
        ("nul\x00 return\r", "nul\\x00 return\\r"),
        ("abc\u202edcba", "abc\\u202edcba"),
        ("line\u2028separator", "line\\u2028separator"),
    ],
)
def test_text_is_escaped_only_where_it_must_be(text: str, expected: str) -> None:
    assert printable(text) == expected


@given(st.text(st.characters(), max_size=200))
def test_any_text_can_be_written_and_shown(text: str) -> None:
    safe = printable(text)
    assert json.loads(json.dumps(safe, ensure_ascii=False).encode("utf-8")) == safe
    assert all(
        character.isprintable() or character in "\n\t" or ord(character) > 127 for character in safe
    )
    assert printable(safe) == safe
    assert len(printable_line(text).splitlines()) <= 1


def test_a_long_text_keeps_its_first_and_last_line() -> None:
    text = "\n".join(["ValueError: first", *("middle" * 20 for _ in range(10_000)), "the end"])
    safe = printable(text, MESSAGE_LIMIT)
    assert len(safe) < MESSAGE_LIMIT + 100
    assert safe.startswith("ValueError: first\n")
    assert safe.endswith("\nthe end")
    assert "characters left out" in safe


def test_a_long_line_keeps_its_beginning_and_its_end() -> None:
    safe = printable("<" + "x" * 10_000 + ">", 100)
    assert safe.startswith("<xx")
    assert safe.endswith("xx>")


def test_a_text_within_the_limit_is_kept_whole() -> None:
    assert printable("y" * 100, 100) == "y" * 100
