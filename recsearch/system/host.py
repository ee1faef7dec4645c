"""What identifies the machine that runs recsearch, so that a run says where it was made."""

import hashlib
import socket
from pathlib import Path

MACHINE_ID = Path("/etc/machine-id")


def host_id(machine_id: Path = MACHINE_ID) -> str:
    """Returns 16 hexadecimal digits that differ from machine to machine.

    They are a hash of the host name and of the number that the system drew when it was installed,
    if it can be read; neither can be found out from them.

    Args:
        machine_id: The file that holds the number.
    """
    try:
        number = machine_id.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        number = ""
    name = f"recsearch {socket.gethostname()} {number}"
    return hashlib.sha256(name.encode(errors="backslashreplace")).hexdigest()[:16]
