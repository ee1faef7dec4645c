"""The kinds of hyperparameters that Keras Tuner has, imported in this one place.

`keras_tuner` itself exports only the containers; the kinds are in a module of its engine. Importing
this module imports Keras Tuner, so that others import it inside the functions that need it.
"""

from keras_tuner.engine.hyperparameters import (
    Boolean,
    Choice,
    Fixed,
    Float,
    HyperParameter,
    Int,
)

__all__ = ["Boolean", "Choice", "Fixed", "Float", "HyperParameter", "Int"]
