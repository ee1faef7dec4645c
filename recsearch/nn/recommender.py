"""What a builder returns: a compiled Keras model, and how its training examples are made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from recsearch.data.interactions import Task
from recsearch.data.vocabulary import DataSpec
from recsearch.errors import SpaceError
from recsearch.nn.contract import check_output, check_tables
from recsearch.nn.inputs import BAG, BAG_AGE, BAG_LABELS, side_of
from recsearch.nn.losses import ListLoss, SampledSoftmax

DEFAULT_BATCH_SIZE = 512
DEFAULT_NUM_NEGATIVES = 4  # He et al. 2017 (NCF) found 3 to 6 best
CALLED_HOOKS = ("on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_end")


@dataclass(frozen=True)
class Pairs:
    """Labelled pairs: inputs [B], target [B]."""


@dataclass(frozen=True)
class Negatives:
    """One positive and `num_negatives` sampled negatives: B * (1 + k) flat pairs, list after list.

    The target is 1 for the positive, which stands first, and 0 for its negatives. A loss that must
    see the lists folds them back (`recsearch.nn.BPR`, `recsearch.nn.Listwise`).

    Attributes:
        num_negatives: k, at least 1.
        popularity: Negatives are drawn in proportion to (interactions of the item)^popularity, from
            those that the user has not seen: 0 draws uniformly.
        with_expected: Whether the target is [B * (1 + k), 2], with log(k q) in the second column:
            how often the negative is expected among the draws (`recsearch.nn.SampledSoftmax`).
    """

    num_negatives: int = DEFAULT_NUM_NEGATIVES
    popularity: float = 0.0
    with_expected: bool = False


@dataclass(frozen=True)
class Bags:
    """A user and all his training items: a model without an item input, output [B, num_items].

    The target is [B, num_items]: for implicit data 1 at the items of the user and else 0
    (`recsearch.nn.Multinomial`); for ratings and clicks their label, and NaN where there is none
    (`recsearch.nn.ObservedSquaredError`). The batch size counts users.

    With a half-life (implicit data with timestamps) the model learns what comes next. Each epoch
    cuts the history of each user of two items or more at a random place; the inputs `bag` and
    `bag_age` tell what was before, with ages counted back from there, and the target is
    2^(-n / half_life) at the item that n others of those after the cut came before. Asked for
    scores, the model reads whole bags.

    Attributes:
        half_life: In items of the user, above 0; None for whole bags.
    """

    half_life: float | None = None


ExampleKind = Pairs | Negatives | Bags


@dataclass(frozen=True)
class Pretraining:
    """Parts that are trained before the whole, and what joins them.

    Attributes:
        models: Compiled models that share layers with the whole; each is trained in turn.
        epochs: Epochs of each.
        join: Called once after that; sets the whole's own weights from the parts'.
    """

    models: tuple[keras.Model, ...]
    epochs: int
    join: Callable[[], None]


@dataclass(frozen=True)
class Recommender:
    """A model and how it is trained.

    Attributes:
        model: A compiled Keras model whose inputs are named after the data: `user_id`, `item_id`,
            `user_<column>`, `item_<column>`, `bag`, `bag_labels`, `bag_age`; output [B] or [B, 1],
            or without an item input [B, num_items]: a score for the whole catalogue. For clicks the
            output is a probability, for ratings it is in the unit of the label.
        examples: How training examples are made: `Bags` if there is no item input.
        batch_size: Interactions (positives), or users with their bags, a step.
        pretraining: What is trained first, or None.
        callbacks: Keras callbacks of a trial, made anew by each build. Called at the begin and end
            of training and of each epoch, never for a batch: an epoch is one call into the graph.
            They see the model's own metrics ("loss") and the validation's ("val_rmse"). What they
            remember continues over promotions and resumes. One that sets `model.stop_training`
            ends its trial there, at the score that it has. `on_train_end` runs after the state was
            saved, so that `EarlyStopping(restore_best_weights=True)` changes nothing: the score is
            the best epoch's in any case. The pre-training runs without them, and so does the final
            retraining, which has no validation part: it repeats the learning rates of the trial.
    """

    model: keras.Model
    examples: ExampleKind
    batch_size: int = DEFAULT_BATCH_SIZE
    pretraining: Pretraining | None = None
    callbacks: tuple[keras.callbacks.Callback, ...] = ()


def as_recommender(built: Any, spec: DataSpec, values: dict[str, Any]) -> Recommender:
    """Returns the recommender that a builder's result stands for, checked.

    A bare compiled model gets labelled pairs, or for implicit data positives with sampled
    negatives, or without an item input bags of items; the batch size and the number of negatives
    are the hyperparameters `batch_size` and `num_negatives` where the builder has them.

    Args:
        built: What the builder returned.
        spec: The data.
        values: Bare name -> value of the hyperparameters that the builder read.

    Raises:
        SpaceError: If it is neither, not compiled, not functional, has an input of unknown name,
            an output that is no score, a table that is too short, examples that do not go with its
            inputs or its loss, or a callback that would do nothing here.
    """
    recommender = built if isinstance(built, Recommender) else _implied(built, spec, values)
    model = _checked_model(recommender.model)
    _check_inputs(model, spec)
    check_output(model, scores_pairs(model))
    check_tables(model, spec)
    _check_examples(recommender, spec)
    _check_loss(recommender)
    _check_callbacks(recommender.callbacks)
    return recommender


def _implied(model: Any, spec: DataSpec, values: dict[str, Any]) -> Recommender:
    """Returns what a bare model means, by its task."""
    examples: ExampleKind = Pairs()
    if not scores_pairs(_checked_model(model)):
        examples = Bags()
    elif spec.task is Task.IMPLICIT:
        examples = Negatives(int(values.get("num_negatives", DEFAULT_NUM_NEGATIVES)))
    batch_size = int(values.get("batch_size", DEFAULT_BATCH_SIZE))
    return Recommender(_checked_model(model), examples, batch_size)


def _checked_model(model: Any) -> keras.Model:
    if not isinstance(model, keras.Model):
        raise SpaceError(
            "A builder must return a compiled keras.Model or a recsearch.nn.Recommender. "
            f"Received: {type(model).__name__}."
        )
    if getattr(model, "optimizer", None) is None:
        raise SpaceError("The model is not compiled. Call model.compile(optimizer, loss) in build.")
    if not isinstance(model, keras.src.models.functional.Functional):
        raise SpaceError(
            "The model must be functional, keras.Model(inputs, outputs), so that its inputs have "
            f"names. Received: {type(model).__name__}."
        )
    return model


def input_names(model: keras.Model) -> tuple[str, ...]:
    """Returns the names of a functional model's inputs, in its own order."""
    return tuple(tensor.name for tensor in model.inputs)


