"""The command line: parses the arguments and calls one function per command.

Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 failed,
2 wrong usage or bad input, 130 interrupted (resumable).
"""

import argparse
import io
import logging
import sys
from collections.abc import Callable, Sequence

from recsearch.cli.parser import make_parser
from recsearch.errors import RecsearchError
from recsearch.text.printable import printable


def main(argv: Sequence[str]) -> int:
    """Runs one command; returns the exit code."""
    _accept_all_text()
    parser = make_parser()
    arguments = parser.parse_args(_with_joined_user(argv))
    arguments.argv = list(argv)  # a run records its command
    if getattr(arguments, "user", None) == []:  # argparse's reading of `--user=--`
        arguments.user = "--"
    command: Callable[[argparse.Namespace], None] = arguments.command
    try:
        command(arguments)
        sys.stdout.flush()  # fails here if the output is redirected to a full disk
    except RecsearchError as error:
        if not getattr(arguments, "quiet", False):
            for note in getattr(error, "__notes__", ()):
                print(printable(f"  note: {note}"), file=sys.stderr)
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _complain("interrupted")
        return 130
    except BrokenPipeError:  # the reader of the output, such as `head`, has ended
        sys.stderr.close()
    except OSError as error:  # from the system: no space, no permission, a broken disk
        logging.getLogger(__name__).debug("an error of the system", exc_info=True)
        place = f"{error.filename}: " if error.filename is not None else ""
        _complain(f"{place}{error.strerror or error}. Finished work is kept.")
        return 1
    return 0


def _complain(text: str) -> None:
    """Prints an error; terminal control characters are shown as text."""
    print(f"recsearch: {printable(text)}", file=sys.stderr)


def _accept_all_text() -> None:
    """Makes the output escape text that it cannot encode, such as half of a surrogate pair."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


_FLAGS_BESIDE_USER = ("-h", "--help", "-k", "--include-seen", "--format", "--user", "--")


def _with_joined_user(argv: Sequence[str]) -> list[str]:
    """Returns the arguments with `--user -0004Qz` as `--user=-0004Qz`: ids may begin with `-`.

    A flag of the command stays a flag; an id equal to a flag must be given as `--user=-k`.
    """
    joined: list[str] = []
    for text in argv:
        follows_user = argv[:1] == ["recommend"] and joined[-1:] == ["--user"]
        if follows_user and text.startswith("-") and text not in _FLAGS_BESIDE_USER:
            joined[-1] = f"--user={text}"
        else:
            joined.append(text)
    return joined
