"""The folder in which multiprocessing keeps the fork server's socket, and its removal.

Python removes the folder when the process that made it ends by itself. When that process is
killed, the fork server removes it; when both are killed, the next run of this user does.
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
"""A file in the folder, locked by its owner: the lock ends with the process, however it ends."""

VARIABLE = "RECSEARCH_SOCKET_DIR"
"""Names the folder to the fork server, which inherits the environment."""

_held: list[int] = []  # the descriptor whose lock says that this process owns its folder


def claim() -> None:
    """Marks the folder as this process's own, and removes folders of owners that were killed."""
    folder = Path(util.get_temp_dir())
    os.environ[VARIABLE] = str(folder)
    if not (folder / MARKER).exists():
        unlocked = folder / f"{MARKER}.partial"
        descriptor = os.open(unlocked, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        unlocked.rename(folder / MARKER)  # nobody finds the marker without its lock
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
    """Returns whether a folder is a marked one of this user, and nobody holds its lock."""
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
    """Called in the fork server: it outlives its owner, and then removes the owner's folder.

    It ends by itself when its owner has ended. So it must ignore the signals that a closed terminal
    or a system that stops sends to every process of the run.
    """
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    folder = os.environ.get(VARIABLE)
    if folder is not None:
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
