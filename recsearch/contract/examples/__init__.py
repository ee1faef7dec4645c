"""The registry of example kinds: one file per kind, one entry in `EXAMPLE_KINDS`."""

from recsearch.contract.examples.labelled_pairs import Pairs
from recsearch.contract.examples.negatives import Negatives
from recsearch.contract.examples.next_item import NextItem
from recsearch.contract.examples.user_bags import Bags
from recsearch.contract.recommender import ExampleKind

EXAMPLE_KINDS: tuple[type[ExampleKind], ...] = (
    Pairs,
    Negatives,
    Bags,
    NextItem,
)
"""A bare model is trained on the first kind that fits."""

__all__ = ["EXAMPLE_KINDS", "Bags", "Negatives", "NextItem", "Pairs"]
