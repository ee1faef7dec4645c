"""The registries of input kinds and example kinds, and README's table of inputs."""

from dataclasses import replace
from pathlib import Path

import pytest
import tensorflow as tf
from prepared import prepared, with_train

from recsearch.contract.examples import EXAMPLE_KINDS
from recsearch.contract.inputs import INPUT_KINDS, input_specs, inputs_table, kind_of, side_of
from recsearch.contract.kinds import Request, Rows
from recsearch.contract.recommender import ExampleKind
from recsearch.data.interactions import Task
from recsearch.pipeline import Feed

README = Path(__file__).resolve().parents[1] / "README.md"


def test_readme_has_the_table_of_inputs_of_the_registry() -> None:
    text = README.read_text()
    begin, end = "<!-- inputs -->\n", "\n<!-- end of inputs -->"
    assert text.count(begin) == text.count(end) == 1
    assert text.partition(begin)[2].partition(end)[0] == inputs_table()


def test_every_kind_documents_its_inputs() -> None:
    assert len(INPUT_KINDS) >= 3
    spec = prepared(Task.IMPLICIT).spec
    for kind in INPUT_KINDS:
        documented = {row.name for row in kind.documentation}
        assert documented
        for name in (one.name for one in kind.inputs(spec)):
            side, _, column = name.partition("_")
            assert name in documented or f"{side}_<column>" in documented, name
            assert column or name in documented


@pytest.mark.parametrize("task", Task)
def test_each_input_is_of_one_kind_and_can_be_fed_in_its_shape(task: Task) -> None:
    data = prepared(task)
    feed, rows = Feed(data), Rows(tf.constant([1, 2, 0]), tf.constant([3, 0, 1]))
    specs = input_specs(data.spec)
    assert {"user_id", "item_id", "bag", "bag_labels"} < specs.keys()
    for name, spec in specs.items():
        kind = kind_of(name)
        assert kind is not None
        assert side_of(name) == spec.side
        assert kind.missing(name, data.spec) is None
        shape = tuple(4 if size is None else size for size in spec.shape)
        value = feed.bound(name).feed(name, rows, shape)
        assert tuple(value.shape) == (3, *shape), name


def test_inputs_that_can_be_requested_are_computed_from_a_history() -> None:
    data = prepared(Task.IMPLICIT)
    feed, request = Feed(data), Request(tf.constant([[1, 2, 0]]))
    for name, spec in input_specs(data.spec).items():
        shape = tuple(4 if size is None else size for size in spec.shape)
        if spec.request is None:
            with pytest.raises(NotImplementedError, match=f"{name} cannot be computed"):
                feed.bound(name).serve(name, request, shape)
        else:
            value = feed.bound(name).serve(name, request, shape)
            assert tuple(value.shape) == (1, *shape), name


def test_missing_gives_the_reason() -> None:
    spec = replace(prepared(Task.IMPLICIT).spec, has_ages=False)
    for name, reason in [
        ("bag_age", "needs implicit data with timestamps"),
        ("user_mood", "the table of users has no column 'mood'"),
        ("item_mood", "the table of items has no column 'mood'"),
    ]:
        kind = kind_of(name)
        assert kind is not None
        assert kind.missing(name, spec) == reason
        assert name not in input_specs(spec)


def test_name_of_no_kind_is_the_users_and_cannot_be_fed() -> None:
    assert kind_of("genre") is None
    assert side_of("genre") == "user"
    with pytest.raises(KeyError, match="genre"):
        Feed(with_train([(1, 1)], 2, 2)).bound("genre")


def test_example_kinds_follow_the_protocol() -> None:
    assert len(EXAMPLE_KINDS) >= 3
    for kind in EXAMPLE_KINDS:
        assert issubclass(kind, ExampleKind)
