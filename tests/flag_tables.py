"""README's tables of flags, derived from the parsers; `python tests/flag_tables.py` writes them.

Each table follows a line `<!-- flags: COMMAND -->` and ends with an empty line.
"""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from recsearch.cli.parser import make_parser
from recsearch.config.descriptions import DATA

README = Path(__file__).resolve().parents[1] / "README.md"
_TABLE = re.compile(r"(<!-- flags: (\w+) -->\n)(.*?)(?=\n\n)", re.DOTALL)


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Returns the parser of each command."""
    (action,) = [a for a in make_parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(action.choices)


def actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yields the arguments of a command, except `--help`."""
    return (a for a in parser._actions if not isinstance(a, argparse._HelpAction))


def table(command: str) -> str:
    """Returns the table of a command's flags; `baselines` shares its data flags with `run`."""
    shared = DATA if command == "baselines" else ()
    flags = [a for a in actions(parsers()[command]) if a.option_strings and a.dest not in shared]
    return "\n".join(["| flag | meaning |", "|---|---|", *map(_row, flags)])


def _row(action: argparse.Action) -> str:
    value = "|".join(action.choices) if action.choices else action.metavar or ""
    flag = f"{action.option_strings[0]} {value}".strip().replace("|", r"\|")
    return f"| `{flag}` | {action.help} |"


def with_tables(text: str) -> str:
    """Returns README with the tables as they must be."""
    return _TABLE.sub(lambda found: found[1] + table(found[2]), text)


def commands_in(text: str) -> list[str]:
    """Returns the commands whose flags README lists."""
    return [found[2] for found in _TABLE.finditer(text)]


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text()))
