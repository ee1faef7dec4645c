"""The variables that an optimizer keeps for each weight, found through public attributes only."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf


def tensor_variable(variable: Any) -> tf.Variable:
    """Returns the TensorFlow variable behind a Keras variable."""
    return variable.value if isinstance(variable, keras.Variable) else variable


class Slots:
    """The slots of our own optimizers, noted when they are created."""

    def __init__(self) -> None:
        self._by_name: dict[str, dict[Any, Any]] = defaultdict(dict)

    def note(self, name: str, weight: Any, slot: Any) -> None:
        """Notes a slot.

        Args:
            name: The kind of slot: "momentum".
            weight: The Keras or TensorFlow variable of the model that the slot belongs to.
            slot: The variable of the optimizer.
        """
        self._by_name[name][tensor_variable(weight).ref()] = tensor_variable(slot)

    def of(self, name: str, weight: Any) -> tf.Variable:
        """Returns the slot of a weight."""
        return self._by_name[name][tensor_variable(weight).ref()]

    def has(self, name: str, weight: Any) -> bool:
        """Returns whether a weight has such a slot."""
        return tensor_variable(weight).ref() in self._by_name[name]


class NotesSlots(keras.optimizers.Optimizer):
    """An optimizer that notes its slots: the first of the two base classes of our optimizers.

    Attributes:
        slots: The slots, once the optimizer is built.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.slots = Slots()

    def add_variable_from_reference(
        self, reference_variable: Any, name: str | None = None, initializer: Any = "zeros"
    ) -> Any:
        """Creates the slot `name` of a model's variable, as Keras does, and notes it."""
        slot = super().add_variable_from_reference(reference_variable, name, initializer)
        self.slots.note(name or "", reference_variable, slot)
        return slot


@dataclass(frozen=True)
class AdamSlots:
    """The moments of a weight that Adam keeps.

    Attributes:
        momentum: The first moment.
        velocity: The second moment.
    """

    momentum: tf.Variable
    velocity: tf.Variable


def adam_slots(
    optimizer: keras.optimizers.Adam, weights: Sequence[keras.Variable]
) -> dict[Any, AdamSlots] | None:
    """Returns the moments of Keras' own Adam by the reference of each TensorFlow variable.

    Keras states neither the order nor the names of an optimizer's variables. Both are therefore
    compared with what Keras 3 does: for each weight the variables `<path>_momentum` and
    `<path>_velocity`, in the order of the weights.

    Args:
        optimizer: Built for the weights.
        weights: The trainable variables of the model.

    Returns:
        None if the variables are not as expected.
    """
    momenta, velocities = (
        [slot for slot in optimizer.variables if slot.name.endswith(suffix)]
        for suffix in ("_momentum", "_velocity")
    )
    if not len(weights) == len(momenta) == len(velocities):
        return None
    found = {}
    for weight, momentum, velocity in zip(weights, momenta, velocities, strict=True):
        prefix = weight.path.replace("/", "_")
        if [momentum.name, velocity.name] != [f"{prefix}_momentum", f"{prefix}_velocity"]:
            return None
        if not weight.shape == momentum.shape == velocity.shape:
            return None
        found[weight.value.ref()] = AdamSlots(momentum.value, velocity.value)
    return found
