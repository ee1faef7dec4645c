"""Text of unknown origin, made safe for a terminal, a log and a file in UTF-8."""

import unicodedata

MAX_MESSAGE = 2_000  # characters of a message of user code

_KEPT = "\n\t"
_REORDERING = frozenset(
    map(chr, (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
)


def printable(text: object, limit: int | None = None) -> str:
    r"""Returns a text without control characters, escape sequences or unpaired surrogates.

    Each of these characters becomes its Python escape; line ends and tabs are kept. Characters that
    reorder text are escaped too: they can hide what a line says.

    Args:
        text: Anything; `str` is applied.
        limit: Largest length in characters, or None. The middle of a longer text is left out.

    Example:
        >>> print(printable("red " + chr(27) + "[31m"))
        red \x1b[31m
    """
    shown = "".join(_escaped(c) if _is_unsafe(c) else c for c in str(text))
    if limit is None or len(shown) <= limit:
        return shown
    half = max(1, (limit - 5) // 2)
    return f"{shown[:half]} ... {shown[-half:]}"


def printable_line(text: object, limit: int | None = None) -> str:
    """Returns a printable text on one line: line ends and tabs are escaped too."""
    return printable(str(text).replace("\n", "\\n").replace("\t", "\\t"), limit)


def error_text(error: BaseException) -> str:
    """Returns the type and the message of an error of user code, on at most 2,000 characters."""
    try:
        text = str(error)
    except Exception:  # user code defines it
        text = "(its message cannot be read)"
    return f"{printable_line(type(error).__name__, 100)}: {printable(text, MAX_MESSAGE)}"


def _is_unsafe(character: str) -> bool:
    if character in _KEPT or " " <= character <= "~":
        return False
    return character in _REORDERING or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
