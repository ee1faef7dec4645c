"""The exceptions of recsearch.

```
RecsearchError          the message says what to do; the command exits with 1
├── UsageError          the request is wrong: flags, configuration, input; exits with 2
│   ├── ConfigError     settings that are not valid; reports all faults at once
│   ├── DataError       an input file that cannot be used; reports all faults at once
│   └── SpaceError      a search space that cannot be loaded, or an override that does not fit it
│       └── BuildError  a builder failed, ended its process or blocked it, at one configuration
├── RunDirectoryError   a run directory is locked, damaged, or not a run directory
├── SearchError         the search ended without a usable trial
├── InterruptedRunError the user stopped a run, which can be resumed; exits with 130
└── ExportError         the exported model and the model in memory give different answers
```

A message says what was expected, what was received, and what to do.
"""

from collections.abc import Sequence
from typing import ClassVar


class RecsearchError(Exception):
    """An error that the user can fix: the message explains it without a traceback."""

    exit_code: ClassVar[int] = 1


class UsageError(RecsearchError):
    """The request is wrong; nothing was started."""

    exit_code: ClassVar[int] = 2


class FaultsError(UsageError):
    """Several faults, reported together.

    Attributes:
        faults: One message per fault, in the order in which they were found.
    """

    def __init__(self, subject: str, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        lines = "".join(f"\n  - {fault}" for fault in self.faults)
        super().__init__(
            f"{subject}: {faults[0]}" if len(self.faults) == 1 else f"{subject}:{lines}"
        )


class ConfigError(FaultsError):
    """Settings that are incompatible with each other, or a value out of its range."""


class DataError(FaultsError):
    """An input file that cannot be used as it is."""


class SpaceError(UsageError):
    """A search space cannot be loaded, or an override does not fit it."""


class BuildError(SpaceError):
    """A builder failed, ended its process or blocked it, at one configuration."""


class RunDirectoryError(RecsearchError):
    """A run directory is owned by another process, damaged, or not a run directory."""


class SearchError(RecsearchError):
    """The search ended without a trial that could be used."""


class InterruptedRunError(RecsearchError):
    """The user stopped a run; finished work is kept."""

    exit_code: ClassVar[int] = 130


class ExportError(RecsearchError):
    """The exported model and the model in memory do not give the same answers."""
