import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from prepared import prepared

from recsearch.data.task import Task
from recsearch.errors import SpaceError
from recsearch.nn import Negatives, Pairs, Recommender
from recsearch.tuning.space import builtin
from recsearch.tuning.space.families import Family
from recsearch.tuning.space.overrides import Override
from recsearch.tuning.space.search_space import SearchSpace, load_space

SPEC = prepared(Task.RATING).spec


def linear_model(width: int = 1) -> keras.Model:
    item = keras.Input((), dtype="int32", name="item_id")
    table = keras.layers.Embedding(SPEC.num_items, width)(item)
    model = keras.Model(item, keras.layers.Dense(1)(table))
    model.compile("sgd", "mse")
    return model


def space_of(*builders, overrides: tuple[str, ...] = ()) -> SearchSpace:
    families = {b.__name__: Family(b.__name__, b, f"test:{b.__name__}") for b in builders}
    return SearchSpace(families, tuple(map(Override.parse, overrides)))


def discovered(space: SearchSpace) -> dict:
    """Returns full name -> hyperparameter, but for the root."""
    return {hp.name: hp for hp in space.discover(SPEC).space if hp.name != "space"}


def small(hp, data):
    return linear_model(hp.Int("width", 1, 4))


def large(hp, data):
    return linear_model(hp.Int("width", 8, 16, default=12))


def looped(hp):
    width = sum(hp.Int(f"units_{i}", 1, 3) for i in range(hp.Int("num_layers", 1, 3)))
    return linear_model(width)


def nested(hp, data):
    width = 1
    if hp.Choice("kind", ["plain", "deep"]) == "deep":
        with hp.conditional_scope("kind", ["deep"]):
            width = hp.Int("depth", 1, 2)
            if hp.Boolean("wide"):
                width += hp.Int("extra", 1, 5)
    return linear_model(width)


def test_build_uses_given_values_and_defaults_for_the_others() -> None:
    def two(hp, data):
        return linear_model(hp.Int("width", 1, 4) + hp.Int("more", 1, 4, default=2))

    built = space_of(two).build("two", {"width": 3}, SPEC)
    assert built.values == {"width": 3, "more": 2}
    assert built.recommender.model.layers[1].output_dim == 5
    assert built.recommender.examples == Pairs()


def test_build_returns_only_the_values_that_the_builder_read() -> None:
    built = space_of(looped).build("looped", {"num_layers": 2, "units_2": 3, "other": 1}, SPEC)
    assert built.values == {"num_layers": 2, "units_0": 1, "units_1": 1}
    plain = space_of(nested).build("nested", {"kind": "plain", "depth": 2}, SPEC)
    assert plain.values == {"kind": "plain"}


def test_build_passes_a_recommender_on() -> None:
    def custom(hp, data):
        return Recommender(linear_model(), Negatives(3), batch_size=hp.Choice("batch_size", [7]))

    built = space_of(custom).build("custom", {}, SPEC)
    assert (built.recommender.examples, built.recommender.batch_size) == (Negatives(3), 7)


def test_two_families_keep_hyperparameters_of_one_name_apart() -> None:
    space = space_of(small, large)
    found = discovered(space)
    assert (found["small/width"].max_value, found["large/width"].max_value) == (4, 16)
    assert space.build("small", {}, SPEC).values == {"width": 1}
    assert space.build("large", {"width": 16}, SPEC).values == {"width": 16}
    root = space.discover(SPEC).space[0]
    assert (root.name, list(root.values)) == ("space", ["small", "large"])
    for name, hp in found.items():
        assert [(c.name, c.values) for c in hp.conditions] == [("space", [name.split("/")[0]])]


def test_names_that_depend_on_values_are_discovered() -> None:
    assert set(discovered(space_of(looped))) == {
        f"looped/{name}" for name in ("num_layers", "units_0", "units_1", "units_2")
    }


def test_names_behind_two_conditions_are_discovered() -> None:
    found = discovered(space_of(nested))
    assert set(found) == {f"nested/{name}" for name in ("kind", "depth", "wide", "extra")}
    assert [c.name for c in found["nested/depth"].conditions] == ["space", "nested/kind"]


def test_discovery_leaves_no_values_of_its_probes_behind() -> None:
    first, second = (space_of(looped).discover(SPEC).get_config() for _ in range(2))
    assert first == second


def test_builder_that_reads_a_variable_is_discovered() -> None:
    def reading(hp, data):
        model = linear_model(hp.Int("width", 1, 2))
        np.asarray(model.layers[1].embeddings)
        return model

    assert set(discovered(space_of(reading))) == {"reading/width"}


def test_overrides_narrow_discovery_and_building() -> None:
    space = space_of(small, large, overrides=("width=3", "large/width=9:10"))
    found = discovered(space)
    assert list(found["small/width"].values) == [3]
    assert (found["large/width"].min_value, found["large/width"].max_value) == (9, 10)
    assert space.build("small", {}, SPEC).values == {"width": 3}
    assert space.build("large", {}, SPEC).values == {"width": 9}