def scores_pairs(model: keras.Model) -> bool:
    """Returns whether the model has an item input; else it scores the whole catalogue at once."""
    return any(side_of(name) == "item" for name in input_names(model))


def reads_bags(model: keras.Model) -> bool:
    """Returns whether an input of the model is as wide as the catalogue: `bag`, `bag_labels`..."""
    return not {BAG, BAG_LABELS, BAG_AGE}.isdisjoint(input_names(model))


def _check_inputs(model: keras.Model, spec: DataSpec) -> None:
    known = ["user_id", "item_id", *(column.name for column in spec.columns), BAG, BAG_LABELS]
    if spec.has_ages:
        known.append(BAG_AGE)
    unknown = [name for name in input_names(model) if name not in known]
    if unknown:
        raise SpaceError(
            f"The model has inputs that the data cannot feed: {', '.join(unknown)}. "
            f"With these data an input may be called: {', '.join(known)}."
        )


def _check_examples(recommender: Recommender, spec: DataSpec) -> None:
    """Refuses a model whose output or examples do not go with its inputs."""
    model, examples = recommender.model, recommender.examples
    if scores_pairs(model):
        if isinstance(examples, Bags):
            raise SpaceError(
                "A model with an item input scores pairs; it cannot be trained on Bags. Take the "
                "item input away and let the output be [batch, num_items], or use Pairs or "
                "Negatives."
            )
        return
    width = tuple(model.outputs[0].shape[1:])
    if width != (spec.num_items,):
        raise SpaceError(
            "A model without an item input must score the whole catalogue: an output of shape "
            f"[batch, {spec.num_items}] was expected. Received: [batch"
            f"{''.join(f', {size}' for size in width)}]. Add an input named item_id, or end the "
            "model in data.num_items scores."
        )
    if not isinstance(examples, Bags):
        raise SpaceError(
            "A model without an item input is trained on each user's bag of items: "
            f"examples=Bags(). Received: {examples}."
        )
    if examples.half_life is not None:
        _check_half_life(model, examples.half_life, spec)


def _check_half_life(model: keras.Model, half_life: float, spec: DataSpec) -> None:
    if not spec.has_ages:
        raise SpaceError(
            "Bags with a half-life need the order of a user's items, which only implicit data with "
            f"timestamps have. Received: half_life={half_life}. Leave it out: data.has_ages tells "
            "a builder."
        )
    names = input_names(model)
    if BAG not in names or BAG_LABELS in names:
        raise SpaceError(
            "Bags with a half-life teach what comes after a part of a user's history: an input "
            f"named {BAG} was expected, and none named {BAG_LABELS}, which is never cut. Received: "
            f"{', '.join(names)}."
        )
    if not half_life > 0:
        raise SpaceError(f"The half-life of Bags must be above 0. Received: {half_life}.")


def _check_loss(recommender: Recommender) -> None:
    """Refuses a loss over lists if the examples are none, or other ones: it would fold nonsense."""
    loss, examples = recommender.model.loss, recommender.examples
    if not isinstance(loss, ListLoss):
        return
    with_expected = isinstance(loss, SampledSoftmax)
    fits = (
        isinstance(examples, Negatives)
        and examples.num_negatives == loss.num_negatives
        and (examples.with_expected or not with_expected)
    )
    if not fits:
        more = ", with_expected=True" if with_expected else ""
        raise SpaceError(
            f"The loss {type(loss).__name__} compares each positive with {loss.num_negatives} "
            f"negatives: examples=Negatives({loss.num_negatives}{more}) was expected. "
            f"Received: {examples}."
        )


def _check_callbacks(callbacks: Any) -> None:
    """Refuses what is no tuple of callbacks, and callbacks that would silently do nothing."""
    if not isinstance(callbacks, tuple | list):
        raise SpaceError(
            "The callbacks of a Recommender must be a tuple of keras.callbacks.Callback. "
            f"Received: {type(callbacks).__name__}. For one alone write callbacks=(callback,)."
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
            f"{name} would begin its file anew at each promotion. Leave it out: the journal has "
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
            f"Expected of a callback: {', '.join(CALLED_HOOKS)}. Move the work there, or leave "
            f"{name} out: checkpoints are written in any case, and NaN never becomes a score."
        )


def _overrides(callback: keras.callbacks.Callback, hook: str) -> bool:
    inherited = getattr(type(callback), hook) is getattr(keras.callbacks.Callback, hook)
    return hook in vars(callback) or not inherited
