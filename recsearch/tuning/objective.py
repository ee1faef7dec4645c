"""The objective of a search: the validation metric that it optimises."""

from recsearch.data.task import Task
from recsearch.errors import UsageError
from recsearch.metrics import default_objective, find_metric, metrics_for
from recsearch.study.trial import Objective


def make_objective(name: str | None, task: Task) -> Objective:
    """Returns the objective with its direction.

    Args:
        name: Name of a metric; None for the default of the task.
        task: What is learned.

    Raises:
        UsageError: If the metric is unknown or is not available for the task.
    """
    metric = find_metric(name or default_objective(task))
    suitable = metrics_for(task)
    if metric.name not in suitable and not (task is Task.IMPLICIT and metric.kind == "ranks"):
        raise UsageError(
            f"--objective {metric.name} is not available for task {task}. "
            f"Expected one of {', '.join(suitable)}."
        )
    return Objective(metric.name, metric.direction)


def trial_metrics(objective: Objective, task: Task) -> tuple[str, ...]:
    """Returns the metrics that are measured after each epoch: the task's, and the objective."""
    return tuple(dict.fromkeys([*metrics_for(task), objective.name]))
