"""The `hp` of a builder: narrowed by overrides, with a record of the values that were read."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import wraps
from typing import Any

import keras_tuner

from recsearch.errors import SpaceError
from recsearch.study.trial import Scalar
from recsearch.tuning.space import kinds
from recsearch.tuning.space.overrides import Override
from recsearch.tuning.space.sampling import allows


def _narrowed(kind: type) -> Callable[..., Any]:
    """Returns the method that defines a hyperparameter of a kind, as Keras Tuner's, but narrowed.

    Args:
        kind: Int, Float, Choice, Boolean or Fixed; the method of Keras Tuner has the same name.
    """
    original = getattr(keras_tuner.HyperParameters, kind.__name__)
    signature = inspect.signature(original)

    @wraps(original)
    def define(self: "TrackedHyperParameters", *args: Any, **kwargs: Any) -> Any:
        given = dict(signature.bind(self, *args, **kwargs).arguments)
        del given["self"]
        parent = given.pop("parent_name", None), given.pop("parent_values", None)
        with self.parent_scope(*parent):
            return self.define(kind, str(given.pop("name")), given)

    return define


class TrackedHyperParameters(keras_tuner.HyperParameters):
    """Keras Tuner's `hp`, which also narrows by overrides and notes what a builder reads.

    Args:
        overrides: Narrow each definition that they match.
        only_declared: Whether a value outside the range that the builder declares is replaced by
            its default. For probes: they take values of one branch into another one.

    Attributes:
        read: Full name -> value of the hyperparameters that the builder asked for.
    """

    Int = _narrowed(kinds.Int)
    Float = _narrowed(kinds.Float)
    Choice = _narrowed(kinds.Choice)
    Boolean = _narrowed(kinds.Boolean)
    Fixed = _narrowed(kinds.Fixed)

    def __init__(self, overrides: Sequence[Override] = (), only_declared: bool = False) -> None:
        super().__init__()
        self.overrides = tuple(overrides)
        self.only_declared = only_declared
        self.read: dict[str, Scalar] = {}
        self._open_names: list[str] = []
        self._open_conditions: list[list[Any]] = [[]]

    @contextmanager
    def name_scope(self, name: str) -> Iterator[None]:
        """Puts `name/` before the names that are defined inside."""
        with super().name_scope(name):
            self._open_names.append(name)
            try:
                yield
            finally:
                self._open_names.pop()

    @contextmanager
    def conditional_scope(self, parent_name: str, parent_values: Any) -> Iterator[None]:
        """Lets what is defined inside be active only at these values of a parent."""
        num_active = len(self.active_scopes)
        with super().conditional_scope(parent_name, parent_values):
            is_active = len(self.active_scopes) > num_active
            # The scope that was entered last: all conditions that hold inside it.
            scopes = self.active_scopes if is_active else self.inactive_scopes
            self._open_conditions.append(scopes[-1])
            try:
                yield
            finally:
                self._open_conditions.pop()

    def parent_scope(
        self, parent_name: str | None, parent_values: Any
    ) -> AbstractContextManager[None]:
        """Returns the scope of a definition that names its parent itself, if it does."""
        if not parent_name:
            return nullcontext()
        return self.conditional_scope(parent_name, parent_values)

    def define(self, kind: type, name: str, settings: dict[str, Any]) -> Any:
        """Defines a hyperparameter, narrowed, and returns its value; None if it is inactive.

        Args:
            kind: Its kind.
            name: Without the scopes.
            settings: Of the kind: range, default, ...

        Raises:
            SpaceError: If it is defined twice, or an override does not fit it.
        """
        full_name = "/".join([*self._open_names, name])
        hp = kind(full_name, conditions=list(self._open_conditions[-1]), **settings)
        for override in self.overrides:
            if override.matches(full_name):
                hp = override.apply(hp)
        self._refuse_redefinition(hp)
        if self.only_declared and not allows(hp, self.values.get(full_name, hp.default)):
            self.values[full_name] = hp.default
        config = hp.get_config()
        del config["name"], config["conditions"]  # the open scopes add them again
        original = getattr(keras_tuner.HyperParameters, type(hp).__name__)
        value = original(self, name, **config)
        if value is not None:
            self.read[full_name] = value
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
