"""The folder of checkpoints: how files are called, and which of them stay on disk."""

from pathlib import Path

from recsearch.study.replay import SearchState, rank
from recsearch.study.trial import Trial, TrialState

FOLDER = "checkpoints"


class CheckpointFolder:
    """The states of trials on disk, `checkpoints/<trial>-<epoch>.npz` of a run directory.

    Args:
        directory: The run directory, absolute: workers get paths that hold from anywhere.
        keep_best: How many of the best trials that are over keep their last state.
    """

    def __init__(self, directory: Path, keep_best: int) -> None:
        self._directory = directory
        self._folder = directory / FOLDER
        self._keep_best = keep_best
        for left in self._folder.glob("*.partial"):
            left.unlink()  # of a process that was killed while it wrote

    def path(self, trial_id: str, epoch: int | str) -> Path:
        """Returns where the state of a trial after an epoch is written."""
        return self._folder / f"{trial_id}-{epoch}.npz"

    def wanted(self, trial: Trial) -> bool:
        """Returns whether the state after a trial's last epoch is worth writing."""
        return not trial.final or self._keep_best > 0

    def latest(self, trial: Trial) -> tuple[Path | None, int]:
        """Returns (file, epochs behind it) of a trial's last state; (None, 0) without one.

        A file that somebody has deleted costs time and nothing else: the trial starts anew.
        """
        if trial.checkpoint is None or not (self._directory / trial.checkpoint).is_file():
            return None, 0
        path = self._directory / trial.checkpoint
        return path, int(path.stem.rpartition("-")[2])

    def drop(self, state: SearchState) -> None:
        """Deletes what no trial can be continued from, but for the best trials that are over."""
        written = [p for kind in ("*.npz", "*.partial") for p in self._folder.glob(kind)]
        files = {f"{FOLDER}/{path.name}": path for path in written}
        needed = {trial.checkpoint for trial in state.history.not_over()}
        needed |= {trial.checkpoint for trial in self._best(state, files)}
        for name, path in files.items():
            if name not in needed and not _in_flight(path, state):
                path.unlink(missing_ok=True)

    def _best(self, state: SearchState, files: dict[str, Path]) -> list[Trial]:
        """Returns the best of those trials that are over and have a file."""
        owners = {_trial_id(path) for path in files.values()}
        over = [
            trial
            for trial in map(state.trials.get, sorted(owners))
            if trial and trial.checkpoint in files and trial.state.is_over
        ]
        scored = [trial for trial in over if trial.score is not None]
        return rank(scored, state.objective)[: self._keep_best] if state.objective else []


def _trial_id(path: Path) -> str:
    return path.name.lstrip(".").partition("-")[0]  # a partial file begins with a dot


def _in_flight(path: Path, state: SearchState) -> bool:
    """Returns whether a running trial may just have written this file."""
    trial = state.trials.get(_trial_id(path))
    return trial is not None and trial.state is TrialState.RUNNING
