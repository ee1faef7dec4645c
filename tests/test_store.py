import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from prepared import prepared_with_ids

from recsearch.data.interactions import Encoded
from recsearch.data.preparation import EncodedCandidates, PreparedData
from recsearch.data.store import open_prepared, read_spec, read_vocabularies, write_prepared
from recsearch.data.task import Task


def arrays(data: PreparedData) -> dict[str, np.ndarray]:
    parts = {"train": data.train, "holdout": data.holdout, "seen": data.seen}
    if data.order is not None:
        parts["order"] = data.order
    if data.candidates is not None:
        parts["candidates"] = data.candidates
    named = {f"{name}.{key}": value for name, p in parts.items() for key, value in vars(p).items()}
    named.pop("candidates.drawn", None)
    return named | data.features


@pytest.fixture
def written(tmp_path: Path) -> tuple[PreparedData, Path]:
    data, vocabularies = prepared_with_ids(Task.IMPLICIT)
    lists = EncodedCandidates(np.array([1], np.int32), np.array([[1, -1]], np.int32), "by hand")
    data = replace(data, candidates=lists)
    write_prepared(tmp_path / "data", data, vocabularies)
    return data, tmp_path / "data"


def test_prepared_data_read_back_are_equal(written: tuple[PreparedData, Path]) -> None:
    data, directory = written
    again = open_prepared(directory)
    assert again.spec == data.spec
    assert read_spec(directory) == data.spec
    assert again.candidates is not None
    assert again.candidates.drawn == "by hand"
    assert len(data.features) == 4  # age_group, country, genres, year
    expected, received = arrays(data), arrays(again)
    assert received.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(received[name], array)
        assert received[name].dtype == array.dtype


def test_prepared_data_are_mapped_and_read_only(written: tuple[PreparedData, Path]) -> None:
    for array in arrays(open_prepared(written[1])).values():
        assert isinstance(array, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_data_of_an_older_run_are_read_without_ages_and_order(
    written: tuple[PreparedData, Path],
) -> None:
    path = written[1] / "spec.json"
    before = open_prepared(written[1])
    assert before.seen.age is not None
    assert before.order is not None
    fields = json.loads(path.read_text())
    del fields["has_ages"], fields["has_order"]
    path.write_text(json.dumps(fields))
    for stored in written[1].glob("order.*.npy"):
        stored.unlink()
    again = open_prepared(written[1])
    assert not again.spec.has_ages
    assert again.seen.age is None
    assert not again.spec.has_order
    assert again.order is None


def test_data_without_candidates_have_none_when_read_back(tmp_path: Path) -> None:
    data, vocabularies = prepared_with_ids(Task.RATING)
    write_prepared(tmp_path / "data", data, vocabularies)
    assert open_prepared(tmp_path / "data").candidates is None


def test_empty_holdout_can_be_mapped(tmp_path: Path) -> None:
    data, vocabularies = prepared_with_ids(Task.RATING)
    none = np.zeros(0, np.int32)
    data = replace(data, holdout=Encoded(none, none, none.astype(np.float32)))
    write_prepared(tmp_path / "data", data, vocabularies)
    assert len(open_prepared(tmp_path / "data").holdout) == 0


def test_vocabularies_read_back_are_equal(written: tuple[PreparedData, Path]) -> None:
    vocabularies = read_vocabularies(written[1])
    assert vocabularies.users.ids.equals(prepared_with_ids(Task.IMPLICIT)[1].users.ids)
    assert vocabularies.items.ids.equals(prepared_with_ids(Task.IMPLICIT)[1].items.ids)


def test_write_prepared_refuses_an_existing_directory(written: tuple[PreparedData, Path]) -> None:
    data, vocabularies = prepared_with_ids(Task.IMPLICIT)
    with pytest.raises(FileExistsError):
        write_prepared(written[1], data, vocabularies)
