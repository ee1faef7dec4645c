"""The names of the tasks and of the split methods, for settings, readers and models.

Imports nothing of the package, so that the command line can list the choices at once.
"""

from enum import StrEnum


class Task(StrEnum):
    """What is learned from the labels."""

    RATING = "rating"  # predict an explicit value
    IMPLICIT = "implicit"  # rank items; every interaction is a positive
    CLICK = "click"  # predict the probability of a 1 among labels 0 and 1


SPLIT_METHODS = (
    "random",
    "leave-last-out",
    "leave-one-out",
    "temporal",
    "cold-users",
    "cold-items",
)
