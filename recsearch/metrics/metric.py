"""What a metric is: its formula, the direction in which it is better, its source and variant."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

Direction = Literal["min", "max"]

Kind = Literal["pairs", "ranks", "lists"]
"""What a metric is told of: labelled pairs, ranks of held-out items, recommended lists."""

FunctionT_co = TypeVar("FunctionT_co", bound=Callable[..., Any], covariant=True)


@dataclass(frozen=True)
class Metric:
    """What a number means.

    Attributes:
        name: As users write it: "rmse", "ndcg@10".
        direction: "min" if a smaller value is better, else "max".
        formula: In a line, with k for the cutoff.
        source: The paper or library.
        variant: Which of the definitions in use this is, and what it says of the corner cases.
        family: The name without the cutoff: "ndcg".
        kind: What it is told of.
        cutoff: How many ranks count; None for metrics of pairs.
    """

    name: str
    direction: Direction
    formula: str
    source: str
    variant: str
    family: str
    kind: Kind
    cutoff: int | None = None


@dataclass(frozen=True)
class MetricFamily(Generic[FunctionT_co]):
    """A metric before its cutoff is known, with the function that measures it.

    Attributes:
        name: Such as "ndcg".
        kind: What it is told of; the modules pairs, rankings and lists hold one kind each.
        direction: "min" if a smaller value is better, else "max".
        formula: In a line.
        source: The paper or library.
        variant: Which of the definitions in use this is.
        function: Takes what its kind is told of.
    """

    name: str
    kind: Kind
    direction: Direction
    formula: str
    source: str
    variant: str
    function: FunctionT_co

    def metric(self, cutoff: int | None = None) -> Metric:
        """Returns the metric of this family with a cutoff, or without one."""
        name = self.name if cutoff is None else f"{self.name}@{cutoff}"
        return Metric(
            name,
            self.direction,
            self.formula,
            self.source,
            self.variant,
            family=self.name,
            kind=self.kind,
            cutoff=cutoff,
        )
