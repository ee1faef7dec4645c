"""Programs that user code has started in sessions of their own, and that outlive their worker.

They are in no process group that could be ended; but they have inherited the environment of their
worker, which Linux shows. (A child that only forks is in the group of the worker, unless it leaves
it on purpose.)
"""

import os
import signal
from contextlib import suppress
from pathlib import Path

VARIABLE = "RECSEARCH_WORKER"
"""In the environment of a worker process, and so of all programs that it starts."""

_PROCESSES = Path("/proc")


def mark_worker(token: str) -> None:
    """Marks this process, and all programs that it will start, as those of one worker."""
    os.environ[VARIABLE] = token


def end_strays(token: str) -> None:
    """Ends the programs that a worker has started; where there is no /proc, none is found."""
    mark = f"{VARIABLE}={token}".encode()
    for folder in _PROCESSES.glob("[0-9]*"):
        with suppress(OSError, ValueError):  # it has ended, or is another user's
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)
