"""Everything that recsearch raises on purpose.

```
RecsearchError          a person can act on the message; the command exits with 1
├── UsageError          the request is wrong: flags, configuration, input; exits with 2
│   ├── ConfigError     settings that do not fit together; all faults told together
│   ├── DataError       an input file that cannot be used; all faults told together
│   └── SpaceError      a search space that cannot be loaded, or an override that does not fit it
│       └── BuildError  a builder failed, or ended or blocked its process, at one configuration
├── RunDirectoryError   a run directory is locked by another process, damaged, or not one
├── SearchError         the search ended without a usable trial
├── InterruptedRunError the user stopped a run, which can be resumed; exits with 130
└── ExportError         the exported model does not answer as the model in memory does
```

A message says what was expected, what was received, and what to do.
"""

from collections.abc import Sequence
from typing import ClassVar


class RecsearchError(Exception):
    """A fault that a person can act on: the message is the whole story, no traceback needed."""

    exit_code: ClassVar[int] = 1


class UsageError(RecsearchError):
    """The request is wrong; nothing was started."""

    exit_code: ClassVar[int] = 2


class FaultsError(UsageError):
    """Several faults of one thing, told together.

    Attributes:
        faults: One message a fault, in the order in which they were found.
    """

    def __init__(self, subject: str, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        lines = "".join(f"\n  - {fault}" for fault in self.faults)
        super().__init__(
            f"{subject}: {faults[0]}" if len(self.faults) == 1 else f"{subject}:{lines}"
        )


class ConfigError(FaultsError):
    """Settings that do not fit together, or a value out of its range."""


class DataError(FaultsError):
    """An input file that cannot be used as it is."""


class SpaceError(UsageError):
    """A search space cannot be loaded, or an override does not fit it."""


class BuildError(SpaceError):
    """A builder failed, or ended or blocked its process, at one configuration."""


class RunDirectoryError(RecsearchError):
    """A run directory is owned by another process, damaged, or not a run directory."""


class SearchError(RecsearchError):
    """The search ended without a trial that could be used."""


class InterruptedRunError(RecsearchError):
    """The user stopped a run; nothing that was finished is lost."""

    exit_code: ClassVar[int] = 130


class ExportError(RecsearchError):
    """The exported model could not be verified against the model in memory."""
