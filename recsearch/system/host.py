"""An identifier of this machine, which a run records."""

import hashlib
import socket
from pathlib import Path

MACHINE_ID = Path("/etc/machine-id")


def host_id(machine_id: Path = MACHINE_ID) -> str:
    """Returns 16 hexadecimal digits that differ between machines.

    They are a hash of the host name and, if it can be read, of the machine id that was drawn when
    the system was installed. Neither can be recovered from the hash.

    Args:
        machine_id: The file that contains the machine id.
    """
    try:
        number = machine_id.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        number = ""
    name = f"recsearch {socket.gethostname()} {number}"
    return hashlib.sha256(name.encode(errors="backslashreplace")).hexdigest()[:16]
