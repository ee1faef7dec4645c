"""What the end stages work on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from recsearch.data.preparation import PreparedData
from recsearch.data.store import open_prepared
from recsearch.tuning.space import SearchSpace
from recsearch.tuning.study import Study
from recsearch.tuning.trial import Objective, Trial


@dataclass(frozen=True)
class Finale:
    """What the end stages work on.

    Attributes:
        directory: The run directory.
        study: Its journal; the search is over.
        space: The families.
        winner: The best trial by validation.
        metrics: What is measured on the test part.
        split: How the parts were made, in words.
        validation: How the epochs of the search were measured, in words.
        num_seeds: How often the winner is retrained, each time with another seed.
        announce: Is told what begins.
    """

    directory: Path
    study: Study
    space: SearchSpace
    winner: Trial
    metrics: tuple[str, ...]
    split: str
    validation: str
    num_seeds: int = 1
    announce: Callable[[str], None] = print

    @property
    def objective(self) -> Objective:
        """The objective of the search."""
        return self.study.objective

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
