"""The number types that Keras uses by default, kept separate for each family of a search.

A module may set a policy for all layers, `keras.config.set_dtype_policy("mixed_float16")`, when it
is imported or in its builder. The policy is a setting of the process: by itself it would also apply
to the other families, and `keras.utils.clear_session`, called before each trial, would reset it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

import keras


@dataclass(frozen=True)
class Precision:
    """Defaults of Keras for new layers and variables.

    Attributes:
        policy: For layers; see `keras.config.dtype_policy`.
        floatx: For variables and inputs; see `keras.config.floatx`.
    """

    policy: Any
    floatx: str

    @classmethod
    def current(cls) -> "Precision":
        """Returns the defaults of this process as they are now."""
        return cls(keras.config.dtype_policy(), keras.config.floatx())

    def apply(self) -> None:
        """Sets these defaults in this process."""
        keras.config.set_floatx(self.floatx)
        keras.config.set_dtype_policy(self.policy)

    def following(self, before: "Precision") -> "Precision":
        """Returns these defaults with the policy that a new `floatx` implies.

        Keras derives the policy from `floatx` once, at its first use.
        """
        was_implied = self.policy.name == before.policy.name == before.floatx
        if self.floatx == before.floatx or not was_implied:
            return self
        return Precision(keras.dtype_policies.get(self.floatx), self.floatx)

    def differs(self, other: "Precision") -> bool:
        """Returns whether a new layer would get different types."""
        return (self.policy.name, self.floatx) != (other.policy.name, other.floatx)


# A second import of a module runs no code, so its settings are remembered.
_SET_BY: WeakKeyDictionary[ModuleType, Precision] = WeakKeyDictionary()


@contextmanager
def under(precision: Precision | None) -> Iterator[None]:
    """Applies these defaults inside the block, and restores those of the process after it.

    Args:
        precision: The defaults of a module; None for those of the process.
    """
    before = Precision.current()
    try:
        if precision is not None:
            precision.apply()
        yield
    finally:
        before.apply()


def import_with_precision(load: Callable[[], ModuleType]) -> tuple[ModuleType, Precision | None]:
    """Returns a module that `load` imports and the defaults that it set, or None."""
    with under(None):
        before = Precision.current()
        module = load()
        after = Precision.current().following(before)
    if after.differs(before):
        _SET_BY[module] = after
    return module, _SET_BY.get(module)
