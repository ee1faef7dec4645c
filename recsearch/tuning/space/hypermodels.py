"""Builders in all forms of Keras Tuner: a function, a `HyperModel`, or the `build` of one."""

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import keras_tuner

from recsearch.errors import SpaceError

Builder = Callable[..., Any]


def named_builder(module: ModuleType, attribute: str, reference: str) -> Builder:
    """Returns the function `build(hp, data)` or `build(hp)` that a reference names.

    Args:
        module: The module of the reference.
        attribute: Name of a function, of a `keras_tuner.HyperModel` (class or instance), of another
            callable, or of a method ("model.build").
        reference: As the user wrote it.

    Raises:
        SpaceError: If it is none of these, or a `HyperModel` with its own `fit`.
    """
    named: Any = module
    for part in attribute.split("."):
        named = getattr(named, part, None)
        if isinstance(named, type) and issubclass(named, keras_tuner.HyperModel):
            named = _instance(named, reference)
        if isinstance(named, keras_tuner.HyperModel):
            _refuse_own_fit(named, reference)
    if isinstance(named, keras_tuner.HyperModel):
        named = named.build
    if not callable(named):
        location = reference.partition(":")[0]
        raise SpaceError(f"{location} has no function {attribute!r}. Received: {reference!r}.")
    return named  # type: ignore[no-any-return]


def takes_data(builder: Builder) -> bool:
    """Returns whether a builder takes the `DataSpec` as its second argument."""
    owner = getattr(builder, "__self__", None)
    if isinstance(owner, keras_tuner.HyperModel) and builder == owner.build:
        # Keras Tuner hides the `build` of the class behind a wrapper.
        builder = type(owner).build.__get__(owner)
    parameters = inspect.signature(builder).parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    required = [p for p in parameters if p.kind in positional and p.default is p.empty]
    return len(required) >= 2


def _instance(kind: type, reference: str) -> Any:
    try:
        return kind()
    except TypeError as error:
        raise SpaceError(
            f"The HyperModel {reference} cannot be created without arguments: {error}. Create it "
            f"in the module, model = {kind.__name__}(...), and name the instance: "
            f"{reference.partition(':')[0]}:model."
        ) from error


def _refuse_own_fit(owner: keras_tuner.HyperModel, reference: str) -> None:
    if type(owner).fit is keras_tuner.HyperModel.fit:
        return
    raise SpaceError(
        f"The HyperModel {reference} overrides fit, but recsearch never calls fit: its own loop "
        "trains each model. Remove fit. To choose examples, batch_size and callbacks, return a "
        "recsearch.nn.Recommender from build. To change the training step, override the model's "
        "train_step."
    )
