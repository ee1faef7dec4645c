"""TensorBoard's event files of a run: learning curves and HParams, straight from the journal.

Each trial has a folder of its own below `tensorboard/`, with one event file; the file above them
describes the search space to the HParams page. All files are computed only from the journal, byte
by byte: a resumed run continues where a file ends, and nothing is written twice.

TensorBoard's own protocol buffers are used; none of this imports TensorFlow.
"""

import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event as TensorBoardEvent
from tensorboard.compat.proto.event_pb2 import SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.plugins.hparams.summary_v2 import (
    Discrete,
    HParam,
    IntInterval,
    Metric,
    RealInterval,
    hparams_config_pb,
    hparams_pb,
)
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.summary.writer.record_writer import RecordWriter

from recsearch.exchange.domains import Choices, Domain, domains, trial_values
from recsearch.results.run_description import Hyperparameter
from recsearch.study.events import EpochTrained, Event, TrialOver, TrialStarted
from recsearch.study.full_name import SPACE
from recsearch.study.journal import JournalFollower
from recsearch.study.replay import SearchState
from recsearch.study.trial import Trial, TrialState, best_epoch

FOLDER = "tensorboard"
FILE = "events.out.tfevents.recsearch"
SCORE = "score"
"""The curve of the best value of the objective so far: HParams shows the last value of a curve."""

_ROOT = "."


class TensorBoardLog:
    """Keeps the event files of a run in step with its journal.

    Args:
        directory: The run directory, owned by this process.
        space: The hyperparameters as run.json describes them.
    """

    def __init__(self, directory: Path, space: Sequence[Hyperparameter]) -> None:
        self.folder = directory / FOLDER
        self._domains = domains(space)
        self._follower = JournalFollower(directory / "journal.jsonl")
        self._state = SearchState()
        self._begun: set[str] = set()
        self._lengths: dict[str, int] = {}

    def update(self) -> None:
        """Writes what the journal has got since the last call; at the first call, all of it."""
        written: dict[str, list[TensorBoardEvent]] = {}
        for event in self._follower.new_events():
            self._state.apply(event)
            for folder, record in self._records(event):
                written.setdefault(folder, []).append(record)
        for folder, records in written.items():
            self._write(folder, records)

    def _records(self, event: Event) -> Iterator[tuple[str, TensorBoardEvent]]:
        """Yields (folder, record) of one event of the journal."""
        time = float(event.time)
        if isinstance(event, TrialStarted):
            for record in self._start(event, time):
                yield event.trial_id, record
        elif isinstance(event, EpochTrained):
            if _ROOT not in self._begun:
                self._begun.add(_ROOT)
                yield _ROOT, _told(time, self._experiment(event, time))
            trial = self._state.trials[event.trial_id]
            for name, value in self._scalars(trial).items():
                yield trial.trial_id, _told(time, scalar_pb(name, value), trial.curve[-1].epoch)
        elif isinstance(event, TrialOver) and self._has_ended(event):
            failed = event.state.is_lost
            yield event.trial_id, _told(time, _session_end(failed, time))

    def _has_ended(self, event: TrialOver) -> bool:
        return event.state is not TrialState.PAUSED and event.trial_id in self._begun

    def _start(self, event: TrialStarted, time: float) -> Iterator[TensorBoardEvent]:
        """Yields that a curve is drawn from here on: what it holds of later epochs is dropped."""
        trial = self._state.trials[event.trial_id]
        if trial.trial_id not in self._begun:
            self._begun.add(trial.trial_id)
            yield _told(time, _session_start(trial, time))
        start = SessionLog(status=SessionLog.START)
        yield TensorBoardEvent(wall_time=time, step=event.initial_epoch + 1, session_log=start)

    def _scalars(self, trial: Trial) -> dict[str, float]:
        """Returns the metrics of a trial's last epoch, and its score so far."""
        objective = self._state.objective
        best = best_epoch(trial.curve, objective) if objective else None
        return {**trial.curve[-1].metrics, SCORE: best[0] if best else math.nan}

    def _experiment(self, event: EpochTrained, time: float) -> Summary:
        objective = self._state.objective.name if self._state.objective else SCORE
        hparams = [HParam(name, _hparam_domain(each)) for name, each in self._domains.items()]
        if SPACE not in self._domains:
            hparams.insert(0, HParam(SPACE))
        metrics = [Metric(SCORE, display_name=f"score (best {objective})")]
        metrics += [Metric(name, display_name=name) for name in event.metrics]
        return hparams_config_pb(hparams, metrics, time_created_secs=time)

    def _write(self, folder: str, records: Sequence[TensorBoardEvent]) -> None:
        """Makes the records follow what is known of a file; what else stands there is replaced."""
        start = self._lengths.get(folder, 0)
        content = _framed(records, with_header=start == 0)
        path = self.folder / folder / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        with path.open("r+b") as file:
            file.seek(start)
            if file.read(len(content)) != content:
                file.seek(start)
                file.truncate()
                file.write(content)
        self._lengths[folder] = start + len(content)


def _framed(records: Sequence[TensorBoardEvent], *, with_header: bool) -> bytes:
    """Returns records as they stand in an event file, at its beginning after the version."""
    made = io.BytesIO()
    writer = RecordWriter(made)
    if with_header:
        header = TensorBoardEvent(wall_time=records[0].wall_time, file_version="brain.Event:2")
        records = [header, *records]
    for record in records:
        writer.write(record.SerializeToString(deterministic=True))
    return made.getvalue()


def _told(time: float, summary: Summary, step: int = 0) -> TensorBoardEvent:
    """Returns a record; TensorBoard leaves out what it holds for the plugin in no certain order."""
    for value in summary.value:
        plugin = value.metadata.plugin_data
        if plugin.plugin_name == metadata.PLUGIN_NAME:
            told = plugin_data_pb2.HParamsPluginData.FromString(plugin.content)
            plugin.content = told.SerializeToString(deterministic=True)
    return TensorBoardEvent(wall_time=time, step=step, summary=summary)


def _session_start(trial: Trial, time: float) -> Summary:
    return hparams_pb(trial_values(trial), trial_id=f"trial {trial.trial_id}", start_time_secs=time)


def _session_end(failed: bool, time: float) -> Summary:
    status = api_pb2.STATUS_FAILURE if failed else api_pb2.STATUS_SUCCESS
    ended = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=time)
    told = plugin_data_pb2.HParamsPluginData(session_end_info=ended)
    summary = Summary()
    summary.value.add(
        tag=metadata.SESSION_END_INFO_TAG,
        metadata=metadata.create_summary_metadata(told),
        tensor=metadata.NULL_TENSOR,
    )
    return summary


def _hparam_domain(domain: Domain) -> Any:
    """Returns the domain as TensorBoard knows it; choices of mixed types have none there."""
    if isinstance(domain, Choices):
        types = {type(value) for value in domain.values}
        return Discrete(list(domain.values)) if len(types) == 1 else None
    if domain.whole:
        return IntInterval(int(domain.low), int(domain.high))
    return RealInterval(float(domain.low), float(domain.high))
