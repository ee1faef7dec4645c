"""What the end stages work on: plain values, so that they can run in another process."""

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
class Finale:
    """What the end stages work on.

    Attributes:
        directory: The run directory, as an absolute path: user code may change the current one.
        setup: The families.
        objective: What the search optimised.
        seed: The seed of the run.
        winner: The best trial by validation.
        metrics: What is measured on the test part.
        split: How the parts were made, in words.
        validation: How the epochs of the search were measured, in words.
        num_seeds: How often the winner is retrained, each time with another seed.
        stages: Name of a stage that is done -> its result.
        announce: Gets a line for people, or None as a sign of life.
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
        """The families, with their builders: user code."""
        return loaded(self.setup)

    def require_same_builder(self) -> None:
        """Refuses a builder that builds another model of the winner than it did for the search.

        Raises:
            RunDirectoryError: If its layers, weights, optimizer or loss differ.
        """
        winner = self.winner
        if not winner.model:
            return  # the run is of an earlier version
        spec = read_spec(self.directory / "data" / "search")
        keras.utils.set_random_seed(trial_seed(self.seed, winner.trial_id))  # it may draw numbers
        built = self.space.build(winner.space, winner.values, spec)
        if model_fingerprint(built.recommender.to_train) != winner.model:
            raise RunDirectoryError(
                f"The builder of {winner.space} now builds another model for trial "
                f"{winner.trial_id} than the search has trained: its source was edited. Restore "
                "the builder and resume, or start a new run."
            )

    @property
    def best_dir(self) -> Path:
        """Where the results of the finalist are."""
        return self.directory / "best"

    def model_path(self, number: int) -> Path:
        """Returns where the model of a retraining is; the first one (0) is exported."""
        return self.best_dir / ("model.keras" if number == 0 else f"model-seed-{number}.keras")

    def final_data(self) -> PreparedData:
        """Returns train + validation, with the test part held out."""
        return open_prepared(self.directory / "data" / "final")

    def search_data(self) -> PreparedData:
        """Returns train, with the validation part held out."""
        return open_prepared(self.directory / "data" / "search")
