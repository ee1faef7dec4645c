from dataclasses import replace

import keras
import pytest

from recsearch.contract.checks.builder_result import as_recommender
from recsearch.contract.inputs import input_names, scores_pairs, side_of
from recsearch.contract.list_loss import ListLoss
from recsearch.data.interactions import ColumnKind
from recsearch.data.task import Task
from recsearch.data.vocabulary import ColumnSpec, DataSpec
from recsearch.errors import SpaceError
from recsearch.nn import (
    BPR,
    Bags,
    Listwise,
    Negatives,
    Pairs,
    PairwiseHinge,
    Recommender,
    SampledSoftmax,
)


def spec(task: Task) -> DataSpec:
    column = ColumnSpec("user_age", ColumnKind.NUMERIC)
    return DataSpec(task, 5, 6, 10, 3.0, 1.0, 5.0, user_columns=(column,))


def model(*names: str, compiled: bool = True, width: int = 1) -> keras.Model:
    inputs = [keras.Input((1,), name=name) for name in names]
    joined = keras.layers.Concatenate()(inputs) if len(inputs) > 1 else inputs[0]
    built = keras.Model(inputs, keras.layers.Dense(width)(joined))
    if compiled:
        built.compile("sgd", "mse")
    return built


@pytest.mark.parametrize("task", [Task.RATING, Task.CLICK])
def test_bare_model_of_labelled_data_gets_pairs(task: Task) -> None:
    built = model("user_id", "item_id", "user_age")
    assert as_recommender(built, spec(task), {}) == Recommender(built, Pairs(), 512)


def test_bare_model_of_implicit_data_gets_negatives() -> None:
    built = model("user_id", "item_id")
    assert as_recommender(built, spec(Task.IMPLICIT), {}) == Recommender(built, Negatives(4), 512)


def test_bare_model_takes_batch_size_and_negatives_from_the_hyperparameters() -> None:
    values = {"batch_size": 64, "num_negatives": 2}
    built = model("user_id", "item_id")
    made = as_recommender(built, spec(Task.IMPLICIT), values)
    assert made == Recommender(built, Negatives(2), 64)


def test_recommender_is_kept_as_it_is() -> None:
    made = Recommender(model("item_id"), Pairs(), 7)
    assert as_recommender(made, spec(Task.RATING), {"batch_size": 64}) is made


@pytest.mark.parametrize("task", list(Task))
def test_bare_model_without_an_item_input_gets_bags(task: Task) -> None:
    built = model("user_id", "bag", width=6)
    made = as_recommender(built, spec(task), {"batch_size": 32, "num_negatives": 2})
    assert made == Recommender(built, Bags(), 32)


def test_model_scores_pairs_if_it_has_an_item_input() -> None:
    assert scores_pairs(model("user_id", "item_genres"))
    assert scores_pairs(model("item_id"))
    assert not scores_pairs(model("user_id", "bag", "bag_labels", "user_item_count"))


def test_side_of_an_input_is_told_by_its_name() -> None:
    names = ["user_id", "bag", "user_age", "bag_labels", "item_id", "item_genres"]
    assert [side_of(name) for name in names] == ["user"] * 4 + ["item"] * 2


def test_input_names_keep_the_order_of_the_model() -> None:
    assert input_names(model("item_id", "user_id")) == ("item_id", "user_id")


class Subclassed(keras.Model):
    def call(self, inputs):
        return inputs


def test_as_recommender_refuses_what_it_cannot_train() -> None:
    subclassed = Subclassed()
    subclassed.compile("sgd", "mse")
    for built, message in [
        (None, r"must return a compiled keras.Model.*Received: NoneType"),
        (model("item_id", compiled=False), r"not compiled\. Call model\.compile"),
        (Recommender(model("item_id", compiled=False), Pairs()), "not compiled"),
        (subclassed, r"must be functional.*Received: Subclassed"),
        (
            model("user_id", "item_id", "genre"),
            r"cannot feed: genre\..*user_id, item_id, user_age, bag, bag_labels",
        ),
        (
            model("user_id", "user_age"),
            r"\[batch, 6\] was expected. Received: \[batch, 1\]\. Add an",
        ),
    ]:
        with pytest.raises(SpaceError, match=message):
            as_recommender(built, spec(Task.RATING), {})


