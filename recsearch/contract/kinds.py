"""The protocols of input kinds and example kinds, and the values that they exchange.

A unit is what one example is made from: a row or a user.

Dimension letters: B rows of a batch, C examples of a chunk, L length of a history.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from recsearch.data.preparation import PreparedData
from recsearch.data.vocabulary import DataSpec

Side = Literal["user", "item"]
T = TypeVar("T")


class Indices(NamedTuple):
    """The values of an input that a layer may look up in a table.

    Attributes:
        size: Rows that the table needs; index 0 counts.
        source: Where a builder finds the size: "data.num_users".
        zero: The meaning of index 0: "the unknown user".
    """

    size: int
    source: str
    zero: str


class InputSpec(NamedTuple):
    """One model input that can be computed from the data.

    Attributes:
        name: Name of the `keras.Input`.
        side: Whether the input belongs to the user or to the item of a row.
        shape: Shape per row; None for a size that the model's own `keras.Input` chooses.
        request: Field of a `Request` from which the input can be computed at serving time; None if
            it needs stored data.
        indices: What the values index, or None if they are quantities.
    """

    name: str
    side: Side
    shape: tuple[int | None, ...]
    request: Literal["history"] | None = None
    indices: Indices | None = None


class InputDoc(NamedTuple):
    """A row of README's table of inputs.

    Attributes:
        name: Name, or a pattern of names, of the input.
        shape: Shape and type, in words.
        content: What the input contains.
        needs: What the data must have; "" for nothing.
    """

    name: str
    shape: str
    content: str
    needs: str = ""


class Rows(NamedTuple):
    """The rows that an input is computed for.

    Attributes:
        user: [B] int32.
        item: [B] int32.
        cut: [B] int32: number of interactions (for `Bags`: of distinct items) to hide at the end of
            each user's history; None hides nothing.
    """

    user: tf.Tensor
    item: tf.Tensor
    cut: tf.Tensor | None = None

    @classmethod
    def of_side(cls, index: tf.Tensor) -> "Rows":
        """Returns rows for inputs of one side only: users or items at `index` [B]."""
        return cls(index, index)


class Request(NamedTuple):
    """The data that a caller of an exported model sends instead of stored data.

    Attributes:
        history: [B, L] int32: item indices, the latest last; 0 is padding or an unknown item.
    """

    history: tf.Tensor


class BoundInput(Protocol):
    """Computes the inputs of one kind from the data of a run.

    It is a `tf.Module`, so that an export contains it.
    """

    def feed(self, name: str, rows: Rows, shape: tuple[int, ...]) -> tf.Tensor:
        """Returns the input `name` of each row, [B, ...].

        Args:
            name: Name of the input.
            rows: The rows.
            shape: Shape per row that the model declares; where `InputSpec.shape` has None, the
                model's size.
        """

    def serve(self, name: str, request: Request, shape: tuple[int, ...]) -> tf.Tensor:
        """Returns the input `name` of each request, [B, ...].

        The arguments are those of `feed`, with a request instead of rows.
        """


class InputKind(Protocol):
    """A group of model inputs that are computed by the same code. An input kind has no state."""

    @property
    def documentation(self) -> tuple[InputDoc, ...]:
        """Rows of README's table of inputs."""

    def side(self, name: str) -> Side | None:
        """Returns the side of an input, or None if the name belongs to another kind."""

    def inputs(self, spec: DataSpec) -> tuple[InputSpec, ...]:
        """Returns the inputs that these data can feed."""

    def missing(self, name: str, spec: DataSpec) -> str | None:
        """Returns why the data cannot feed the input ("needs timestamps"), or None if they can."""

    def bind(self, data: PreparedData) -> BoundInput:
        """Returns an object that computes the inputs from the data of a run.

        Called once per process and data.
        """


class Batch(NamedTuple):
    """What a model is trained on in one step.

    Attributes:
        rows: The rows that the inputs are computed for.
        target: [B, ...]: the target, in the form that the kind of examples documents.
        replaced: Name of an input -> its value, for inputs that the examples compute themselves
            (instead of `BoundInput.feed`).
    """

    rows: Rows
    target: tf.Tensor
    replaced: Mapping[str, tf.Tensor] = {}


class BoundExamples(Protocol):
    """Produces the training examples of one kind from the training part of a run."""

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Returns the units of an epoch in the order of training, [n]."""

    def gather(self, units: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns the examples of a chunk, arrays [C, ...].

        Args:
            units: [C] int64.
            seed: [2] int32, for this chunk only.
        """

    def batch(self, *examples: tf.Tensor) -> Batch:
        """Returns a batch from its examples, arrays [B, ...]."""


class Arrays(Protocol):
    """The training part of a run, shared by all trials of a process.

    Attributes:
        data: The prepared data.
        user: [n] int32: users of the training interactions.
        item: [n] int32: their items.
        label: [n] float32: their labels.
    """

    data: PreparedData
    user: tf.Tensor
    item: tf.Tensor
    label: tf.Tensor

    def bound(self, name: str) -> Any:
        """Returns the bound input that computes the input `name`."""

    def once(self, key: tuple[object, ...], make: Callable[[], T]) -> T:
        """Returns `make()`, which is called once per key and process."""
