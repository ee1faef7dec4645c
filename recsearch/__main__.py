"""The `recsearch` command."""

import sys
from collections.abc import Sequence

from recsearch.cli.program import main as command_line


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    return command_line(sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
