"""Runs one trial, from an assignment to an outcome; every engine uses it."""

import errno
import logging
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from recsearch.data.store import open_prepared
from recsearch.evaluation.protocol import EvaluationProtocol, evaluate, trial_protocol
from recsearch.pipeline import Pipeline
from recsearch.scoring.model_scorer import ModelScorer
from recsearch.study.trial import Assignment, Built, Epoch, Outcome, TrialState
from recsearch.system.resources import peak_memory_mb
from recsearch.text.printable import error_text
from recsearch.training.fit import Fitter
from recsearch.tuning.engines.kept_models import KeptModels, LiveModel
from recsearch.tuning.space.fingerprint import model_fingerprint
from recsearch.tuning.space.overrides import Override
from recsearch.tuning.space.search_space import SearchSpace, load_space

logger = logging.getLogger(__name__)

Report = Callable[[Built | Epoch], None]
Note = Callable[[Epoch], None]
Stop = Callable[[], bool]


@dataclass(frozen=True)
class RunnerSetup:
    """Settings of every worker of a search: plain values, so they can be sent to any process.

    Attributes:
        spaces: References of the families, as in `load_space`.
        overrides: Narrow hyperparameters.
        data_dir: Prepared data of the search: train and validation, no test.
        metrics: Names of the metrics that are measured after each epoch, with the objective.
        seed: Seeds the sample of users for whom the catalogue is ranked.
        max_parameters: Larger models are not trained; None for no limit.
        validation_users: The number of users for whom the catalogue is ranked; None derives it from
            the data.
    """

    spaces: tuple[str, ...]
    overrides: tuple[Override, ...]
    data_dir: str
    metrics: tuple[str, ...]
    seed: int
    max_parameters: int | None = None
    validation_users: int | None = None


@dataclass(frozen=True)
class _Ending:
    """How the training of an assignment ended; the fields are those of `Outcome`."""

    state: TrialState
    checkpoint_saved: bool = False
    stopped_itself: bool = False


