"""The `hp` of a builder: narrowed by overrides, with a record of the values that were read."""

from collections.abc import Sequence
from typing import Any

import keras_tuner

from recsearch.errors import SpaceError
from recsearch.study.trial import Scalar
from recsearch.tuning.space.overrides import Override
from recsearch.tuning.space.sampling import allows


class TrackedHyperParameters(keras_tuner.HyperParameters):
    """Keras Tuner's `hp`, which also narrows by overrides and notes what a builder reads.

    Args:
        overrides: Narrow each definition that they match.
        only_declared: Whether a value outside the range that the builder declares is replaced by
            its default. For probes: they take values of one branch into another one.

    Attributes:
        read: Full name -> value of the hyperparameters that the builder asked for.
        built: What the builder returned.
    """

    def __init__(self, overrides: Sequence[Override] = (), only_declared: bool = False) -> None:
        super().__init__()
        self.overrides = tuple(overrides)
        self.only_declared = only_declared
        self.built: Any = None
        self.read: dict[str, Scalar] = {}

    def _retrieve(self, hp: Any) -> Any:
        # Keras Tuner's Int, Float, Choice, Boolean and Fixed all end here: the one place where a
        # definition can be narrowed before it is registered.
        for override in self.overrides:
            if override.matches(hp.name):
                hp = override.apply(hp)
        self._refuse_redefinition(hp)
        if self.only_declared and not allows(hp, self.values.get(hp.name, hp.default)):
            self.values[hp.name] = hp.default
        value = super()._retrieve(hp)
        if value is not None:
            self.read[hp.name] = value
        return value

    def _refuse_redefinition(self, hp: Any) -> None:
        """Keras Tuner would return the first definition's value in silence."""
        for known in self.space:
            same = known.name == hp.name and known.conditions == hp.conditions
            if same and known.get_config() != hp.get_config():
                raise SpaceError(
                    f"The hyperparameter {hp.name} is defined twice with different ranges: "
                    f"{known!r} and {hp!r}. Give one of them another name."
                )
