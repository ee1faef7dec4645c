"""The folder of checkpoints: names of files, and which files are kept."""

from pathlib import Path

from recsearch.study.replay import SearchState, rank
from recsearch.study.trial import Trial, TrialState

FOLDER = "checkpoints"


class CheckpointFolder:
    """The states of trials on disk, `checkpoints/<trial>-<epoch>.npz` of a run directory.

    Args:
        directory: The run directory as an absolute path: workers have other working directories.
        keep_best: Number of the best ended trials that keep their last state.
    """

    def __init__(self, directory: Path, keep_best: int) -> None:
        self._directory = directory
        self._folder = directory / FOLDER
        self._keep_best = keep_best
        for left in self._folder.glob("*.partial"):
            left.unlink()  # of a process that was killed while writing

    def path(self, trial_id: str, epoch: int | str) -> Path:
        """Returns where the state of a trial after an epoch is written."""
        return self._folder / f"{trial_id}-{epoch}.npz"

    def wanted(self, trial: Trial) -> bool:
        """Returns whether the state after a trial's last epoch should be written."""
        return not trial.final or self._keep_best > 0

    def latest(self, trial: Trial) -> tuple[Path | None, int]:
        """Returns (file, trained epochs) of a trial's last state; (None, 0) without one.

        If the file was deleted, the trial starts again from its first epoch.
        """
        if trial.checkpoint is None or not (self._directory / trial.checkpoint).is_file():
            return None, 0
        path = self._directory / trial.checkpoint
        return path, int(path.stem.rpartition("-")[2])

    def drop(self, state: SearchState) -> None:
        """Deletes states that no trial needs, except those of the best ended trials."""
        written = [p for kind in ("*.npz", "*.partial") for p in self._folder.glob(kind)]
        files = {f"{FOLDER}/{path.name}": path for path in written}
        needed = {trial.checkpoint for trial in state.history.not_over()}
        needed |= {trial.checkpoint for trial in self._best(state, files)}
        for name, path in files.items():
            if name not in needed and not _in_flight(path, state):
                path.unlink(missing_ok=True)

    def _best(self, state: SearchState, files: dict[str, Path]) -> list[Trial]:
        """Returns the best trials that have ended and have a file."""
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
    """Returns whether a running trial may have just written this file."""
    trial = state.trials.get(_trial_id(path))
    return trial is not None and trial.state is TrialState.RUNNING
