"""Checks for the test suite of a project that has search spaces of its own.

It contains what users' tests call. The tests of recsearch are in tests/.
"""

from collections.abc import Callable, Sequence
from typing import Any

from recsearch.config.descriptions import TASKS
from recsearch.errors import UsageError
from recsearch.system.tensorflow_import import import_tensorflow
from recsearch.text.shown import shown


def check_space(
    build: Any, tasks: str | Sequence[str] = "rating", report: Callable[[str], None] = print
) -> None:
    """Checks a search space as `recsearch check` does, on small generated data.

    For each task, the space is built and trained at its default values and at five sampled points,
    saved, exported as a SavedModel, and loaded in a process without recsearch. The builder runs in
    a worker process, so that a crash or an endless loop is one error.

    Args:
        build: A builder function from a module or a .py file, or the name of a space as on the
            command line ("./mine.py:build", "my_package.spaces:build").
        tasks: A task, or several: "rating", "implicit", "click".
        report: Called with one sentence per step that has passed. The default prints it, which
            pytest shows if the test fails.

    Raises:
        SpaceError: At the first step that fails, with the values of the hyperparameters.
        UsageError: If a task is not known.

    Example:
        >>> def test_my_space():
        ...     check_space("neumf", tasks=["rating", "implicit"])
    """
    named = [tasks] if isinstance(tasks, str) else list(tasks)
    unknown = [task for task in named if task not in TASKS]
    if unknown or not named:
        raise UsageError(f"tasks: expected some of {', '.join(TASKS)}. Received: {shown(tasks)}.")
    from recsearch.tuning.space.references import reference_of, require_references

    reference = reference_of(build)
    require_references([reference])
    import_tensorflow()
    from recsearch.data.task import Task
    from recsearch.workflow.check import check_elsewhere

    for task in named:
        check_elsewhere(reference, Task(task), report)
