"""Cores and memory of this machine, and memory used by this process, on Linux and macOS."""

import os
import resource
import sys

_BYTES_PER_UNIT = {"darwin": 1}
"""Platform -> unit of `ru_maxrss` in bytes; on other platforms it is 1024."""


def num_cores() -> int:
    """Returns the number of cores that this process may use; on macOS, the number of all cores."""
    available = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(available(0)) if available is not None else os.cpu_count() or 1


def memory_gb() -> float | None:
    """Returns the memory of the machine in GiB, or None if the system does not report it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError):  # a name that the system does not know
        return None


def peak_memory_mb() -> float:
    """Returns the peak resident memory of this process in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * _BYTES_PER_UNIT.get(sys.platform, 1024) / 2**20
