"""The Python interface: `recsearch.search(...)` does what `recsearch run` does."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, Unpack

from recsearch.api.run import Run
from recsearch.config.arguments import PATHS
from recsearch.config.run_config import RunConfig, make_config
from recsearch.config.settings import Settings
from recsearch.console.estimate import Capacity
from recsearch.console.progress import Lines, Silent
from recsearch.data.frames import Frame
from recsearch.errors import FaultsError, UsageError
from recsearch.text.shown import shown
from recsearch.tuning.space.references import reference_of, refuse_nested_search, require_references
from recsearch.workflow.dataset import load_dataset
from recsearch.workflow.directory import absolute_paths
from recsearch.workflow.startup import import_tensorflow_for

Space = str | os.PathLike[str] | Callable[..., Any]


def search(
    spaces: Space | Sequence[Space] = (), *, verbose: bool = False, **settings: Unpack[Settings]
) -> Run:
    """Searches for the best recommender and returns the finished run.

    Args:
        spaces: One search space or several; none means the default ones. A space is a name as on
            the command line, or a builder function from a module or a .py file.
        verbose: Whether progress is written to standard error.
        **settings: The flags of `recsearch run` with `_` for `-`: data, task, tuner, max_trials,
            max_epochs, workers, seed, out, ... `data`, `users`, `items`, `test`, `validation` and
            `test_candidates` are a path, a DataFrame or an Arrow table. `set` is a dict: a value
            fixes a hyperparameter, a list gives choices, a tuple (low, high) a range. `enqueue` is
            a dict of values or a list of dicts.

    Returns:
        The run, as `recsearch.load` returns it.

    Raises:
        RecsearchError: The message names the argument and says what to do.

    Example:
        >>> import recsearch
        >>> best = recsearch.search(  # doctest: +SKIP
        ...     "neumf", data=ratings, max_trials=5, set={"learning_rate": (1e-4, 1e-2)}
        ... )
    """
    refuse_nested_search()
    with _named_as_arguments():
        config, frames = _configure(spaces, settings)
        dataset = load_dataset(config, frames)
        import_tensorflow_for(config.engine)  # it takes seconds: settings and data are sound
        from recsearch.workflow.flow import run

        observer = Lines(Capacity(config.workers, config.minutes)) if verbose else Silent()
        return Run.of(run(config, dataset, [_call(config, settings, frames)], observer))


def _configure(spaces: Any, settings: Mapping[str, Any]) -> tuple[RunConfig, dict[str, Frame]]:
    """Returns the settings, and setting -> table for the tables in memory; no file is read yet."""
    several = isinstance(spaces, Sequence) and not isinstance(spaces, str | bytes)
    named = [reference_of(space) for space in (spaces if several else [spaces])]
    tables = {n: v for n, v in settings.items() if n in PATHS and n != "out" and not _is_path(v)}
    # A table in memory costs time to convert: faults of the other settings come first.
    named_tables = {name: shown(table) for name, table in tables.items()}
    make_config({"spaces": named or None, **settings, **named_tables})
    require_references(named)
    frames = {name: Frame.of(name, table) for name, table in tables.items()}
    names = {name: frame.name for name, frame in frames.items()}
    config = make_config({"spaces": named or None, **settings, **names})
    return absolute_paths(config, frames.keys()), frames


def _is_path(value: Any) -> bool:
    return value is None or isinstance(value, str | os.PathLike)


def _call(config: RunConfig, settings: Mapping[str, Any], frames: Mapping[str, Frame]) -> str:
    """Returns the call as run.json records it."""
    given = {name: repr(getattr(config, name)) for name in settings if name not in frames}
    given |= {name: frame.name for name, frame in frames.items()}
    listed = [repr(list(config.spaces)), *(f"{name}={text}" for name, text in given.items())]
    return f"recsearch.search({', '.join(listed)})"


@contextmanager
def _named_as_arguments() -> Iterator[None]:
    """Makes messages about faults of the request name arguments in place of flags."""
    try:
        yield
    except UsageError as error:
        error.args = (as_arguments(str(error)),)
        if isinstance(error, FaultsError):
            error.faults = tuple(map(as_arguments, error.faults))
        raise


def as_arguments(message: str) -> str:
    """Returns a message with the flags of `recsearch run` as arguments of `search`.

    Example:
        >>> as_arguments("--engine inline has one worker. Received: --workers 2.")
        "engine='inline' has one worker. Received: workers=2."
    """
    return _FLAG.sub(lambda found: _argument(*found.groups()), message)


_NAMES = "|".join(
    sorted((f.name.replace("_", "-") for f in fields(RunConfig)), key=len, reverse=True)
)
_VALUES = "rating|implicit|click|random|local|ray|inline|hyperband|bayesian|leave-last-out"
_FLAG = re.compile(rf"(?<![\w/-])--({_NAMES})\b(?!-)(?: ({_VALUES}|-?\d+(?:\.\d+)?)\b)?")


def _argument(flag: str, value: str | None) -> str:
    name = flag.replace("-", "_")
    if value is None:
        return name
    return f"{name}={value}" if value.lstrip("-")[0].isdigit() else f"{name}={value!r}"
