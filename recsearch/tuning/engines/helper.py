"""A process for all calls of user code outside trials.

It runs one function after another: discovery, the outline of a configuration before its trial, the
stages at the end. A call that crashes, blocks or exits affects no other call; the next one gets a
new process.
"""

import errno
import math
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

from recsearch import errors
from recsearch.errors import RecsearchError, UsageError
from recsearch.text.printable import error_text
from recsearch.tuning.engines.process import WorkerDiedError, WorkerProcess

Say = Callable[[str | None], None]
"""Reports a line of progress; None only reports that the call is still running."""


DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""Operating system errors that are not the fault of user code."""


class CallError(Exception):
    """User code made a call fail; the message says how: an exception, a crash or a time-out.

    Attributes:
        ended: Whether the process died, which user code need not have caused.
    """

    def __init__(self, message: str, *, ended: bool = False) -> None:
        super().__init__(message)
        self.ended = ended


class Helper(Protocol):
    """Runs functions that call user code."""

    def call(
        self,
        function: Callable[..., Any],
        *args: Any,
        seconds: float = math.inf,
        say: Say = lambda text: None,
    ) -> Any:
        """Returns `function(say, *args)`.

        Args:
            function: A function at the top level of a module.
            *args: Its arguments after `say`.
            seconds: Longest time without an answer or a report of progress.
            say: Called with each report of the function.

        Raises:
            CallError: If user code fails, ends its process, or is silent for too long.
            RecsearchError: If the function raises one.
            OSError: If the disk is full or read-only.
        """

    def close(self) -> None:
        """Ends the process."""


@dataclass(frozen=True)
class _Said:
    text: str | None


@dataclass(frozen=True)
class _Returned:
    value: Any


@dataclass(frozen=True)
class _Raised:
    kind: str
    text: str


class HelperProcess(AbstractContextManager["HelperProcess"]):
    """Runs the functions in a worker process; usable as a context manager."""

    def __init__(self) -> None:
        self._process: WorkerProcess | None = WorkerProcess(_serve)

    def call(
        self,
        function: Callable[..., Any],
        *args: Any,
        seconds: float = math.inf,
        say: Say = lambda text: None,
    ) -> Any:
        """Returns `function(say, *args)`, run in the process; see `Helper`."""
        if self._process is None:
            self._process = WorkerProcess(_serve)
        self._process.send((function, args))
        while True:
            answer = self._next(self._process, seconds)
            if isinstance(answer, _Said):
                say(answer.text)
            elif isinstance(answer, _Returned):
                return answer.value
            else:
                self.close()  # the failed call may have left threads, limits or memory behind
                raise _rebuilt(answer) if isinstance(answer, _Raised) else answer

    def _next(self, process: WorkerProcess, seconds: float) -> Any:
        try:
            return process.receive_before(time.monotonic() + seconds)
        except WorkerDiedError as end:
            self.close()
            raise CallError(f"its process died: {end}", ended=True) from None
        except TimeoutError:
            self.close()
            raise CallError(f"it did not answer within {seconds / 60:g} minutes") from None

    def close(self) -> None:
        """Ends the process; the next call starts another."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def __exit__(self, *_: object) -> None:
        """Ends the process."""
        self.close()


class InlineHelper:
    """Runs the functions in the calling process, without protection: for `--engine inline`."""

    def call(
        self,
        function: Callable[..., Any],
        *args: Any,
        seconds: float = math.inf,
        say: Say = lambda text: None,
    ) -> Any:
        """Returns `function(say, *args)`; see `Helper`."""
        try:
            return function(say, *args)
        except (RecsearchError, KeyboardInterrupt):
            raise
        except BaseException as error:  # user code may raise anything, or call sys.exit
            if isinstance(error, OSError) and error.errno in DISK_ERRORS:
                raise
            raise CallError(error_text(error)) from error

    def close(self) -> None:
        """Does nothing: there is no process to end."""


def _rebuilt(raised: _Raised) -> Exception:
    """Returns the error that a function raised; errors of recsearch keep their class."""
    kind = getattr(errors, raised.kind, None)
    if kind is None:
        return CallError(raised.text)
    return UsageError(raised.text) if issubclass(kind, errors.FaultsError) else kind(raised.text)


def _serve(pipe: Connection) -> None:
    """Runs in the helper process: one call after another until the pipe closes."""
    from recsearch.tuning.engines.threads import use_one_thread

    use_one_thread()
    home = os.getcwd()
    while True:
        function, args = pipe.recv()
        os.chdir(home)  # user code may have changed the directory
        try:
            answer: Any = _Returned(function(lambda text: pipe.send(_Said(text)), *args))
        except RecsearchError as error:
            name = next(c.__name__ for c in type(error).__mro__ if hasattr(errors, c.__name__))
            answer = _Raised(name, str(error))
        except BaseException as error:  # user code may raise anything, or call sys.exit
            if isinstance(error, OSError) and error.errno in DISK_ERRORS:
                answer = OSError(error.errno, error.strerror, error.filename)
            else:
                answer = _Raised("", error_text(error))
        pipe.send(answer)
