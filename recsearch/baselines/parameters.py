"""What a baseline is set by, and what makes a fitted baseline of it."""

from collections.abc import Callable, Mapping

from recsearch.evaluation.scorer import Scorer

Parameters = Mapping[str, int | float | str | bool]
"""Name of a parameter of a baseline -> its value."""

FitFunction = Callable[[Parameters], Scorer]
"""Fits at one configuration; holds what all configurations have in common."""
