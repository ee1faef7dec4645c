"""Models that stay in their worker between two rungs of a trial.

A promoted trial that comes back to the worker that trained it before finds its model built and its
epoch traced, which is what a short rung mostly costs. Its numbers come from the checkpoint in any
case, so that they are the same wherever it goes on.
"""

from collections import OrderedDict
from dataclasses import dataclass

from recsearch.scoring.model_scorer import ModelScorer
from recsearch.training.fit import Fitter
from recsearch.tuning.space.search_space import BuiltModel

MAX_MODELS = 8
MAX_PARAMETERS = 5_000_000  # of all models kept: 60 MB with the two slots of Adam


@dataclass(frozen=True)
class LiveModel:
    """What a trial is trained and measured with.

    Attributes:
        built: The model, and the values that its builder read.
        fitter: Trains it.
        scorer: Scores with it.
        fingerprint: Of the model as it was built, by which an edited builder shows.
    """

    built: BuiltModel
    fitter: Fitter
    scorer: ModelScorer
    fingerprint: str

    @property
    def num_parameters(self) -> int:
        """The size of the model."""
        return int(self.built.recommender.model.count_params())


class KeptModels:
    """The models of the trials that a process trained last, within bounds of number and size."""

    def __init__(self) -> None:
        self._models: OrderedDict[str, LiveModel] = OrderedDict()

    def __len__(self) -> int:
        """Returns how many there are."""
        return len(self._models)

    def keep(self, trial_id: str, live: LiveModel) -> None:
        """Keeps the model of a trial, unless it remembers something that no checkpoint holds.

        Those that were kept first make room for it.
        """
        if _remembers_more_than_a_checkpoint(live.fitter):
            return
        self._models[trial_id] = live
        while len(self) > MAX_MODELS or self._num_parameters() > MAX_PARAMETERS:
            self._models.popitem(last=False)

    def take(self, trial_id: str) -> LiveModel | None:
        """Returns the model of a trial, which is kept no longer; None if it is not here."""
        return self._models.pop(trial_id, None)

    def _num_parameters(self) -> int:
        return sum(live.num_parameters for live in self._models.values())


def _remembers_more_than_a_checkpoint(fitter: Fitter) -> bool:
    """Returns whether there are callbacks, or random numbers that are not those of Keras.

    `tf.random` and its generators go on where they were, in a graph that was kept; in one that is
    traced anew they begin again. Keras' numbers come from variables, which checkpoints hold.
    """
    drawn = ("Random", "Stateful", "Rng", "Multinomial", "TruncatedNormal", "Parameterized")
    return len(fitter.callbacks) > 0 or any(kind.startswith(drawn) for kind in fitter.operations())
