"""The folder in which multiprocessing keeps the fork server's socket, and its removal.

Python removes the folder when the process that created it exits. If that process is killed, the
fork server removes the folder; if both are killed, the next run of the same user does.
"""

import atexit
import fcntl
import os
import shutil
import signal
import tempfile
from multiprocessing import util
from pathlib import Path

MARKER = "recsearch"
"""A file in the folder, locked by its owner. The lock always ends with the process."""

VARIABLE = "RECSEARCH_SOCKET_DIR"
"""Environment variable with the folder, which the fork server inherits."""

_held: list[int] = []  # descriptor of the lock by which this process owns its folder


def claim() -> None:
    """Marks the folder as owned by this process, and removes folders of killed owners."""
    folder = Path(util.get_temp_dir())
    os.environ[VARIABLE] = str(folder)
    if not (folder / MARKER).exists():
        unlocked = folder / f"{MARKER}.partial"
        descriptor = os.open(unlocked, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        unlocked.rename(folder / MARKER)  # no process can find the marker without its lock
        _held.append(descriptor)
    remove_abandoned(Path(tempfile.gettempdir()))


def remove_abandoned(parent: Path) -> list[Path]:
    """Removes this user's marked folders whose owner has ended; returns their paths."""
    removed = []
    for folder in parent.glob("pymp-*"):
        if _is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder)
    return removed


def _is_abandoned(folder: Path) -> bool:
    """Returns whether a folder is marked, belongs to this user, and has no lock any more."""
    try:
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            return False
        descriptor = os.open(folder / MARKER, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:  # unmarked: another program's
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def remove_with_owner() -> None:
    """Lets the fork server, which calls this, remove the folder of its owner when it exits.

    The fork server exits when its owner has ended. Therefore it must ignore the signals that a
    closed terminal or a system shutdown sends to every process of the run.
    """
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    folder = os.environ.get(VARIABLE)
    if folder is not None:
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
