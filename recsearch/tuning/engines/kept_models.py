"""Models that stay in their worker between two rungs of a trial.

A promoted trial that returns to its previous worker finds its model built and its epoch traced,
which take most of the time of a short rung. Its weights are always loaded from the checkpoint, so
the results are the same in every worker.
"""

from collections import OrderedDict
from dataclasses import dataclass

from recsearch.scoring.model_scorer import ModelScorer
from recsearch.training.fit import Fitter
from recsearch.tuning.engines.repeatable import is_repeatable
from recsearch.tuning.space.search_space import BuiltModel

MAX_MODELS = 8
MAX_PARAMETERS = 5_000_000  # of all models kept: 60 MB with the two slots of Adam


@dataclass(frozen=True)
class LiveModel:
    """The objects with which a trial is trained and measured.

    Attributes:
        built: The model, and the values that its builder read.
        fitter: Trains it.
        scorer: Scores with it.
        fingerprint: Of the model as it was built; it reveals an edited builder.
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
    """The models of the latest trials of a process, limited in number and size."""

    def __init__(self) -> None:
        self._models: OrderedDict[str, LiveModel] = OrderedDict()

    def __len__(self) -> int:
        """Returns the number of kept models."""
        return len(self._models)

    def keep(self, trial_id: str, live: LiveModel) -> None:
        """Keeps the model of a trial, unless it has state that a checkpoint does not contain.

        The oldest models make room for it.
        """
        if _remembers_more_than_a_checkpoint(live.fitter):
            return
        self._models[trial_id] = live
        while len(self) > MAX_MODELS or self._num_parameters() > MAX_PARAMETERS:
            self._models.popitem(last=False)

    def take(self, trial_id: str) -> LiveModel | None:
        """Removes and returns the model of a trial; None if it is not kept."""
        return self._models.pop(trial_id, None)

    def _num_parameters(self) -> int:
        return sum(live.num_parameters for live in self._models.values())


def _remembers_more_than_a_checkpoint(fitter: Fitter) -> bool:
    """Returns whether there are callbacks, or operations that may keep a state of their own.

    In a kept graph, `tf.random` and its generators continue; in a graph that is traced again they
    start again. Keras draws its random numbers from variables, which checkpoints contain. The
    operations of a model with `run_eagerly` are not known.
    """
    return len(fitter.callbacks) > 0 or not is_repeatable(fitter.operations())
