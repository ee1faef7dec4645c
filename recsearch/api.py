"""The Python interface: `recsearch.search(...)` does what `recsearch run` does."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recsearch.config import make_config
from recsearch.data.dataset import load_dataset
from recsearch.directory import absolute_paths
from recsearch.estimate import Capacity
from recsearch.progress import Lines, Silent
from recsearch.report.compare import RunComparison, compare_runs
from recsearch.results import Run, load_run
from recsearch.start import import_tensorflow_for


def search(spaces: str | Sequence[str] = (), *, verbose: bool = False, **settings: Any) -> Run:
    """Searches for the best recommender and returns the finished run.

    Args:
        spaces: One search space or several, as on the command line; none means the default ones.
        verbose: Whether to tell on standard error what happens.
        **settings: The flags of `recsearch run` with `_` for `-`: data, task, tuner, max_trials,
            max_epochs, set=["embedding_dim=64"], workers, seed, out, ...

    Returns:
        The run, as `recsearch.load` gives it.

    Raises:
        RecsearchError: With a message that a person can act on.

    Example:
        >>> import recsearch
        >>> best = recsearch.search(  # doctest: +SKIP
        ...     "matrix_factorization", data="ratings.csv", tuner="random", max_trials=5
        ... )
    """
    named = [spaces] if isinstance(spaces, str) else list(spaces)
    config = absolute_paths(make_config({"spaces": named or None, **settings}))
    dataset = load_dataset(config)
    import_tensorflow_for(config.engine)  # it takes seconds: faults of settings and data came first
    from recsearch.run import run

    given = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    command = ["recsearch.search(" + ", ".join(filter(None, [repr(named), given])) + ")"]
    observer = Lines(Capacity(config.workers, config.minutes)) if verbose else Silent()
    return run(config, dataset, command, observer)


def compare(runs: Sequence[Run | str | Path]) -> RunComparison:
    """Returns runs side by side: best so far at equal time, test metrics, winners and cost.

    Args:
        runs: Two or more, as runs or as their directories.

    Returns:
        A comparison with `table()` (one row a run), `plot()` and `differences`: what keeps the runs
        from being compared. Printed, it is tables in text.

    Raises:
        UsageError: If there are fewer than two, or one stands there twice.
        RunDirectoryError: If a directory holds no run.

    Example:
        >>> import recsearch
        >>> print(recsearch.compare(["runs/hyperband", "runs/random"]))  # doctest: +SKIP
    """
    return compare_runs([run if isinstance(run, Run) else load_run(run) for run in runs])
