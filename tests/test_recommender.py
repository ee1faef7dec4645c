from dataclasses import replace

import keras
import pytest

from recsearch.data.interactions import ColumnKind, Task
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
from recsearch.nn.inputs import side_of
from recsearch.nn.recommender import as_recommender, input_names, reads_bags, scores_pairs


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


def test_reads_bags_is_told_by_the_inputs() -> None:
    assert not reads_bags(model("user_id", "item_id"))
    assert reads_bags(model("bag", "item_id"))
    assert reads_bags(model("bag_labels"))
    assert reads_bags(model("bag_age"))


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
