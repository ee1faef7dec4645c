"""One trial: from an assignment to an outcome. The same function in every engine."""

import logging
import resource
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import keras

from recsearch.data.store import open_prepared
from recsearch.pipeline import Pipeline
from recsearch.training.evaluate import Protocol, evaluate, trial_protocol
from recsearch.training.fit import Fitter
from recsearch.training.scoring import ModelScorer
from recsearch.tuning.overrides import Override
from recsearch.tuning.space import Built, SearchSpace, load_space
from recsearch.tuning.trial import Assignment, Epoch, Outcome, TrialState

logger = logging.getLogger(__name__)

Report = Callable[[Epoch], None]
Stop = Callable[[], bool]


@dataclass(frozen=True)
class RunnerSetup:
    """What every worker of a search has in common; plain values, so that it travels anywhere.

    Attributes:
        spaces: References of the families, as in `load_space`.
        overrides: Narrow hyperparameters.
        data_dir: Prepared data of the search: train and validation, no test.
        metrics: What is measured after each epoch; the objective is among them.
        seed: Seeds the sample of users that a catalogue is ranked for.
        max_parameters: Larger models are not trained; None for no limit.
    """

    spaces: tuple[str, ...]
    overrides: tuple[Override, ...]
    data_dir: str
    metrics: tuple[str, ...]
    seed: int
    max_parameters: int | None = None


class TrialRunner:
    """Runs assignments in this process, one after another, over arrays that are made once.

    Args:
        space: The families.
        pipeline: The arrays.
        protocol: How each epoch is measured.
        max_parameters: Larger models are not trained; None for no limit.
    """

    def __init__(
        self,
        space: SearchSpace,
        pipeline: Pipeline,
        protocol: Protocol,
        max_parameters: int | None = None,
    ) -> None:
        self.space = space
        self.pipeline = pipeline
        self.protocol = protocol
        self.max_parameters = max_parameters

    @classmethod
    def of(cls, setup: RunnerSetup) -> "TrialRunner":
        """Returns the runner that a setup describes."""
        data = open_prepared(Path(setup.data_dir))
        protocol = trial_protocol(data, setup.metrics, setup.seed)
        space = load_space(setup.spaces, setup.overrides)
        return cls(space, Pipeline(data), protocol, setup.max_parameters)

    def run(self, assignment: Assignment, report: Report, stop: Stop = lambda: False) -> Outcome:
        """Trains and measures one trial; whatever goes wrong in it becomes a FAILED outcome.

        Args:
            assignment: The trial.
            report: Is told every epoch as it is done.
            stop: Asked after every epoch; True ends the trial there, to be continued later.
        """
        too_large = self._too_large(assignment)
        return too_large or self._train(assignment, report, stop)

    def _too_large(self, assignment: Assignment) -> Outcome | None:
        """Returns the outcome of a trial whose model has too many parameters, else None."""
        if self.max_parameters is None:
            return None
        spec = self.pipeline.data.spec
        outline = self.space.outline(assignment.space, assignment.values, spec)
        if outline is None or outline.num_parameters <= self.max_parameters:
            return None
        return Outcome(
            TrialState.INFEASIBLE,
            values=outline.values,
            num_parameters=outline.num_parameters,
            message=f"{outline.num_parameters:,} parameters; at most {self.max_parameters:,} "
            "were asked for.",
        )

    def _train(self, assignment: Assignment, report: Report, stop: Stop) -> Outcome:
        started = time.perf_counter()
        curve: list[Epoch] = []
        built: Built | None = None
        message, state = "", TrialState.COMPLETED
        keras.utils.clear_session(free_memory=False)
        keras.utils.set_random_seed(assignment.seed)
        try:
            built = self.space.build(assignment.space, assignment.values, self.pipeline.data.spec)
            for point in self._epochs(built, assignment, stop):
                curve.append(point)
                report(point)
            if curve and curve[-1].epoch < assignment.epochs:
                state = TrialState.WAITING
        except Exception as error:  # a trial may fail in any way; the search must go on
            state, message = TrialState.FAILED, _explain(error)
            logger.debug("trial %s failed", assignment.trial_id, exc_info=True)
        return Outcome(
            state=state,
            curve=tuple(curve),
            values=built.values if built else {},
            seconds=time.perf_counter() - started,
            peak_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            num_parameters=built.recommender.model.count_params() if built else None,
            message=message,
            checkpoint_saved=state is TrialState.WAITING
            or (state is TrialState.COMPLETED and bool(assignment.save_checkpoint)),
        )

    def _epochs(self, built: Built, assignment: Assignment, stop: Stop) -> Iterator[Epoch]:
        """Yields each epoch as it is done; writes the checkpoint after the last."""
        fitter = Fitter(built.recommender, self.pipeline, assignment.seed)
        if assignment.load_checkpoint:
            fitter.load(Path(assignment.load_checkpoint))
        else:
            fitter.pretrain()
        scorer = ModelScorer(built.recommender.model, self.pipeline.feed, self.pipeline.data.spec)
        for epoch in range(assignment.initial_epoch, assignment.epochs):
            started = time.perf_counter()
            metrics = fitter.run_epoch(epoch)
            metrics |= evaluate(scorer, self.pipeline.data, self.protocol)
            yield Epoch(epoch + 1, metrics, time.perf_counter() - started)
            if assignment.stop_checkpoint and epoch + 1 < assignment.epochs and stop():
                fitter.save(Path(assignment.stop_checkpoint.format(epoch=epoch + 1)))
                return
        if assignment.save_checkpoint:
            fitter.save(Path(assignment.save_checkpoint))


def _explain(error: Exception) -> str:
    """Returns the error in a line, and the last place in the code where it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" (at {Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"
