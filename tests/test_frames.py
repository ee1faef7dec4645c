"""Tables in memory: read like files, never changed, and recorded in place of a path."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_run import run_settings, write_item_titles, write_ratings

import recsearch
from recsearch.config.run_config import make_config
from recsearch.data.frames import Frame, source_of
from recsearch.errors import DataError, UsageError
from recsearch.workflow.dataset import Dataset, load_dataset


@pytest.fixture
def ratings(tmp_path: Path) -> Path:
    return write_ratings(tmp_path / "ratings.csv", text_ids=True)


def dataset_of(value: Any, **tables: Any) -> Dataset:
    frames = {n: Frame.of(n, v) for n, v in {"data": value, **tables}.items()}
    return load_dataset(make_config({n: frame.name for n, frame in frames.items()}), frames)


def contents(dataset: Dataset) -> list[Any]:
    parts = (dataset.split.train, dataset.split.validation, dataset.split.test)
    return [
        [p.user_id.to_pylist(), p.item_id.to_pylist(), p.label.tolist(), p.timestamp.tolist()]
        for p in parts
    ]


class OnlyStream:
    """What any library offers that speaks Arrow's C stream interface."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


def as_polars(path: Path) -> Any:
    return pytest.importorskip("polars").read_csv(path)


def as_duckdb(path: Path) -> Any:
    return pytest.importorskip("duckdb").read_csv(str(path))


MAKERS = {
    "pandas": pd.read_csv,
    "pandas, Arrow strings": lambda path: pd.read_csv(path, dtype_backend="pyarrow"),
    "pandas, categories": lambda path: pd.read_csv(path, dtype={"user_id": "category"}),
    "Arrow": lambda path: pa.Table.from_pandas(pd.read_csv(path)),
    "record batch": lambda path: pa.RecordBatch.from_pandas(pd.read_csv(path)),
    "stream": lambda path: OnlyStream(pa.Table.from_pandas(pd.read_csv(path))),
    "columns": lambda path: pd.read_csv(path).to_dict("list"),
    "polars": as_polars,
    "duckdb": as_duckdb,
}


@pytest.mark.parametrize("maker", MAKERS)
def test_table_in_memory_gives_the_data_of_its_file(ratings: Path, maker: str) -> None:
    from_file = load_dataset(make_config({"data": str(ratings)}))
    found = dataset_of(MAKERS[maker](ratings))
    assert contents(found) == contents(from_file)
    assert (found.task, found.columns) == (from_file.task, from_file.columns)


def test_features_and_given_parts_may_be_in_memory(tmp_path: Path, ratings: Path) -> None:
    frame = pd.read_csv(ratings)
    items = pd.read_csv(write_item_titles(tmp_path / "items.csv"))
    items["item_id"] = "物" + items["item_id"].astype(str)
    found = dataset_of(frame[:700], items=items, test=frame[800:], validation=frame[700:800])
    assert [len(part) for part in (found.split.train, found.split.test)] == [700, 100]
    assert found.items is not None
    assert set(found.items.columns) == {"title", "year"}


def test_frame_is_not_modified(ratings: Path) -> None:
    frame = pd.read_csv(ratings)
    frame.loc[3, "timestamp"] = None
    before = frame.copy(deep=True)
    with pytest.raises((DataError, UsageError)):
        dataset_of(frame, items=frame.rename(columns={"item_id": "thing"}))
    dataset_of(frame.drop(columns="timestamp"))
    pd.testing.assert_frame_equal(frame, before)


def test_numbers_are_not_copied() -> None:
    column = np.arange(10_000)
    table = Frame.of("data", pd.DataFrame({"user_id": column}, copy=False)).table
    (_, buffer) = table["user_id"].chunk(0).buffers()
    assert buffer.address == column.ctypes.data