def test_override_of_a_conditional_hyperparameter_acts() -> None:
    space = space_of(nested, overrides=("extra=2",))
    values = {"kind": "deep", "wide": True}
    assert space.build("nested", values, SPEC).values["extra"] == 2


def test_unknown_override_is_refused_with_the_close_names() -> None:
    message = (
        r"--set widht=3: no hyperparameter of this name\. Did you mean width\? There are: width"
    )
    with pytest.raises(SpaceError, match=message):
        space_of(small, overrides=("widht=3",)).discover(SPEC)
    with pytest.raises(SpaceError, match=r"--set large/width=3: no hyperparameter"):
        space_of(small, overrides=("large/width=3",)).discover(SPEC)


def test_override_that_does_not_fit_is_refused_in_discovery() -> None:
    with pytest.raises(SpaceError, match="expected a whole number, received 'x'"):
        space_of(small, overrides=("width=x",)).discover(SPEC)


def test_redefinition_with_another_range_is_refused() -> None:
    def twice(hp, data):
        return linear_model(hp.Int("width", 1, 4) + hp.Int("width", 1, 5))

    with pytest.raises(SpaceError, match=r"twice/width is defined twice with different ranges"):
        space_of(twice).build("twice", {}, SPEC)
    with pytest.raises(SpaceError, match="defined twice"):
        space_of(twice).discover(SPEC)


def test_one_definition_read_twice_is_no_redefinition() -> None:
    def same(hp, data):
        return linear_model(hp.Int("width", 1, 4) + hp.Int("width", 1, 4))

    assert space_of(same).build("same", {"width": 2}, SPEC).values == {"width": 2}


def test_failing_builder_is_named_with_its_values() -> None:
    def fragile(hp, data):
        if hp.Int("width", 1, 4) == 4:
            raise ZeroDivisionError("too wide")
        return linear_model()

    message = (
        r"builder of fragile \(test:fragile\) failed at .*width=4.*ZeroDivisionError: too wide"
    )
    with pytest.raises(SpaceError, match=message):
        space_of(fragile).discover(SPEC)


def test_builder_that_always_fails_is_named_with_its_defaults() -> None:
    def broken(hp, data):
        raise KeyError("x")

    with pytest.raises(SpaceError, match=r"failed at its default values: KeyError: 'x'"):
        space_of(broken).discover(SPEC)


def test_result_that_is_no_model_is_refused() -> None:
    def nothing(hp, data):
        return None

    with pytest.raises(SpaceError, match=r"must return a compiled keras\.Model"):
        space_of(nothing).build("nothing", {}, SPEC)


SOURCE = """
import keras

def build(hp):
    item = keras.Input((), dtype="int32", name="item_id")
    model = keras.Model(item, keras.layers.Embedding(100, hp.Choice("width", [1]))(item))
    model.compile("sgd", "mse")
    return model

def other(hp, data, scale=1):
    return build(hp)

number = 3
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(SOURCE)
    return path


def test_file_reference_builds(file: Path) -> None:
    space = load_space([str(file), f"{file}:other"])
    assert list(space.families) == ["mine", "other"]
    for family in space.families:
        assert space.build(family, {}, SPEC).values == {"width": 1}
    assert load_space([f"{file}:build"]).families.keys() == {"mine"}


def test_module_reference_builds(file: Path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(file.parent))
    try:
        space = load_space(["mine:build"])
        assert space.build("mine", {}, SPEC).values == {"width": 1}
        assert list(load_space(["mine:other"]).families) == ["other"]
    finally:
        sys.modules.pop("mine", None)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (
            "neuralcf",
            r"no search space called 'neuralcf'\. Did you mean neural_cf .*recsearch spaces",
        ),
        ("zzz", r"no search space called 'zzz'\. Run `recsearch spaces`"),
        ("./absent.py", "There is no file absent.py"),
        ("no.such.module:build", "The module no.such.module cannot be imported"),
        ("neumf:absent", "neumf has no function 'absent'"),
    ],
)
def test_references_that_name_no_builder_are_refused(reference: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        load_space([reference])


def test_file_without_a_builder_or_with_an_error_is_refused(file: Path) -> None:
    with pytest.raises(SpaceError, match=r"mine\.py has no function 'number'"):
        load_space([f"{file}:number"])
    file.write_text("1 / 0")
    with pytest.raises(SpaceError, match=r"mine\.py cannot be imported: ZeroDivisionError"):
        load_space([str(file)])


def test_space_named_twice_is_refused() -> None:
    with pytest.raises(SpaceError, match="The space neumf is named twice"):
        load_space(["neumf", "neumf"])


def test_builtin_spaces_have_names_and_summaries() -> None:
    assert builtin.builtin_names() == (
        "autoencoder",
        "matrix_factorization",
        "neumf",
        "neural_cf",
        "wide_deep",
    )
    for name in builtin.builtin_names():
        described = "of a user's bag of items" if name == "autoencoder" else "score(u, i) = "
        assert described in builtin.summary(name)
        assert "\n" not in builtin.summary(name)
    assert builtin.summary("absent") == ""
