"""Programs that user code has started in their own sessions, and that outlive their worker.

They are not in the worker's process group, so killing the group does not reach them. But they have
inherited the environment of the worker, which Linux shows. (A child that only forks stays in the
group, unless it leaves the group on purpose.)
"""

import os
import signal
from contextlib import suppress
from pathlib import Path

VARIABLE = "RECSEARCH_WORKER"
"""Environment variable of a worker process, inherited by all programs that it starts."""

_PROCESSES = Path("/proc")


def mark_worker(token: str) -> None:
    """Marks this process, and all programs that it will start, as part of one worker."""
    os.environ[VARIABLE] = token


def end_strays(token: str) -> None:
    """Kills the programs that a worker has started; without /proc, none is found."""
    mark = f"{VARIABLE}={token}".encode()
    for folder in _PROCESSES.glob("[0-9]*"):
        with suppress(OSError, ValueError):  # it has ended, or is another user's
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)
