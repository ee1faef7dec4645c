import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsearch.data.interactions import Interactions
from recsearch.data.vocabulary import HeldOutVocabulary, Vocabulary, encode, is_unknown

INTEGER_IDS = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20)
TEXT_IDS = st.lists(st.text(max_size=4), min_size=1, max_size=20)


def as_dictionary(values: list[str | None]) -> pa.Array:
    return pa.array(values, pa.string()).dictionary_encode()


def test_vocabulary_orders_ids_and_keeps_0_for_the_unknown() -> None:
    vocabulary = Vocabulary.fit(pa.array([30, 10, 30, 20]))
    assert vocabulary.ids.to_pylist() == [10, 20, 30]
    assert len(vocabulary) == 4
    assert vocabulary.encode(pa.array([20, 99, 10, 30])).tolist() == [2, 0, 1, 3]
    assert vocabulary.encode(pa.array([20])).dtype == np.int32


def test_vocabulary_keeps_text_apart_that_differs_in_leading_zeros() -> None:
    vocabulary = Vocabulary.fit(as_dictionary(["7", "007", "7"]))
    assert len(vocabulary) == 3
    assert vocabulary.encode(as_dictionary(["007", "07", "7"])).tolist() == [1, 0, 2]


def test_vocabulary_encodes_plain_strings_as_dictionaries() -> None:
    vocabulary = Vocabulary.fit(as_dictionary(["b", "a"]))
    assert vocabulary.encode(pa.array(["a", "x", "b"])).tolist() == [1, 0, 2]
    assert vocabulary.is_text
    assert not Vocabulary.fit(pa.array([1])).is_text


def test_encode_null_ids_become_unknown() -> None:
    assert Vocabulary.fit(pa.array([5])).encode(pa.array([5, None])).tolist() == [1, 0]
    text = Vocabulary.fit(as_dictionary(["a", "b"]))
    assert text.encode(as_dictionary(["b", None, "a", "x"])).tolist() == [2, 0, 1, 0]


def test_fit_ignores_dictionary_entries_that_no_row_uses() -> None:
    rows = as_dictionary(["a", "b", "c"]).take(pa.array([2, 0]))
    assert Vocabulary.fit(rows).ids.to_pylist() == ["a", "c"]


def test_decode_gives_null_for_the_unknown() -> None:
    vocabulary = Vocabulary.fit(pa.array([10, 20]))
    assert vocabulary.decode(np.array([2, 0, 1], np.int32)).to_pylist() == [20, None, 10]
    assert vocabulary.decode(np.array([3, 1, 9], np.int32)).to_pylist() == [None, 10, None]


def test_is_unknown_is_0_and_everything_from_the_size_up() -> None:
    found = is_unknown(np.array([[0, 1], [2, 3]], np.int32), size=3)
    assert found.tolist() == [[True, False], [False, True]]


def test_held_out_vocabulary_goes_on_where_training_ends() -> None:
    known = Vocabulary.fit(pa.array([10, 30]))
    both = HeldOutVocabulary.of(known, pa.array([30, 25, 5, 25]))
    assert both.unknown.ids.to_pylist() == [5, 25]
    assert both.ids.to_pylist() == [10, 30, 5, 25]
    assert both.encode(pa.array([25, 10, None, 5, 30, 99])).tolist() == [4, 1, 0, 3, 2, 0]
    assert both.encode(pa.array([25])).dtype == np.int32


@given(known=TEXT_IDS, held_out=TEXT_IDS)
def test_held_out_vocabulary_tells_all_ids_apart(known: list[str], held_out: list[str]) -> None:
    both = HeldOutVocabulary.of(Vocabulary.fit(as_dictionary(known)), as_dictionary(held_out))
    indices = both.encode(as_dictionary(known + held_out))
    assert indices.min() == 1
    assert [both.ids[j - 1].as_py() for j in indices.tolist()] == known + held_out
    assert len(both.ids) == len(set(known + held_out))
    is_new = is_unknown(indices, len(both.known)).tolist()
    assert is_new == [text not in known for text in known + held_out]


@pytest.mark.parametrize("make", [pa.array, as_dictionary], ids=["plain", "dictionary"])
@given(ids=TEXT_IDS)
def test_round_trip_of_text_ids(make, ids: list[str]) -> None:
    vocabulary = Vocabulary.fit(make(ids))
    assert vocabulary.decode(vocabulary.encode(make(ids))).to_pylist() == ids


@given(ids=INTEGER_IDS)
def test_round_trip_of_integer_ids(ids: list[int]) -> None:
    vocabulary = Vocabulary.fit(pa.array(ids, pa.int64()))
    assert vocabulary.decode(vocabulary.encode(pa.array(ids, pa.int64()))).to_pylist() == ids


@given(ids=INTEGER_IDS, data=st.data())
def test_fit_does_not_depend_on_the_order_of_rows(ids: list[int], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(ids))
    first, second = (Vocabulary.fit(pa.array(x, pa.int64())) for x in (ids, shuffled))
    assert first.ids.equals(second.ids)


@given(ids=TEXT_IDS, data=st.data())
def test_fit_of_dictionaries_does_not_depend_on_the_order(
    ids: list[str], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(ids))
    assert Vocabulary.fit(as_dictionary(ids)).ids.equals(
        Vocabulary.fit(as_dictionary(shuffled)).ids
    )


def test_encode_of_interactions_maps_both_sides() -> None:
    interactions = Interactions(pa.array([1, 2]), as_dictionary(["x", "y"]), np.ones(2, np.float32))
    users, items = Vocabulary.fit(pa.array([2])), Vocabulary.fit(as_dictionary(["y", "x"]))
    encoded = encode(interactions, users, items)
    assert encoded.user.tolist() == [0, 1]
    assert encoded.item.tolist() == [1, 2]
    assert len(encoded) == 2
