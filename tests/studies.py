"""Studies over scripted drivers, and trials by hand."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scripted_driver import ScriptedDriver

from recsearch.study.decision import Propose
from recsearch.study.journal import read_events
from recsearch.study.study import Study
from recsearch.study.trial import Assignment, Epoch, Objective, Outcome, Policy, TrialState

RMSE = Objective("rmse", "min")
FINAL = Propose("mf", {"dim": 8}, epochs=2)
RUNG_0 = Propose("mf", {"dim": 8}, epochs=2, final=False, bracket=1, rung=0)
DONE = Outcome(TrialState.COMPLETED, values={"dim": 8}, seconds=1.5, num_parameters=10)
SAVED = Outcome(TrialState.COMPLETED, values={"dim": 8}, checkpoint_saved=True)
CRASHED = Outcome(TrialState.FAILED, message="The worker process died.", crashed=True)


@contextmanager
def opened_studies() -> Iterator[Callable[..., Study]]:
    """Yields what opens a study whose driver has a script; all are closed in the end."""
    opened: list[Study] = []

    def make(
        directory: Path, *decisions, promotable: tuple[str, ...] = (), keep_best: int = 0
    ) -> Study:
        driver = ScriptedDriver(list(decisions), set(promotable))
        opened.append(Study(directory, driver, RMSE, seed=7, policy=Policy(keep_best=keep_best)))
        return opened[-1]

    yield make
    for study in opened:
        study.close()


def next_assignment(study: Study) -> Assignment:
    assignment = study.ask()
    assert isinstance(assignment, Assignment)
    return assignment


def run(study: Study, outcome: Outcome, scores: tuple[float, ...]) -> Assignment:
    """Asks, reports an epoch a score, writes the checkpoint if the outcome says so, and tells."""
    assignment = next_assignment(study)
    for number, score in enumerate(scores, assignment.initial_epoch + 1):
        study.tell_epoch(assignment.trial_id, Epoch(number, {"rmse": score}, 0.5))
    if outcome.checkpoint_saved:
        assert assignment.save_checkpoint is not None
        path = Path(assignment.save_checkpoint)
        path.parent.mkdir(exist_ok=True)
        path.touch()
    study.tell(assignment.trial_id, outcome)
    return assignment


def checkpoints(directory: Path) -> list[str]:
    return sorted(path.name for path in (directory / "checkpoints").glob("*"))


def events_of(directory: Path) -> list[str]:
    return [event.kind for event in read_events(directory / "journal.jsonl")]