def test_fingerprint_is_of_the_values_and_not_of_the_chunks() -> None:
    whole = pa.table({"user_id": [1, 2, 3], "item_id": ["a", "b", None]})
    parts = pa.concat_tables([whole.slice(0, 1), whole.slice(1)])
    other = whole.set_column(0, "user_id", pa.array([1, 2, 4]))
    digests = [Frame.of("data", table).digest for table in (whole, parts, other)]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (5, r"data=5: expected a path, a DataFrame"),
        ([(1, 2)], r"data=\[\(1, 2\)\]: expected a path"),
        (pd.Series(range(1000)), r"^data=a Series: expected a path"),
        (np.zeros((900, 3)), r"^data=a ndarray of 900 rows and 3 columns: expected a path"),
        (
            pd.DataFrame({"user_id": [1, "a"] * 500, "item_id": 1}),
            r"^data=a DataFrame of 1,000 rows and 2 columns: .*column user_id with type object",
        ),
        (
            pd.DataFrame([[1, 2]], columns=["user_id", "user_id"]),
            r"Duplicate column names found: \['user_id', 'user_id'\]",
        ),
        ({"user_id": [1], "item_id": [1, 2]}, r"^data=.*Arrow cannot read this table"),
    ],
)
def test_value_that_is_no_table_is_refused_in_one_sentence(value: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        recsearch.search(data=value)
    assert len(str(caught.value)) < 400


def test_faults_of_a_frame_name_the_argument(ratings: Path) -> None:
    frame = pd.read_csv(ratings).rename(columns={"user_id": "who"})
    with pytest.raises(DataError) as caught:
        recsearch.search(data=frame)
    message = str(caught.value)
    assert message.startswith("data=DataFrame (900 rows): No user column found.")
    assert message.endswith("Name it with user_column.")
    with pytest.raises(DataError, match=r"no row of data"):
        recsearch.search(data=frame.iloc[:0])


def test_index_is_not_read_and_a_named_one_is_noted(ratings: Path) -> None:
    frame = pd.read_csv(ratings)
    frame.index.name = "row"
    notes = dataset_of(frame).notes
    assert any("The index (row) is not read; frame.reset_index()" in note for note in notes)


@pytest.mark.slow
def test_run_on_a_frame_gives_the_trials_of_its_file(tmp_path: Path, finished_run: Path) -> None:
    settings = run_settings(tmp_path / "files")
    frames = {name: pd.read_csv(settings[name]) for name in ("data", "items")}
    run = recsearch.search(**{**settings, **frames, "out": tmp_path / "run"})
    from_file = recsearch.load(finished_run)
    pd.testing.assert_frame_equal(
        run.curves().drop(columns="seconds"), from_file.curves().drop(columns="seconds")
    )
    assert run.metrics is not None
    assert from_file.metrics is not None
    assert run.metrics["test"] == from_file.metrics["test"]
    assert run.config["data"]["path"] == "DataFrame (900 rows)"
    assert "data=DataFrame (900 rows)" in run.config["command"][0]
    assert run.config["data"]["fingerprint"] != from_file.config["data"]["fingerprint"]
    for name in ("data", "items"):
        pd.testing.assert_frame_equal(frames[name], pd.read_csv(settings[name]))


@pytest.mark.slow
def test_run_that_lost_its_frame_cannot_be_resumed_and_says_why(tmp_path: Path) -> None:
    from recsearch.console.progress import Silent
    from recsearch.workflow.flow import resume

    settings = run_settings(tmp_path / "files", max_trials=1, tuner="random", max_epochs=1)
    frame = pd.read_csv(settings["data"])
    run = recsearch.search(**{**settings, "data": frame, "search_only": True})
    again = recsearch.search(**{**settings, "data": frame, "out": tmp_path / "second"})
    assert again.config["data"]["fingerprint"] == run.config["data"]["fingerprint"]
    (run.directory / "data").rename(tmp_path / "gone")
    with pytest.raises(DataError, match=r"in the memory of the process that started the run"):
        resume(run.directory, {}, Silent())
    (tmp_path / "gone").rename(run.directory / "data")
    assert resume(run.directory, {}, Silent()).metrics is not None  # its own copy is enough


def test_name_of_a_frame_is_a_path_only_where_such_a_file_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "ratings (3 rows)"
    with pytest.raises(DataError, match="Start a new run"):
        source_of("data", name, {})
    pq.write_table(pa.table({"user_id": [1]}), tmp_path / name)
    assert source_of("data", name, {}) == Path(name)
