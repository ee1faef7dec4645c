from hypothesis import given
from hypothesis import strategies as st
from planted_run import described

from recsearch.exchange.domains import Choices, NumberRange, domains, trial_values
from recsearch.results.run_description import Hyperparameter
from recsearch.study.trial import Scalar, Trial


def number(
    name: str, low: float, high: float, kind: str = "Float", log: bool = False
) -> Hyperparameter:
    sampling = "log" if log else "linear"
    return Hyperparameter(name, kind, low, high, sampling=sampling)


def choice(name: str, *values: Scalar) -> Hyperparameter:
    return Hyperparameter(name, "Choice", values=values, default=values[0])


def trial(**values: Scalar) -> Trial:
    return Trial("0000", "neumf", values, epochs=1)


def test_domains_stand_under_bare_names_and_hold_all_families() -> None:
    assert domains(described().space) == {
        "space": Choices(("neumf", "wide_deep")),
        "embedding_dim": NumberRange(8, 128, whole=True, log=True),
        "optimizer": Choices(("sgd", "adam")),
        "momentum": NumberRange(0.0, 0.9, whole=False, log=False),
        "cross": Choices((False, True)),
    }


def test_intervals_of_one_name_become_the_smallest_that_holds_both() -> None:
    space = [number("a/x", 1, 8, "Int", log=True), number("b/x", 0.5, 4.0, log=True)]
    assert domains(space)["x"] == NumberRange(0.5, 8, whole=False, log=True)
    space = [number("a/x", 1, 8, "Int", log=True), number("b/x", 0, 4, "Int")]
    assert domains(space)["x"] == NumberRange(0, 8, whole=True, log=False)


def test_choices_of_one_name_are_joined_in_order() -> None:
    space = [choice("a/x", "sgd", "adam"), choice("b/x", "adam", "lion")]
    assert domains(space)["x"] == Choices(("sgd", "adam", "lion"))


def test_interval_takes_in_numbers_of_a_choice_and_becomes_a_choice_by_texts() -> None:
    wide = NumberRange(1, 32, whole=True, log=False)
    for space in ([number("a/x", 1, 8, "Int"), choice("b/x", 32)], [choice("b/x", 32)]):
        other = [number("a/x", 1, 8, "Int")] if len(space) == 1 else []
        assert domains([*space, *other])["x"] == wide
    space = [number("a/x", 1, 8, "Int"), choice("b/x", "all")]
    assert domains(space)["x"] == Choices((1, 8, "all"))


def test_fixed_value_is_a_choice_of_one() -> None:
    assert domains([Hyperparameter("a/x", "Fixed", default=256)])["x"] == Choices((256,))


def test_values_of_trials_lie_in_the_domain_whatever_the_space_says() -> None:
    found = domains([number("a/x", 1e-3, 1.0, log=True)], [trial(x=0.0, y=3)])
    assert found["x"] == NumberRange(0.0, 1.0, whole=False, log=False)
    assert found["y"] == Choices((3,))
    assert found["space"] == Choices(("neumf",))


def test_yes_and_one_are_two_values() -> None:
    found = domains([], [trial(x=True), trial(x=1), trial(x=1.0)])
    assert [type(value) for value in found["x"].values] == [bool, float]  # 1 and 1.0 are one


def test_values_of_a_trial_begin_with_its_family() -> None:
    assert list(trial_values(trial(b=1, a=2)).items()) == [("space", "neumf"), ("b", 1), ("a", 2)]


values = st.one_of(
    st.booleans(),
    st.integers(-9, 9),
    st.floats(-9, 9, allow_nan=False),
    st.sampled_from(["sgd", "adam"]),
)


@given(st.lists(values, min_size=1, max_size=6), st.booleans())
def test_each_value_of_a_trial_lies_in_its_domain(taken: list[Scalar], ranged: bool) -> None:
    space = [number("a/x", 1, 4, "Int")] if ranged else []
    domain = domains(space, [trial(x=value) for value in taken])["x"]
    for value in taken:
        if isinstance(domain, Choices):
            assert value in domain.values
        else:
            assert not isinstance(value, str)
            assert domain.low <= value <= domain.high
