"""Ask and tell: hands out assignments, records what came of them, and knows nothing of training."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from recsearch.tuning.drivers.decision import Driver, Finish, Promote, Propose, Wait
from recsearch.tuning.journal import SCHEMA, Journal, read_events
from recsearch.tuning.replay import SearchState, replay
from recsearch.tuning.trial import (
    Assignment,
    Epoch,
    Objective,
    Outcome,
    Scalar,
    Trial,
    TrialState,
    best_epoch,
)

MAX_ATTEMPTS = 2  # how often a trial may take its worker down before it counts as failed
MAX_OWNER_DEATHS = 5  # how often it may be there when the whole run is killed


def trial_seed(seed: int, trial_id: str) -> int:
    """Returns the seed of one trial, in 0..2^31-1; neighbouring seeds and ids are unrelated."""
    digest = hashlib.sha256(f"{seed}/{trial_id}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


Reads = Callable[[str, Mapping[str, Scalar]], Mapping[str, Scalar]]


class Study:
    """The single writer of a search's journal.

    Trials wait in one queue for whatever reason: proposed or promoted by the driver, enqueued by
    the user, or to be run again after a crash. Opening a journal that exists continues it.

    Args:
        directory: The run directory.
        driver: Decides what to try.
        objective: What is optimised.
        seed: Seeds every trial, together with its id.
        reads: Tells which of a configuration's values its builder reads, before it is trained. Only
            those are recorded, so that no two trials differ in values that nobody reads.
    """

    def __init__(
        self,
        directory: Path,
        driver: Driver,
        objective: Objective,
        seed: int,
        reads: Reads = lambda space, values: values,
    ) -> None:
        self.directory = directory.resolve()  # workers get paths that hold from anywhere
        self.driver = driver
        self._reads = reads
        self.seed = seed
        path = directory / "journal.jsonl"
        self.state = replay(read_events(path)) if path.exists() else SearchState()
        self._journal = Journal(path)
        self._record(
            "study", schema=SCHEMA, objective=objective.name, direction=objective.direction
        )
        self.objective = objective
        for left in (self.directory / "checkpoints").glob("*.partial"):
            left.unlink()  # of a process that was killed while it wrote
        self._requeue_killed()

    @property
    def trials(self) -> list[Trial]:
        """All trials, in the order of their ids."""
        return list(self.state.trials.values())

    def enqueue(self, proposal: Propose) -> str:
        """Puts a configuration into the queue; returns its trial id."""
        trial_id = f"{len(self.state.trials):04d}"
        self._record(
            "trial_waiting",
            trial_id=trial_id,
            space=proposal.space,
            values=dict(self._reads(proposal.space, proposal.values)),
            epochs=proposal.epochs,
            final=proposal.final,
            bracket=proposal.bracket,
            rung=proposal.rung,
        )
        return trial_id

    def ask(self) -> Assignment | Wait | Finish:
        """Returns the next assignment, journaled as started; or why there is none."""
        trial = next((t for t in self.trials if t.state is TrialState.WAITING), None)
        if trial is None:
            decision = self.driver.propose(self.trials)
            if isinstance(decision, Wait | Finish):
                return decision
            trial = self.state.trials[self._accept(decision)]
        return self._start(trial)

    def _accept(self, decision: Propose | Promote) -> str:
        if isinstance(decision, Propose):
            return self.enqueue(decision)
        trial = self.state.trials[decision.trial_id]
        promoted = replace(trial, epochs=decision.epochs, final=decision.final, rung=decision.rung)
        self._wait_again(promoted, fresh_rung=True)
        return trial.trial_id

    def _start(self, trial: Trial) -> Assignment:
        initial_epoch = _checkpoint_epoch(trial)
        assignment = Assignment(
            trial_id=trial.trial_id,
            space=trial.space,
            values=trial.values,
            initial_epoch=initial_epoch,
            epochs=trial.epochs,
            seed=trial_seed(self.seed, trial.trial_id),
            load_checkpoint=str(self.directory / trial.checkpoint) if trial.checkpoint else None,
            save_checkpoint=None
            if trial.final
            else str(self._checkpoint_path(trial, trial.epochs)),
            stop_checkpoint=str(self._checkpoint_path(trial, "{epoch}")),
            attempt=trial.attempt + 1,
        )
        self._record(
            "trial_started",
            trial_id=trial.trial_id,
            attempt=assignment.attempt,
            initial_epoch=initial_epoch,
            epochs=trial.epochs,
        )
        return assignment

    def _checkpoint_path(self, trial: Trial, epoch: int | str) -> Path:
        return self.directory / "checkpoints" / f"{trial.trial_id}-{epoch}.npz"

    def tell_epoch(self, trial_id: str, point: Epoch) -> None:
        """Records one epoch of a running trial."""
        self._record(
            "epoch",
            trial_id=trial_id,
            epoch=point.epoch,
            metrics=dict(point.metrics),
            seconds=round(point.seconds, 4),
        )

    def tell(self, trial_id: str, outcome: Outcome) -> None:
        """Records how an assignment ended: one transaction of score and checkpoint."""
        trial = self.state.trials[trial_id]
        if outcome.crashed and trial.attempt < MAX_ATTEMPTS:
            self._wait_again(trial)
            return
        state, message = self._verdict(trial, outcome)
        if outcome.checkpoint_saved and state in (TrialState.COMPLETED, TrialState.WAITING):
            self._keep_checkpoint(trial, outcome.curve[-1].epoch if outcome.curve else trial.epochs)
        if state is TrialState.WAITING:
            self._wait_again(trial, fresh_rung=True)
            return
        paused = state is TrialState.COMPLETED and not trial.final
        fields: dict[str, Any] = {} if paused else {"state": state}
        self._record(
            "trial_paused" if paused else "trial_ended",
            trial_id=trial_id,
            **fields,
            values=dict(outcome.values) or dict(trial.values),
            seconds=round(trial.seconds + outcome.seconds, 3),
            num_parameters=outcome.num_parameters,
            peak_memory_mb=round(outcome.peak_memory_mb, 1),
            message=message,
        )
        self._stop_losers()
        self._drop_checkpoints()

    def _keep_checkpoint(self, trial: Trial, epoch: int) -> None:
        path = self._checkpoint_path(trial, epoch).relative_to(self.directory)
        self._record("checkpoint", trial_id=trial.trial_id, epoch=epoch, path=str(path))

    def _verdict(self, trial: Trial, outcome: Outcome) -> tuple[TrialState, str]:
        """Returns the state that the trial has earned; without a finite score it has failed."""
        best = best_epoch(trial.curve, self.objective)
        if outcome.state is TrialState.COMPLETED and best is None:
            return TrialState.FAILED, f"{self.objective.name} was never a finite number."
        if outcome.state is TrialState.STOPPED_EARLY and best is None:
            return TrialState.FAILED, outcome.message
        return outcome.state, outcome.message

    def finish(self) -> None:
        """Closes the search: a trial that still waits for a promotion will not get one."""
        for trial in self.trials:
            if trial.state is TrialState.PAUSED:
                self._stop(trial)
        self._drop_checkpoints()

    def stage(self, name: str, result: dict[str, Any]) -> None:
        """Records that an end stage is done, and what it left."""
        self._record("stage", stage=name, result=result)

    def reopen(self) -> None:
        """Records that the search goes on after its end stages: they will be run again."""
        self._record("reopened")

    def test_look(self) -> None:
        """Records that the test part is about to be looked at; every look is counted."""
        self._record("test_look")

    def note(self, text: str) -> None:
        """Records a remark for people."""
        self._record("note", text=text)

    def close(self) -> None:
        """Closes the journal."""
        self._journal.close()

    def _record(self, event: str, **fields: Any) -> None:
        self.state.apply(self._journal.append(event, **fields))

    def interrupt(self) -> None:
        """Puts the running trials back into the queue: the user stopped them, they did not fail."""
        for trial in self.trials:
            if trial.state is TrialState.RUNNING:
                self._wait_again(trial, fresh_rung=True)

    def _requeue_killed(self) -> None:
        """Takes up the trials that were running when the last owner was killed."""
        for trial in self.trials:
            if trial.state is TrialState.RUNNING and trial.attempt < MAX_OWNER_DEATHS:
                self._wait_again(trial)
            elif trial.state is TrialState.RUNNING:
                message = f"The run was killed {trial.attempt} times while this trial was running."
                self.tell(trial.trial_id, Outcome(TrialState.FAILED, message=message))

    def _wait_again(self, trial: Trial, fresh_rung: bool = False) -> None:
        """Puts a known trial back into the queue; on a fresh rung its attempts count anew."""
        self._record(
            "trial_waiting",
            trial_id=trial.trial_id,
            epochs=trial.epochs,
            final=trial.final,
            bracket=trial.bracket,
            rung=trial.rung,
            fresh_rung=fresh_rung,
        )

    def _stop_losers(self) -> None:
        """Ends the paused trials that no decision of the driver can promote any more."""
        promotable = self.driver.promotable(self.trials)
        for trial in self.trials:
            if trial.state is TrialState.PAUSED and trial.trial_id not in promotable:
                self._stop(trial)

    def _stop(self, trial: Trial) -> None:
        self._record(
            "trial_ended",
            trial_id=trial.trial_id,
            state=TrialState.STOPPED_EARLY,
            values=dict(trial.values),
            seconds=trial.seconds,
            num_parameters=trial.num_parameters,
        )

    def _drop_checkpoints(self) -> None:
        """Deletes every checkpoint from which no trial can be continued any more."""
        going_on = (TrialState.WAITING, TrialState.RUNNING, TrialState.PAUSED)
        needed = {t.checkpoint for t in self.trials if t.checkpoint and t.state in going_on}
        for path in (self.directory / "checkpoints").glob("*.npz"):
            if f"checkpoints/{path.name}" not in needed and not self._in_flight(path.stem):
                path.unlink(missing_ok=True)

    def _in_flight(self, stem: str) -> bool:
        """Returns whether a running trial may just have written this checkpoint."""
        trial = self.state.trials.get(stem.partition("-")[0])
        return trial is not None and trial.state is TrialState.RUNNING


def _checkpoint_epoch(trial: Trial) -> int:
    """Returns how many epochs the trial's checkpoint has behind it; 0 without one."""
    if trial.checkpoint is None:
        return 0
    return int(Path(trial.checkpoint).stem.rpartition("-")[2])
