"""The input of the final stages: plain values, so that a stage can run in another process."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from recsearch.data.preparation import PreparedData
from recsearch.data.store import open_prepared, read_spec
from recsearch.errors import RunDirectoryError
from recsearch.study.study import trial_seed
from recsearch.study.trial import Objective, Trial
from recsearch.tuning.engines.builders import SpaceSetup, loaded
from recsearch.tuning.engines.helper import Say
from recsearch.tuning.space.fingerprint import model_fingerprint
from recsearch.tuning.space.search_space import SearchSpace


@dataclass(frozen=True)
class Finalist:
    """The best trial and everything that the final stages need.

    Attributes:
        directory: Absolute path of the run directory; user code may change the current directory.
        setup: The families.
        objective: What the search optimised.
        seed: The seed of the run.
        winner: The best trial by validation.
        metrics: The metrics of the test part.
        split: The split, in words.
        validation: The validation protocol of the search, in words.
        num_seeds: Number of retrainings, each with another seed.
        stages: Name of a finished stage -> its result.
        announce: Called with each progress line, and with None as a heartbeat.
    """

    directory: Path
    setup: SpaceSetup
    objective: Objective
    seed: int
    winner: Trial
    metrics: tuple[str, ...]
    split: str
    validation: str
    num_seeds: int = 1
    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    announce: Say = print

    @property
    def space(self) -> SearchSpace:
        """The families with their builders, which are user code."""
        return loaded(self.setup)

    def require_same_builder(self) -> None:
        """Refuses a builder that now builds a different model for the winning trial.

        Raises:
            RunDirectoryError: If its layers, weights, optimizer or loss differ.
        """
        winner = self.winner
        if not winner.model:
            return  # the run was created by an earlier version
        spec = read_spec(self.directory / "data" / "search")
        keras.utils.set_random_seed(trial_seed(self.seed, winner.trial_id))  # builders may draw
        built = self.space.build(winner.space, winner.values, spec)
        if model_fingerprint(built.recommender.to_train) != winner.model:
            raise RunDirectoryError(
                f"The builder of {winner.space} now builds a different model for trial "
                f"{winner.trial_id} than during the search: its source was edited. Restore "
                "the builder and resume, or start a new run."
            )

    @property
    def best_dir(self) -> Path:
        """The directory of the results of the finalist."""
        return self.directory / "best"

    def model_path(self, number: int) -> Path:
        """Returns the path of the model of a retraining; the first (0) is exported."""
        return self.best_dir / ("model.keras" if number == 0 else f"model-seed-{number}.keras")

    def final_data(self) -> PreparedData:
        """Returns train + validation, with the test part held out."""
        return open_prepared(self.directory / "data" / "final")

    def search_data(self) -> PreparedData:
        """Returns train, with the validation part held out."""
        return open_prepared(self.directory / "data" / "search")