def test_as_recommender_refuses_examples_that_do_not_go_with_the_inputs() -> None:
    whole = model("user_id", width=6)
    for recommender, message in [
        (Recommender(model("user_id", "item_id"), Bags()), r"scores pairs; .*use Pairs or Neg"),
        (
            Recommender(model("bag", width=5), Bags()),
            r"\[batch, 6\] was exp.*Received: \[batch, 5\]",
        ),
        (Recommender(whole, Pairs()), r"examples=Bags\(\)\. Received: Pairs\(\)"),
        (Recommender(whole, Negatives(2)), r"Received: Negatives\(num_negatives=2"),
    ]:
        with pytest.raises(SpaceError, match=message):
            as_recommender(recommender, spec(Task.IMPLICIT), {})
    assert as_recommender(Recommender(whole, Bags()), spec(Task.CLICK), {}).model is whole


def test_as_recommender_refuses_recency_without_ages_and_without_a_length() -> None:
    whole, with_ages = model("bag", width=6), replace(spec(Task.IMPLICIT), has_ages=True)
    with pytest.raises(SpaceError, match=r"only implicit data with timestamps.*half_life=4\.0"):
        as_recommender(Recommender(whole, Bags(4.0)), spec(Task.IMPLICIT), {})
    for half_life in (0.0, -1.0, float("nan")):
        with pytest.raises(SpaceError, match=r"must be above 0\. Received"):
            as_recommender(Recommender(whole, Bags(half_life)), with_ages, {})
    for names in (["user_id"], ["bag_age"], ["bag", "bag_labels"]):
        with pytest.raises(SpaceError, match=rf"named bag was .* Received: {', '.join(names)}"):
            as_recommender(Recommender(model(*names, width=6), Bags(4.0)), with_ages, {})
    assert as_recommender(Recommender(whole, Bags(4.0)), with_ages, {}).model is whole
    of_ages = model("bag", "bag_age", width=6)
    with pytest.raises(SpaceError, match="cannot feed: bag_age"):
        as_recommender(of_ages, spec(Task.IMPLICIT), {})
    assert as_recommender(of_ages, with_ages, {}).model is of_ages


def test_as_recommender_refuses_examples_that_do_not_go_with_the_loss() -> None:
    def compiled_with(loss: keras.losses.Loss) -> keras.Model:
        built = model("user_id", "item_id")
        built.compile("sgd", loss)
        return built

    listwise = Listwise(keras.losses.Hinge(), 3)
    softmax = SampledSoftmax(2)
    for loss, examples, message in [
        (
            BPR(3),
            Negatives(2),
            r"BPR compares .* with 3 negatives: examples=Negatives\(3\) was exp",
        ),
        (listwise, Negatives(4), r"Listwise compares .*Received: Negatives\(num_negatives=4"),
        (PairwiseHinge(1), Pairs(), r"Received: Pairs\(\)"),
        (softmax, Negatives(2), r"examples=Negatives\(2, with_expected=True\) was expected"),
        (softmax, Negatives(3, with_expected=True), r"SampledSoftmax compares .* with 2 negatives"),
    ]:
        with pytest.raises(SpaceError, match=message):
            as_recommender(Recommender(compiled_with(loss), examples), spec(Task.IMPLICIT), {})
    with pytest.raises(SpaceError, match="with 3 negatives"):  # a bare model gets 4
        as_recommender(compiled_with(BPR(3)), spec(Task.IMPLICIT), {})
    for loss, examples in [(listwise, Negatives(3)), (softmax, Negatives(2, with_expected=True))]:
        made = Recommender(compiled_with(loss), examples)
        assert as_recommender(made, spec(Task.IMPLICIT), {}) is made


def two_models(width: int = 6) -> tuple[keras.Model, keras.Model]:
    """A model of the catalogue, and one with two outputs more that is trained; they share all."""
    bag = keras.Input((6,), name="bag")
    hidden = keras.layers.Dense(3, name="hidden")(bag)
    scores = keras.layers.Dense(width, name="scores")(hidden)
    trained = keras.Model(bag, scores)
    trained.compile("sgd", "mse")
    return keras.Model(bag, scores), trained


def test_the_model_that_scores_need_not_be_compiled_if_another_one_is_trained() -> None:
    model_, trained = two_models()
    made = Recommender(model_, Bags(), trained=trained)
    assert as_recommender(made, spec(Task.CLICK), {}) is made
    assert made.to_train is trained
    assert Recommender(model_, Bags()).to_train is model_
    with pytest.raises(SpaceError, match="not compiled"):
        as_recommender(Recommender(model_, Bags()), spec(Task.CLICK), {})
    with pytest.raises(SpaceError, match="not compiled"):
        as_recommender(Recommender(trained, Bags(), trained=model_), spec(Task.CLICK), {})


