"""Makes text of unknown origin safe for a journal, a message and a terminal.

Messages of user code and ids in a data file may contain anything: bytes that were not UTF-8
(surrogates, which cannot be written to a file), terminal escape sequences, a megabyte of text.
"""

import unicodedata

MESSAGE_LIMIT = 2_000  # characters of an error message that are kept

# New lines, tabs, and the two joiners that Persian, Hindi and composed emoji need.
_KEPT = frozenset("\n\t\u200c\u200d")
# Control characters (with the escape character), invisible formatting such as changes of the
# direction of text, surrogates, and the two separators that some readers treat as a new line.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def printable(text: str, limit: int | None = None) -> str:
    r"""Returns the text with every character escaped that is unsafe in a file or a terminal.

    New lines and tabs are kept.

    Args:
        text: Any text, possibly with surrogates.
        limit: Maximum number of characters; the middle of a longer text is left out, so that its
            beginning and its end (usually the first and the last line) are kept. None: no limit.

    Example:
        >>> printable("caf\udce9 \x1b[31m")
        'caf\\udce9 \\x1b[31m'
    """
    if limit is not None and len(text) > limit:
        text = _shortened(text, limit)
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_escaped, text))


def printable_line(text: str, limit: int | None = None) -> str:
    r"""Returns the text as one line: like `printable`, with new lines and tabs escaped as well."""
    return printable(text, limit).replace("\n", "\\n").replace("\t", "\\t")


def error_text(error: BaseException) -> str:
    """Returns the type and the message of an error raised by user code, shortened."""
    try:
        text = str(error)
    except Exception:  # user code defines `__str__`
        text = "(its message cannot be read)"
    return f"{printable_line(type(error).__name__, 100)}: {printable(text, MESSAGE_LIMIT)}"


def _escaped(character: str) -> str:
    if character in _KEPT or unicodedata.category(character) not in _UNSAFE:
        return character
    return character.encode("unicode_escape").decode("ascii")


def _shortened(text: str, limit: int) -> str:
    """Returns the beginning and the end of a text, cut at line ends where possible."""
    head, tail = text[: limit // 2], text[-(limit // 2) :]
    if "\n" in head:
        head = head[: head.rindex("\n")]
    if "\n" in tail[:-1]:
        tail = tail[tail.index("\n") + 1 :]
    left_out = len(text) - len(head) - len(tail)
    return f"{head}\n... ({left_out:,} characters left out) ...\n{tail}"
