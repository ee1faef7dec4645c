import keras
import pytest

from recsearch.data.interactions import ColumnKind, Task
from recsearch.data.vocabulary import ColumnSpec, DataSpec
from recsearch.errors import SpaceError
from recsearch.nn import Negatives, Pairs, Recommender
from recsearch.nn.recommender import as_recommender, input_names


def spec(task: Task) -> DataSpec:
    column = ColumnSpec("user_age", ColumnKind.NUMERIC)
    return DataSpec(task, 5, 6, 10, 3.0, 1.0, 5.0, user_columns=(column,))


def model(*names: str, compiled: bool = True) -> keras.Model:
    inputs = [keras.Input((1,), name=name) for name in names]
    joined = keras.layers.Concatenate()(inputs) if len(inputs) > 1 else inputs[0]
    built = keras.Model(inputs, keras.layers.Dense(1)(joined))
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
        (model("user_id", "item_id", "genre"), r"cannot feed: genre\..*user_id, item_id, user_age"),
        (model("user_id", "user_age"), r"no item input.*Add an input named item_id"),
    ]:
        with pytest.raises(SpaceError, match=message):
            as_recommender(built, spec(Task.RATING), {})
