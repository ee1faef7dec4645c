"""An engine that looks scores up instead of training: a search takes no time, its files are real.

It needs no TensorFlow. A state that it writes is a few bytes, but written as a real one is; a trial
that continues must find the very state that it left.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from recsearch.study.trial import Assignment, Epoch, Outcome, Scalar, TrialState
from recsearch.system.files import whole_file
from recsearch.tuning.engines.engine import Message

EPOCH_SECONDS = 0.25


def table_loss(values: Mapping[str, Scalar], epoch: int) -> float:
    """Returns base + slope / epoch; both lie in 0..1 and follow from the values alone.

    Configurations of different slopes overtake each other, so that rungs do not all rank alike.
    """
    digest = hashlib.sha256(json.dumps(dict(values), sort_keys=True).encode()).digest()
    base, slope = (int.from_bytes(part, "big") / 2**32 for part in (digest[:4], digest[4:8]))
    return base + slope / epoch


@dataclass
class _Running:
    """An assignment, and what of it is done."""

    assignment: Assignment
    curve: list[Epoch] = field(default_factory=list)

    @property
    def epoch(self) -> int:
        return self.curve[-1].epoch if self.curve else self.assignment.initial_epoch


class TableEngine:
    """Runs assignments one epoch at a time, in turn, as if there were `num_workers`.

    Args:
        log: A file that gets a line for each assignment: trial, epochs before, epochs to reach.
        num_workers: How many assignments are under way at a time.
    """

    def __init__(self, log: Path, num_workers: int = 1) -> None:
        self._log = log
        self._num_workers = num_workers
        self._running: list[_Running] = []
        self._stopping = False

    def free_workers(self) -> int:
        return self._num_workers - len(self._running)

    def submit(self, assignment: Assignment) -> None:
        if self.free_workers() < 1:
            raise ValueError(f"no worker is free for trial {assignment.trial_id}")
        line = f"{assignment.trial_id} {assignment.initial_epoch} {assignment.epochs}\n"
        descriptor = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, line.encode())
        os.close(descriptor)
        read_state(assignment)
        self._running.append(_Running(assignment))

    def wait(self) -> list[Message]:
        if not self._running:
            return []
        running = self._running.pop(0)
        news = self._end(running) if self._is_over(running) else self._train(running)
        if isinstance(news, Epoch):
            self._running.append(running)
        return [Message(running.assignment.trial_id, news)]

    def stop_after_epoch(self) -> None:
        self._stopping = True

    def close(self) -> None:
        self._running.clear()

    def _is_over(self, running: _Running) -> bool:
        stopped = self._stopping and bool(running.curve)
        return stopped or running.epoch >= running.assignment.epochs

    def _train(self, running: _Running) -> Epoch:
        epoch = running.epoch + 1
        loss = table_loss(running.assignment.values, epoch)
        running.curve.append(Epoch(epoch, {"loss": loss}, EPOCH_SECONDS))
        return running.curve[-1]

    def _end(self, running: _Running) -> Outcome:
        assignment, epoch = running.assignment, running.epoch
        done = epoch >= assignment.epochs
        path = assignment.save_checkpoint if done else assignment.stop_checkpoint
        try:
            if path is not None:
                write_state(Path(path.format(epoch=epoch)), assignment.trial_id, epoch)
        except OSError as error:  # as the real one does: it is the trial's failure
            return Outcome(TrialState.FAILED, message=f"OSError: {error}")
        return Outcome(
            TrialState.COMPLETED if done else TrialState.WAITING,
            curve=tuple(running.curve),
            values=assignment.values,
            seconds=EPOCH_SECONDS * len(running.curve),
            checkpoint_saved=path is not None,
        )


def write_state(path: Path, trial_id: str, epoch: int) -> None:
    """Writes what a trial continues from, with the protocol of the real checkpoints."""
    with whole_file(path) as file:
        file.write(json.dumps({"trial_id": trial_id, "epoch": epoch}).encode())


def read_state(assignment: Assignment) -> None:
    """Proves that an assignment is given the state that it needs.

    Raises:
        ValueError: If it is of another trial or epoch, or missing.
    """
    path, expected = assignment.load_checkpoint, assignment.initial_epoch
    if path is None and expected == 0:
        return
    text = Path(path).read_text() if path else "nothing"
    if text != json.dumps({"trial_id": assignment.trial_id, "epoch": expected}):
        raise ValueError(f"trial {assignment.trial_id} needs epoch {expected}, received {text}")
