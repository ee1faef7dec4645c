"""The preparation of a worker process before its first trial, in every engine."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recsearch.tuning.engines.runner import RunnerSetup, TrialRunner


def prepare_runner(setup: "RunnerSetup") -> "TrialRunner":
    """Returns the runner of this process, on one thread.

    TensorFlow is imported here and not with this module, so that the owner need not wait for it.
    """
    from recsearch.tuning.engines.runner import TrialRunner
    from recsearch.tuning.engines.threads import use_one_thread

    use_one_thread()
    return TrialRunner.of(setup)
