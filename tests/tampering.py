"""One fault at a time in the JSON files of a run, drawn by a number: the same number, the same one.

A fault is a wrong type, a missing or added key, a value out of any range, a text that a terminal
would obey or that has no encoding, nesting, or damage of the bytes.
"""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

FILES = ("run.json", "journal.jsonl", "best/metrics.json", "best/examples.json")
LEVELS = 100_000

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 5, 7.5, -0.25, 1e-300, 1e17, 1e300, -1e300, 2**31, 2**53 + 1,
    2**63, -(2**63) - 1, 10**400, "", "x", "Infinity", "nan", "0000", "9" * 12, "\x00", "\ud800",
    "\x1b]0;title\x07\x1b[31mred", "a\nb\u2028c", "{{ 7 * 7 }}<script>", "../../x", "z" * 200_000,
    [], {}, [[]], [None], ["x", 3], [{"a": 1}], {"": None}, {"a": {"b": []}}, [1] * 20_000,
)  # fmt: skip
TOKENS = (
    "Infinity",
    "-Infinity",
    "NaN",
    "1e999",
    "9" * 5_000,
    "[" * LEVELS + "]" * LEVELS,
    '{"a":' * LEVELS + "1" + "}" * LEVELS,
    "[" * 300 + "]" * 300,
    '{"a": 1, "a": "two"}',
    "tru",
    "",
)
PLACEHOLDER = "a token that is put in here"


def tamper(directory: Path, number: int) -> str:
    """Puts the fault of a number into a run directory; returns what it is, in words."""
    draw = random.Random(number)
    name = draw.choice(FILES)
    path = directory / name
    if draw.random() < 0.12:
        damage = draw.choice(BYTES)
        path.write_bytes(damage(path.read_bytes(), draw))
        return f"{name}: {damage.__name__}"
    if name != "journal.jsonl":
        content, what = _changed(json.loads(path.read_text()), draw)
        path.write_text(content)
        return f"{name}: {what}"
    lines = path.read_text().splitlines()
    if draw.random() < 0.2:
        return f"{name}: {_reorder(path, lines, draw)}"
    place = draw.randrange(len(lines))
    lines[place], what = _changed(json.loads(lines[place]), draw)
    path.write_text("\n".join(lines) + "\n")
    return f"{name}, line {place + 1}: {what}"


def _reorder(path: Path, lines: list[str], draw: random.Random) -> str:
    first, second = (draw.randrange(len(lines)) for _ in range(2))
    what = draw.choice(("without a line", "with a line twice", "with two lines exchanged"))
    if what == "without a line":
        del lines[first]
    elif what == "with a line twice":
        lines.insert(second, lines[first])
    else:
        lines[first], lines[second] = lines[second], lines[first]
    path.write_text("\n".join(lines) + "\n")
    return f"{what} ({first + 1}, {second + 1})"


def _changed(value: Any, draw: random.Random) -> tuple[str, str]:
    """Returns (the JSON of a value with one fault in it, what the fault is)."""
    root = {"root": value}
    places = list(_places(root, ()))
    container, key, where = draw.choice(places)
    act = draw.choice(("value", "value", "token", "drop", "add", "wrap", "exchange"))
    token = PLACEHOLDER
    if act == "drop" and len(where) > 1:
        del container[key]
    elif act == "add" and isinstance(container[key], dict):
        container[key][draw.choice(("x", "", "skipped", "value", "\x1b[2J"))] = draw.choice(VALUES)
    elif act == "wrap":
        container[key] = draw.choice(([container[key]], {"x": container[key]}))
    elif act == "exchange":
        other, other_key, _ = draw.choice(places)
        container[key] = json.loads(json.dumps(other[other_key]))
    elif act == "token":
        container[key], token = PLACEHOLDER, draw.choice(TOKENS)
    else:
        container[key] = draw.choice(VALUES)
    text = json.dumps(root["root"]).replace(f'"{PLACEHOLDER}"', token)
    return text, f"{act} at {'.'.join(map(str, where[1:]))}"


def _places(container: Any, where: tuple[Any, ...]) -> Any:
    """Yields (container, key, path) of every value below a container."""
    keys = list(container) if isinstance(container, dict) else range(len(container))
    for key in keys:
        yield container, key, (*where, key)
        if isinstance(container[key], dict | list):
            yield from _places(container[key], (*where, key))


def _emptied(content: bytes, draw: random.Random) -> bytes:
    return b""


def _cut(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content))]


def _with_another_byte(content: bytes, draw: random.Random) -> bytes:
    changed = bytearray(content)
    changed[draw.randrange(len(content))] = draw.randrange(256)
    return bytes(changed)


def _in_utf16(content: bytes, draw: random.Random) -> bytes:
    return content.decode().encode("utf-16")


def _with_a_mark_before(content: bytes, draw: random.Random) -> bytes:
    return b"\xef\xbb\xbf" + content


def _zeros(content: bytes, draw: random.Random) -> bytes:
    return bytes(len(content))


BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _emptied,
    _cut,
    _with_another_byte,
    _in_utf16,
    _with_a_mark_before,
    _zeros,
)
