"""Ask and tell: gives out assignments and records their results; it does not train."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from recsearch.study.checkpoints import CheckpointFolder
from recsearch.study.decision import Driver, Finish, Promote, Propose, Wait
from recsearch.study.events import JOURNAL_SCHEMA
from recsearch.study.history import History
from recsearch.study.journal import Journal, read_events
from recsearch.study.replay import SearchState, replay
from recsearch.study.trial import (
    Assignment,
    Epoch,
    Objective,
    Outcome,
    Patience,
    Policy,
    Scalar,
    Trial,
    TrialState,
    best_epoch,
)

MAX_CRASHES = 2  # of its worker: then a trial has failed
MAX_FRUITLESS_SESSIONS = 5  # in a row: then the trials that ran in the last one have failed
MAX_STARTS = 12  # that all ended with a killed run: then a trial has failed in any case


def trial_seed(seed: int, trial_id: str) -> int:
    """Returns the seed of one trial, in 0..2^31-1; neighbouring seeds and ids are unrelated."""
    digest = hashlib.sha256(f"{seed}/{trial_id}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


ReadValues = Callable[[str, Mapping[str, Scalar]], Mapping[str, Scalar]]


DEFAULT_POLICY = Policy()


class Study:
    """The single writer of a search's journal.

    All pending trials share one queue: proposed or promoted by the driver, enqueued by the user, or
    waiting for another attempt after a crash. Opening an existing journal continues it.

    Args:
        directory: The run directory.
        driver: Decides what to try next.
        objective: The metric to optimise.
        seed: Seeds every trial, together with its id.
        policy: How long trials last, and which states are kept.
        reads: Returns the values of a configuration that its builder reads, before it is trained.
            Only these values are recorded, so no two trials differ only in unused values.
    """

    def __init__(
        self,
        directory: Path,
        driver: Driver,
        objective: Objective,
        seed: int,
        reads: ReadValues = lambda space, values: values,
        *,
        policy: Policy = DEFAULT_POLICY,
    ) -> None:
        self.directory = directory.resolve()
        self.driver = driver
        self._reads = reads
        self._foreseen: tuple[Propose, Mapping[str, Scalar]] | None = None
        self.seed = seed
        self.policy = policy
        path = directory / "journal.jsonl"
        self.state = replay(read_events(path)) if path.exists() else SearchState()
        self._journal = Journal(path)
        self._record(
            "study", schema=JOURNAL_SCHEMA, objective=objective.name, direction=objective.direction
        )
        self.objective = objective
        self._checkpoints = CheckpointFolder(self.directory, policy.keep_best)
        self._requeue_killed()

    @property
    def trials(self) -> History:
        """All trials, in the order of their ids."""
        return self.state.history

    def enqueue(self, proposal: Propose) -> str:
        """Puts a configuration into the queue; returns its trial id."""
        trial_id = f"{len(self.trials):04d}"
        self._record(
            "trial_waiting",
            trial_id=trial_id,
            space=proposal.space,
            values=dict(self._values_read(proposal)),
            epochs=proposal.epochs,
            final=proposal.final,
            bracket=proposal.bracket,
            rung=proposal.rung,
        )
        return trial_id

    def look_ahead(self) -> None:
        """Finds the values that the next proposal's builder reads, if the next one is known.

        This builds a model. While all workers are busy, no worker waits for it.
        """
        proposal = self.driver.foresee(self.trials)
        if proposal is not None:
            self._foreseen = proposal, self._values_read(proposal)

    def _values_read(self, proposal: Propose) -> Mapping[str, Scalar]:
        if self._foreseen is not None and self._foreseen[0] == proposal:
            return self._foreseen[1]
        return self._reads(proposal.space, proposal.values)

    def ask(self) -> Assignment | Wait | Finish:
        """Returns the next assignment, journaled as started; or why there is none."""
        waiting = self.trials.in_state(TrialState.WAITING)
        if waiting:
            return self._start(waiting[0])
        decision = self.driver.propose(self.trials)
        if isinstance(decision, Wait | Finish):
            return decision
        return self._start(self.state.trials[self._accept(decision)])

    def _accept(self, decision: Propose | Promote) -> str:
        if isinstance(decision, Propose):
            return self.enqueue(decision)
        trial = self.state.trials[decision.trial_id]
        promoted = replace(trial, epochs=decision.epochs, final=decision.final, rung=decision.rung)
        self._wait_again(promoted, fresh_rung=True)
        return trial.trial_id

    def _start(self, trial: Trial) -> Assignment:
        checkpoint, initial_epoch = self._checkpoints.latest(trial)
        path = self._checkpoints.path
        save = path(trial.trial_id, trial.epochs) if self._checkpoints.wanted(trial) else None
        assignment = Assignment(
            trial_id=trial.trial_id,
            space=trial.space,
            values=trial.values,
            initial_epoch=initial_epoch,
            epochs=trial.epochs,
            seed=trial_seed(self.seed, trial.trial_id),
            load_checkpoint=str(checkpoint) if checkpoint else None,
            save_checkpoint=str(save) if save else None,
            stop_checkpoint=str(path(trial.trial_id, "{epoch}")),
            attempt=trial.attempt + 1,
            may_continue=not trial.final,
            patience=self._patience(trial, initial_epoch),
        )
        self._record(
            "trial_started",
            trial_id=trial.trial_id,
            attempt=assignment.attempt,
            initial_epoch=initial_epoch,
            epochs=trial.epochs,
        )
        return assignment

    def _patience(self, trial: Trial, initial_epoch: int) -> Patience | None:
        if self.policy.patience is None:
            return None
        earlier = tuple(point for point in trial.curve if point.epoch <= initial_epoch)
        return Patience(self.objective, self.policy.patience, earlier)

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
        if outcome.crashed and trial.crashes + 1 < MAX_CRASHES:
            self._wait_again(trial, crashed=True)
            return
        state, message = self._verdict(trial, outcome)
        if outcome.checkpoint_saved and state in (TrialState.COMPLETED, TrialState.WAITING):
            self._keep_checkpoint(trial, outcome.curve[-1].epoch if outcome.curve else trial.epochs)
        if state is TrialState.WAITING:
            stopped = replace(trial, seconds=trial.seconds + outcome.seconds)
            self._wait_again(stopped, fresh_rung=True)
            return
        over = trial.final or outcome.stopped_itself
        paused = state is TrialState.COMPLETED and not over
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
            model=outcome.model,
        )
        self._stop_losers()
        self._checkpoints.drop(self.state)

    def _keep_checkpoint(self, trial: Trial, epoch: int) -> None:
        path = self._checkpoints.path(trial.trial_id, epoch).relative_to(self.directory)
        self._record("checkpoint", trial_id=trial.trial_id, epoch=epoch, path=str(path))

    def _verdict(self, trial: Trial, outcome: Outcome) -> tuple[TrialState, str]:
        """Returns the state and the message of a trial; without a finite score it has failed."""
        best = best_epoch(trial.curve, self.objective)
        if outcome.state is TrialState.COMPLETED and best is None:
            return TrialState.FAILED, f"{self.objective.name} was never a finite number."
        if outcome.state is TrialState.STOPPED_EARLY and best is None:
            return TrialState.FAILED, outcome.message
        return outcome.state, outcome.message

    def finish(self) -> None:
        """Closes the search: a trial that still waits for a promotion will not get one."""
        for trial in self.trials.in_state(TrialState.PAUSED):
            self._stop(trial)
        self._checkpoints.drop(self.state)

    def stage(self, name: str, result: dict[str, Any]) -> None:
        """Records that an end stage is done, with its result."""
        self._record("stage", stage=name, result=result)

    def reopen(self) -> None:
        """Records that the search continues after its end stages, which will run again."""
        self._record("reopened")

    def test_look(self) -> None:
        """Records that the test part is about to be evaluated; every evaluation is counted."""
        self._record("test_look")

    def note(self, text: str) -> None:
        """Records a remark for the user."""
        self._record("note", text=text)

    def close(self) -> None:
        """Closes the journal."""
        self._journal.close()

    def _record(self, event: str, **fields: Any) -> None:
        self.state.apply(self._journal.append(event, **fields))

    def interrupt(self) -> None:
        """Puts the running trials back into the queue: they were stopped, they have not failed."""
        for trial in self.trials.in_state(TrialState.RUNNING):
            self._wait_again(trial, fresh_rung=True)

    def _requeue_killed(self) -> None:
        """Puts the trials that were running when the last owner was killed into the queue again.

        A kill is rarely their fault: usually only a worker dies. But a trial that takes the machine
        down each time must not block all others.
        """
        fruitless = self.state.fruitless_sessions >= MAX_FRUITLESS_SESSIONS
        for trial in self.trials.in_state(TrialState.RUNNING):
            if not fruitless and trial.attempt < MAX_STARTS:
                self._wait_again(trial)
            else:
                message = f"The run was killed {trial.attempt} times while this trial was running."
                self.tell(trial.trial_id, Outcome(TrialState.FAILED, message=message))

    def _wait_again(self, trial: Trial, *, fresh_rung: bool = False, crashed: bool = False) -> None:
        """Puts a known trial back into the queue; a fresh rung sets its attempts to 0."""
        self._record(
            "trial_waiting",
            trial_id=trial.trial_id,
            epochs=trial.epochs,
            final=trial.final,
            bracket=trial.bracket,
            rung=trial.rung,
            seconds=round(trial.seconds, 3),
            fresh_rung=fresh_rung,
            crashed=crashed,
        )

    def _stop_losers(self) -> None:
        """Ends the paused trials that the driver can no longer promote."""
        promotable = self.driver.promotable(self.trials)
        for trial in self.trials.in_state(TrialState.PAUSED):
            if trial.trial_id not in promotable:
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