class TrialRunner:
    """Runs assignments in this process, one after another, on arrays that are prepared once.

    Args:
        space: The families.
        pipeline: The arrays, and the batches made from them.
        protocol: How each epoch is measured.
        max_parameters: Larger models are not trained; None for no limit.
    """

    def __init__(
        self,
        space: SearchSpace,
        pipeline: Pipeline,
        protocol: EvaluationProtocol,
        max_parameters: int | None = None,
    ) -> None:
        self.space = space
        self.pipeline = pipeline
        self.protocol = protocol
        self.max_parameters = max_parameters
        self._kept = KeptModels()

    @classmethod
    def of(cls, setup: RunnerSetup) -> "TrialRunner":
        """Returns the runner that a setup describes."""
        data = open_prepared(Path(setup.data_dir))
        protocol = trial_protocol(data, setup.metrics, setup.seed, setup.validation_users)
        space = load_space(setup.spaces, setup.overrides)
        return cls(space, Pipeline(data), protocol, setup.max_parameters)

    def run(self, assignment: Assignment, report: Report, stop: Stop = lambda: False) -> Outcome:
        """Trains and measures one trial; any error in it becomes a FAILED outcome.

        Args:
            assignment: The trial.
            report: Called with the news: the model is built, an epoch has ended.
            stop: Called after every epoch; True ends the trial, which can be continued later.
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
            message=f"{outline.num_parameters:,} parameters, more than the limit of "
            f"{self.max_parameters:,}.",
        )

    def _train(self, assignment: Assignment, report: Report, stop: Stop) -> Outcome:
        started = time.perf_counter()
        curve: list[Epoch] = []
        live: LiveModel | None = None
        message, ending, disk_full = "", _Ending(TrialState.FAILED), False

        def note(point: Epoch) -> None:
            curve.append(point)
            report(point)

        keras.utils.clear_session(free_memory=False)
        keras.utils.set_random_seed(assignment.seed)
        try:
            live = self._live_model(assignment)
            report(Built())
            ending = self._fit(live, assignment, note, stop)
        except KeyboardInterrupt:
            raise  # in the user's process this is Ctrl-C
        except BaseException as error:  # a trial may fail in any way
            message = _explain(error)
            disk_full = isinstance(error, OSError) and error.errno == errno.ENOSPC
            logger.debug("trial %s failed", assignment.trial_id, exc_info=True)
        if live and ending.state is TrialState.COMPLETED and assignment.may_continue:
            self._kept.keep(assignment.trial_id, live)
        return Outcome(
            state=ending.state,
            curve=tuple(curve),
            values=live.built.values if live else {},
            seconds=time.perf_counter() - started,
            peak_memory_mb=peak_memory_mb(),
            num_parameters=live.num_parameters if live else None,
            message=message,
            checkpoint_saved=ending.checkpoint_saved,
            stopped_itself=ending.stopped_itself,
            model=live.fingerprint if live else "",
            disk_full=disk_full,
        )

    def _live_model(self, assignment: Assignment) -> LiveModel:
        """Returns the model of the assignment: the kept one, or a new one."""
        kept = self._kept.take(assignment.trial_id) if assignment.load_checkpoint else None
        if kept is not None:
            return kept
        data = self.pipeline.data
        built = self.space.build(assignment.space, assignment.values, data.spec)
        # Before training: callbacks may change the learning rate, and layers their state.
        fingerprint = model_fingerprint(built.recommender.to_train)
        fitter = Fitter(built.recommender, self.pipeline, assignment.seed)
        scorer = ModelScorer(built.recommender.model, self.pipeline.feed, data.spec)
        return LiveModel(built, fitter, scorer, fingerprint)

    def _fit(self, live: LiveModel, assignment: Assignment, note: Note, stop: Stop) -> _Ending:
        """Trains, measures and reports epoch by epoch, and saves the state if needed."""
        fitter, scorer = live.fitter, live.scorer
        _begin(fitter, assignment)
        epoch, ended = assignment.initial_epoch, fitter.callbacks.stopped
        curve: list[Epoch] = []
        while epoch < assignment.epochs and not ended:
            started = time.perf_counter()
            metrics = fitter.run_measured_epoch(
                epoch, lambda: evaluate(scorer, self.pipeline.data, self.protocol)
            )
            epoch += 1
            curve.append(Epoch(epoch, metrics, time.perf_counter() - started))
            note(curve[-1])
            ended = fitter.callbacks.stopped or _has_no_patience(assignment, curve)
            if epoch < assignment.epochs and assignment.stop_checkpoint and stop():
                break
        over = epoch == assignment.epochs or ended
        path = _checkpoint(assignment, epoch, over)
        if path is not None:
            fitter.save(path)
        fitter.callbacks.end()  # may change the weights, so not before they are saved
        return _Ending(
            state=TrialState.COMPLETED if over else TrialState.WAITING,
            checkpoint_saved=path is not None,
            stopped_itself=ended,
        )


def _has_no_patience(assignment: Assignment, curve: Sequence[Epoch]) -> bool:
    return assignment.patience is not None and assignment.patience.is_over(curve)


def _begin(fitter: Fitter, assignment: Assignment) -> None:
    """Brings the fitter to the assignment's first epoch."""
    if assignment.load_checkpoint is None:
        fitter.pretrain()
    fitter.callbacks.begin(assignment.epochs)
    if assignment.load_checkpoint is not None:
        fitter.load(Path(assignment.load_checkpoint))


def _checkpoint(assignment: Assignment, epoch: int, over: bool) -> Path | None:
    """Returns where the state after `epoch` must be written, or None if it is not needed."""
    nothing_new = epoch == assignment.initial_epoch
    if nothing_new or (over and not assignment.save_checkpoint):
        return None
    if epoch < assignment.epochs and assignment.stop_checkpoint:
        return Path(assignment.stop_checkpoint.format(epoch=epoch))
    return Path(assignment.save_checkpoint) if assignment.save_checkpoint else None


def _explain(error: BaseException) -> str:
    """Returns the error in one line, with the last place in the code that it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" (at {Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{error_text(error)}{where}"