def test_as_recommender_refuses_weights_that_would_never_be_trained() -> None:
    scoring, _ = two_models()
    _, trained = two_models()
    with pytest.raises(SpaceError, match=r"never be trained: hidden/kernel, .*the same layers"):
        as_recommender(Recommender(scoring, Bags(), trained=trained), spec(Task.CLICK), {})


def test_as_recommender_checks_inputs_tables_and_loss_of_the_trained_model() -> None:
    user = keras.Input((), dtype="int32", name="user_id")
    genre = keras.Input((), dtype="int32", name="genre")
    table = keras.layers.Embedding(5, 6, name="table")
    scoring = keras.Model(user, table(user))
    for other, width, message in [
        (genre, 3, "cannot feed: genre"),
        (keras.Input((), dtype="int32", name="user_id"), 4, "'short' has too few rows"),
    ]:
        short = keras.layers.Embedding(width, 6, name="short")
        trained = keras.Model([user, other] if other is genre else other, short(other))
        if other is genre:
            trained = keras.Model([user, genre], keras.layers.Add()([table(user), short(genre)]))
        else:
            trained = keras.Model(other, keras.layers.Add()([table(other), short(other)]))
        trained.compile("sgd", "mse")
        with pytest.raises(SpaceError, match=message):
            as_recommender(Recommender(scoring, Bags(), trained=trained), spec(Task.CLICK), {})
    trained = keras.Model(user, table(user))
    trained.compile("sgd", BPR(2))
    with pytest.raises(SpaceError, match="BPR compares each positive"):
        as_recommender(Recommender(scoring, Bags(), trained=trained), spec(Task.CLICK), {})


def test_as_recommender_checks_the_output_of_the_trained_model() -> None:
    inputs = [keras.Input((1,), name=name) for name in ("user_id", "item_id")]
    joined = keras.layers.Concatenate()(inputs)
    both = keras.layers.Dense(2, name="both")(joined)
    scoring, trained = keras.Model(inputs, both[:, :1]), keras.Model(inputs, both)
    trained.compile("sgd", "mse")
    for examples in (Pairs(), Negatives(4)):
        with pytest.raises(SpaceError, match=r"one score per pair.*Received: \[\[None, 2\]\]"):
            as_recommender(Recommender(scoring, examples, trained=trained), spec(Task.IMPLICIT), {})
    scoring, _ = two_models()
    wide = keras.Model(scoring.inputs, scoring.layers[1].output)  # the hidden layer
    wide = keras.Model(wide.inputs, [wide.outputs[0], scoring.outputs[0]])
    wide.compile("sgd", "mse")
    with pytest.raises(SpaceError, match=r"Bags train a model that scores all items.*batch, 6"):
        as_recommender(Recommender(scoring, Bags(), trained=wide), spec(Task.CLICK), {})


def test_layer_with_other_indices_than_those_of_the_data_is_not_checked() -> None:
    class Hashed(keras.layers.Layer):
        def __init__(self, input_dim: int) -> None:
            super().__init__()
            self.input_dim = input_dim
            self.embeddings_initializer = "uniform"
            self.table = keras.layers.Embedding(input_dim, 1)

        def call(self, index):
            return self.table(index % self.input_dim)

    user, item = (keras.Input((), dtype="int32", name=name) for name in ("user_id", "item_id"))
    score = keras.layers.Add()([Hashed(2)(user), keras.layers.Embedding(6, 1)(item)])
    built = keras.Model([user, item], score)
    built.compile("sgd", "mse")
    assert as_recommender(built, spec(Task.RATING), {}).model is built


def test_as_recommender_refuses_examples_of_no_kind() -> None:
    for examples in (None, "pairs", Pairs):
        made = Recommender(model("user_id", "item_id"), examples)
        with pytest.raises(SpaceError, match=r"must be one of Pairs, Negatives, Bags.*Received"):
            as_recommender(made, spec(Task.CLICK), {})


def test_refused_input_comes_with_the_reason() -> None:
    message = r"user_mood \(the table of users has no column 'mood'\), genre\. With these data"
    with pytest.raises(SpaceError, match=message):
        as_recommender(model("user_mood", "genre", "item_id"), spec(Task.CLICK), {})
    with pytest.raises(SpaceError, match=r"bag_age \(needs implicit data with timestamps\)"):
        as_recommender(model("bag_age", width=6), spec(Task.CLICK), {})


class OwnListLoss(ListLoss):
    needs_expected = True


def test_loss_of_your_own_over_lists_is_checked_by_its_attributes() -> None:
    assert OwnListLoss(2).misfit(Negatives(2, with_expected=True)) is None
    misfit = OwnListLoss(2).misfit(Negatives(2))
    assert misfit is not None
    assert "examples=Negatives(2, with_expected=True) was expected" in misfit
