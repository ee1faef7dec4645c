"""What a metric is: its formula, direction, source and variant."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

Direction = Literal["min", "max"]

Kind = Literal["pairs", "ranks", "lists"]
"""What a metric is computed from: labelled pairs, ranks of held-out items, recommended lists."""

FunctionT_co = TypeVar("FunctionT_co", bound=Callable[..., Any], covariant=True)


@dataclass(frozen=True)
class Metric:
    """A metric, with the meaning of its values.

    Attributes:
        name: As users write it: "rmse", "ndcg@10".
        direction: "min" if a smaller value is better, else "max".
        formula: In one line, with k for the cutoff.
        source: The paper or library.
        variant: Which of the common definitions this is, with its corner cases.
        family: The name without the cutoff: "ndcg".
        kind: What it is computed from.
        cutoff: The number of ranks that count; None for metrics of pairs.
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
    """A metric without its cutoff, with the function that computes it.

    Attributes:
        name: Such as "ndcg".
        kind: What it is computed from; the modules pairs, rankings and lists have one kind each.
        direction: "min" if a smaller value is better, else "max".
        formula: In one line.
        source: The paper or library.
        variant: Which of the common definitions this is.
        function: Computes the metric; its arguments depend on the kind.
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
