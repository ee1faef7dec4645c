"""What a builder's result means, and whether it can be trained and scored."""

from collections.abc import Mapping
from typing import Any

import keras

from recsearch.contract.checks.model_outputs import check_output, check_tables
from recsearch.contract.examples import EXAMPLE_KINDS
from recsearch.contract.inputs import input_names, input_specs, kind_of, scores_pairs
from recsearch.contract.list_loss import ListLoss
from recsearch.contract.recommender import DEFAULT_BATCH_SIZE, ExampleKind, Recommender
from recsearch.data.vocabulary import DataSpec
from recsearch.errors import SpaceError

CALLED_HOOKS = ("on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_end")


def as_recommender(built: Any, spec: DataSpec, values: Mapping[str, Any]) -> Recommender:
    """Returns the recommender that a builder's result means, checked.

    A bare compiled model gets the examples of the first kind that fits: labelled pairs, or for
    implicit data positives with sampled negatives, or without an item input bags of items. The
    batch size and the number of negatives are the hyperparameters `batch_size` and `num_negatives`
    if the builder has them.

    Args:
        built: What the builder returned.
        spec: The data.
        values: Bare name -> value of the hyperparameters that the builder read.

    Raises:
        SpaceError: If it is neither, not compiled, not functional, has an input of unknown name,
            an output that is no score, a table that is too short, examples that do not fit its
            inputs or its loss, or a callback that would do nothing here.
    """
    recommender = built if isinstance(built, Recommender) else _implied(built, spec, values)
    _check_models(recommender)
    model = recommender.model
    for one in _models(recommender):
        _check_inputs(one, spec)
    check_output(model, scores_pairs(model))
    for one in _models(recommender):
        check_tables(one, input_specs(spec))
    _check_examples(recommender, spec)
    _check_callbacks(recommender.callbacks)
    return recommender


def _models(recommender: Recommender) -> tuple[keras.Model, ...]:
    """Returns the model, and the model that is trained if it is another one."""
    return tuple({id(m): m for m in (recommender.model, recommender.to_train)}.values())


def _implied(model: Any, spec: DataSpec, values: Mapping[str, Any]) -> Recommender:
    """Returns the recommender that a bare model means."""
    _check_compiled(model)
    _check_functional(model)
    implied = (kind.implied(model, spec, values) for kind in EXAMPLE_KINDS)
    examples = next(found for found in implied if found is not None)
    return Recommender(model, examples, int(values.get("batch_size", DEFAULT_BATCH_SIZE)))


def _check_models(recommender: Recommender) -> None:
    """Refuses models that cannot be trained or scored."""
    _check_compiled(recommender.to_train)
    for model in _models(recommender):
        _check_functional(model)
    taught = {id(weight) for weight in recommender.to_train.trainable_weights}
    untaught = [w.path for w in recommender.model.trainable_weights if id(w) not in taught]
    if untaught:
        raise SpaceError(
            "The model that scores has weights that the trained model does not have, so they would "
            f"never be trained: {', '.join(untaught)}. Build both models from the same layers."
        )


def _check_compiled(model: Any) -> None:
    if not isinstance(model, keras.Model):
        raise SpaceError(
            "A builder must return a compiled keras.Model or a recsearch.nn.Recommender. "
            f"Received: {type(model).__name__}."
        )
    if getattr(model, "optimizer", None) is None:
        raise SpaceError("The model is not compiled. Call model.compile(optimizer, loss) in build.")


def _check_functional(model: Any) -> None:
    if not (isinstance(model, keras.Model) and isinstance(model, keras.Function)):
        raise SpaceError(
            "The model must be functional, keras.Model(inputs, outputs), so that its inputs have "
            f"names. Received: {type(model).__name__}."
        )


def _check_inputs(model: keras.Model, spec: DataSpec) -> None:
    known = input_specs(spec)
    unknown = [_unfed(name, spec) for name in input_names(model) if name not in known]
    if unknown:
        raise SpaceError(
            f"The model has inputs that the data cannot feed: {', '.join(unknown)}. "
            f"With these data an input may be called: {', '.join(known)}."
        )
    for tensor in model.inputs:
        shape, expected = tensor.shape[1:], known[tensor.name].shape
        if None in expected and (None in shape or len(shape) != len(expected)):
            raise SpaceError(
                f"The input {tensor.name} needs a fixed length, such as "
                f'keras.Input((50,), name="{tensor.name}"). Received: {tensor.shape}.'
            )


def _unfed(name: str, spec: DataSpec) -> str:
    """Returns the name of an input, and why the data cannot feed it if its kind knows."""
    kind = kind_of(name)
    reason = kind.missing(name, spec) if kind else None
    return f"{name} ({reason})" if reason else name


def _check_examples(recommender: Recommender, spec: DataSpec) -> None:
    """Refuses examples that do not fit the model, its output, its loss or the data."""
    examples, loss = recommender.examples, recommender.to_train.loss
    if isinstance(examples, type) or not isinstance(examples, ExampleKind):
        kinds = ", ".join(kind.__name__ for kind in EXAMPLE_KINDS)
        raise SpaceError(
            f"The examples of a Recommender must be one of {kinds}. Received: {examples}."
        )
    if not scores_pairs(recommender.model):
        _check_catalogue(recommender.model, spec)
    misfit = examples.misfit(recommender, spec)
    if misfit is None and isinstance(loss, ListLoss):
        misfit = loss.misfit(examples)
    if misfit is not None:
        raise SpaceError(misfit)


def _check_catalogue(model: keras.Model, spec: DataSpec) -> None:
    width = tuple(model.outputs[0].shape[1:])
    if width != (spec.num_items,):
        raise SpaceError(
            "A model without an item input must score the whole catalogue: an output of shape "
            f"[batch, {spec.num_items}] was expected. Received: [batch"
            f"{''.join(f', {size}' for size in width)}]. Add an input named item_id, or end the "
            "model in data.num_items scores."
        )


def _check_callbacks(callbacks: Any) -> None:
    """Refuses anything but a tuple of callbacks, and callbacks that would silently do nothing."""
    if not isinstance(callbacks, tuple | list):
        raise SpaceError(
            "The callbacks of a Recommender must be a tuple of keras.callbacks.Callback. "
            f"Received: {type(callbacks).__name__}. For a single one write callbacks=(callback,)."
        )
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            raise SpaceError(
                "Each callback of a Recommender must be a keras.callbacks.Callback. "
                f"Received: {type(callback).__name__}."
            )
        _check_callback(callback)


def _check_callback(callback: keras.callbacks.Callback) -> None:
    name = type(callback).__name__
    if isinstance(callback, keras.callbacks.CSVLogger):
        raise SpaceError(
            f"{name} would start its file again at each promotion. Leave it out: the journal has "
            "every epoch, see recsearch.load(directory).curves()."
        )
    never_called = sorted(
        hook
        for hook in vars(keras.callbacks.Callback)
        if hook.startswith("on_") and hook not in CALLED_HOOKS and _overrides(callback, hook)
    )
    if never_called:
        raise SpaceError(
            f"The callback {name} has {', '.join(never_called)}, which would never be called: an "
            "epoch is one call into the graph, and recsearch measures the validation itself. "
            f"A callback may have: {', '.join(CALLED_HOOKS)}. Move the work there, or leave "
            f"{name} out: checkpoints are written in any case, and NaN never becomes a score."
        )


def _overrides(callback: keras.callbacks.Callback, hook: str) -> bool:
    inherited = getattr(type(callback), hook) is getattr(keras.callbacks.Callback, hook)
    return hook in vars(callback) or not inherited
