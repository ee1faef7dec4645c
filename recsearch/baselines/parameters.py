"""The parameters of a baseline, and the function that fits one with them."""

from collections.abc import Callable, Mapping

from recsearch.evaluation.scorer import Scorer

Parameters = Mapping[str, int | float | str | bool]
"""Name of a parameter of a baseline -> its value."""

FitFunction = Callable[[Parameters], Scorer]
"""Fits a baseline with one configuration; shares the work that all configurations need."""
