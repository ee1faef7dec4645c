"""The registry of input kinds: one file per kind, one entry in `INPUT_KINDS`.

The name of a `keras.Input` selects the kind that feeds it.
"""

import keras

from recsearch.contract.inputs.bag_input import BagInput
from recsearch.contract.inputs.column_input import ColumnInput
from recsearch.contract.inputs.history_input import HistoryInput
from recsearch.contract.inputs.id_input import IdInput
from recsearch.contract.kinds import InputKind, InputSpec, Side
from recsearch.data.vocabulary import DataSpec

INPUT_KINDS: tuple[InputKind, ...] = (
    IdInput(),
    ColumnInput(),
    BagInput(),
    HistoryInput(),
)
"""The first kind that knows a name computes the input."""


def kind_of(name: str) -> InputKind | None:
    """Returns the kind that computes the input of this name, or None if no kind does."""
    return next((kind for kind in INPUT_KINDS if kind.side(name) is not None), None)


def side_of(name: str) -> Side:
    """Returns the side of an input; "user" for a name that no kind knows."""
    kind = kind_of(name)
    return (kind.side(name) if kind else None) or "user"


def input_specs(spec: DataSpec) -> dict[str, InputSpec]:
    """Returns the inputs that the data can feed, by name."""
    return {one.name: one for kind in INPUT_KINDS for one in kind.inputs(spec)}


def input_names(model: keras.Model) -> tuple[str, ...]:
    """Returns the names of a functional model's inputs, in the model's order."""
    return tuple(tensor.name for tensor in model.inputs)


def scores_pairs(model: keras.Model) -> bool:
    """Returns whether the model has an item input; if not, it scores the whole catalogue."""
    return any(side_of(name) == "item" for name in input_names(model))


def inputs_table() -> str:
    """Returns the table of inputs in README, in Markdown."""
    lines = ["| input | type and shape | content | needs |", "|---|---|---|---|"]
    lines += [
        f"| `{row.name}` | {row.shape} | {row.content} | {row.needs} |"
        for kind in INPUT_KINDS
        for row in kind.documentation
    ]
    return "\n".join(lines)
