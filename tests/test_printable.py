import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsearch.printable import printable, printable_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü 漢 😀", "plain ü 漢 😀"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("file \udcff.py", "file \\udcff.py"),
        ("a\x00b\x9bc", "a\\x00b\\x9bc"),
        ("abc\u202efdp", "abc\\u202efdp"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
    ],
)
def test_unsafe_characters_become_their_escapes(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_printable_line_has_one_line() -> None:
    assert printable_line("two\nlines\r") == "two\\nlines\\r"


def test_middle_of_a_long_text_is_left_out() -> None:
    shown = printable("first " + "x" * 10_000 + " last", limit=100)
    assert len(shown) <= 100
    assert shown.startswith("first x")
    assert shown.endswith("x last")


@given(st.text(st.characters(exclude_categories=()), max_size=50))
def test_every_text_can_be_written_and_does_not_steer_a_terminal(text: str) -> None:
    shown = printable_line(text)
    shown.encode()
    assert shown.isprintable() or not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in shown)
