import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from recsearch.data.columns import ColumnNames
from recsearch.data.readers import load_candidates, load_interactions
from recsearch.errors import DataError

REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

needs_real_data = pytest.mark.skipif(
    not REAL_DATA.is_dir(), reason="the folder of real data sets is absent"
)

USUAL = ColumnNames()


@pytest.fixture
def write(tmp_path):
    def write_file(name, content):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


def load(path, **flags):
    return load_interactions(path, ColumnNames(**flags))


def ids(loaded):
    return loaded.interactions.user_id.to_pylist(), loaded.interactions.item_id.to_pylist()


ROWS = [(1, 10, 4.0, 100), (2, 20, 3.5, 200)]


def lines(delimiter, header):
    rows = [delimiter.join(map(str, row)) for row in ROWS]
    names = [delimiter.join(["user_id", "item_id", "rating", "timestamp"])] if header else []
    return "\n".join([*names, *rows]) + "\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ratings.csv", lines(",", header=True)),
        ("ratings.tsv", lines("\t", header=True)),
        ("ratings.csv", lines(";", header=True)),
        ("ratings.txt", lines("|", header=True)),
        ("ratings.csv.gz", gzip.compress(lines(",", header=True).encode(), mtime=0)),
        ("ratings.csv", lines(", ", header=True)),
        ("ratings.csv", "\ufeff" + lines(",", header=True).replace("\n", "\r\n")),
        ("ratings.csv", "\n" + lines(",", header=True).replace("\n", "\n\n")),
        ("u.data", lines("\t", header=False)),
        ("ratings.dat", lines("::", header=False)),
        ("ratings.dat.gz", gzip.compress(lines("::", header=False).encode(), mtime=0)),
        ("numbers.csv", lines(",", header=False)),
        ("numbers.txt", lines(" ", header=False)),
        (
            "small.inter",
            "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
            + lines("\t", header=False),
        ),
    ],
)
def test_interactions_are_the_same_from_each_text_format(write, name, content):
    loaded = load(write(name, content))
    assert ids(loaded) == ([1, 2], [10, 20])
    assert loaded.interactions.user_id.type == pa.int64()
    assert loaded.interactions.label.tolist() == [4.0, 3.5]
    assert loaded.interactions.label.dtype == np.float32
    assert loaded.interactions.timestamp.tolist() == [100, 200]
    assert loaded.has_label


def test_interactions_are_read_from_parquet_and_a_directory_of_parts(tmp_path):
    table = pa.table({"user": [1, 2, 3], "item": ["a", "b", "a"], "extra": [0, 0, 0]})
    pa.parquet.write_table(table.slice(0, 2), tmp_path / "part-0.parquet")
    pa.parquet.write_table(table.slice(2), tmp_path / "part-1.parquet")
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / "_metadata.parquet").touch()
    loaded = load(tmp_path)
    assert ids(loaded) == ([1, 2, 3], ["a", "b", "a"])
    assert loaded.interactions.item_id.type == pa.dictionary(pa.int32(), pa.string())
    assert loaded.interactions.label.tolist() == [1, 1, 1]
    assert loaded.interactions.timestamp is None
    assert not loaded.has_label
    assert loaded.notes == ("Columns not used: extra.",)
    assert ids(load(tmp_path / "part-1.parquet")) == ([3], ["a"])


def test_header_is_missing_when_all_cells_of_the_first_line_are_numbers(write):
    loaded = load(write("pairs.csv", "1,2\n3,4\n"))
    assert ids(loaded) == ([1, 3], [2, 4])
    assert loaded.notes == ("pairs.csv has no header line; its columns were taken as user, item.",)


@pytest.mark.parametrize("content", ["1,2,3,4,5\n", "7\n8\n"])
def test_header_is_missing_and_columns_cannot_be_named(write, content):
    with pytest.raises(DataError, match=r"has [15] columns and no header line.*Add a header"):
        load(write("many.csv", content))


def test_text_that_is_not_utf8_is_read_as_latin1(write):
    loaded = load(write("a.csv", "user,item\nJos\xe9,1\n".encode("latin-1")))
    assert ids(loaded)[0] == ["Jos\xe9"]
    assert loaded.notes == ("a.csv is not UTF-8; it was read as Latin-1.",)


def test_ids_with_leading_zeros_stay_text(write):
    loaded = load(write("a.csv", "user,movie\n1,0012\n2,12\n"))
    assert ids(loaded) == ([1, 2], ["0012", "12"])


def test_ids_of_whole_floats_become_integers(write):
    loaded = load(write("a.csv", "user,item\n12.0,1\n7.0,2\n"))
    assert ids(loaded)[0] == [12, 7]
    assert loaded.interactions.user_id.type == pa.int64()


def test_ids_with_a_fraction_are_a_fault(write):
    with pytest.raises(DataError, match=r"Column 'user', row 2: 1\.5 cannot be a user id"):
        load(write("a.csv", "user,item\n12.0,1\n1.5,2\n"))


def test_float_ids_are_exact_below_2_to_the_53(tmp_path):
    path = tmp_path / "a.parquet"
    pa.parquet.write_table(pa.table({"user": [2.0**53 - 1, 1.0], "item": [1, 2]}), path)
    assert ids(load(path))[0] == [2**53 - 1, 1]
    pa.parquet.write_table(pa.table({"user": [1.0, 2.0**53], "item": [1, 2]}), path)
    with pytest.raises(DataError, match=r"row 2: 9007199254740992\.0 cannot be a user id"):
        load(path)


def test_ids_that_are_nested_are_a_fault(tmp_path):
    pa.parquet.write_table(pa.table({"user": [[1]], "item": [1]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"contains list values\. Expected one value in each row"):
        load(tmp_path / "a.parquet")


def test_ids_of_bytes_are_text_or_a_fault(tmp_path):
    path = tmp_path / "a.parquet"
    pa.parquet.write_table(pa.table({"user": [b"a", b"b"], "item": [1, 2]}), path)
    assert ids(load(path))[0] == ["a", "b"]
    pa.parquet.write_table(pa.table({"user": [b"a", b"\xff"], "item": [1, 2]}), path)
    with pytest.raises(DataError, match=r"Column 'user', row 2: .* is not UTF-8 text"):
        load(path)


def test_ids_from_a_pandas_category_are_text_in_one_chunk(tmp_path):
    users = pa.chunked_array(
        [pa.array(["a"]).dictionary_encode(), pa.array(["b", "a"]).dictionary_encode()]
    )
    pa.parquet.write_table(pa.table({"user": users, "item": [1, 2, 3]}), tmp_path / "a.parquet")
    loaded = load(tmp_path / "a.parquet")
    assert ids(loaded)[0] == ["a", "b", "a"]
    assert isinstance(loaded.interactions.user_id, pa.DictionaryArray)


def test_second_part_gets_the_text_ids_of_the_training_part(write):
    train = load(write("train.csv", "user,item\na,1\nb,2\n")).interactions
    part = load_interactions(write("test.csv", "user,item\n7,2\n"), USUAL, like=train)
    assert part.interactions.user_id.to_pylist() == ["7"]
    assert part.interactions.user_id.type == train.user_id.type
    assert part.interactions.item_id.type == pa.int64()


@pytest.mark.parametrize("bad", ["x7", "007"])
def test_second_part_with_text_against_integer_ids_is_a_fault(write, bad):
    train = load(write("train.csv", "user,item\n1,1\n7,2\n")).interactions
    path = write("test.csv", f"user,item\n1,2\n{bad},2\n")
    with pytest.raises(DataError, match=f"row 2: the user id '{bad}' is text, but the user ids"):
        load_interactions(path, USUAL, like=train)


def test_all_faults_of_a_file_are_told_together(write):
    content = "user,item,rating,timestamp\n1,,4,2020-01-01\n,a,five,x\n3,,3,2020-01-02\n"
    with pytest.raises(DataError) as error:
        load(write("bad.csv", content))
    faults = error.value.faults
    assert len(faults) == 2
    assert faults[0].startswith("Column 'rating', row 2: the label 'five' is not a number.")
    assert faults[1].startswith("Column 'timestamp', row 2: 'x' cannot be read as a time.")
    assert error.value.__notes__ == [
        "1 of 3 rows were dropped: they have no user id in column 'user' (row 2).",
        "2 of 3 rows were dropped: they have no item id in column 'item' (rows 1, 3).",
    ]


def test_missing_column_is_told_beside_a_broken_label(write):
    with pytest.raises(DataError, match="No user column found") as error:
        load(write("bad.csv", "viewer,item,rating\n1,2,a\n"))
    assert len(error.value.faults) == 2


def test_labels_that_are_missing_are_a_fault(write):
    with pytest.raises(DataError, match=r"2 of 4 labels in column 'rating' are .*: rows 2, 3"):
        load(write("a.csv", "user,item,rating\n1,1,4\n1,2,\n1,3,NaN\n1,4,2\n"))


def test_labels_beyond_single_precision_are_a_fault(write):
    with pytest.raises(DataError, match=r"1 of 3 labels .* missing or not finite: row 2\."):
        load(write("a.csv", "user,item,label\n1,1,5\n1,2,1e39\n1,3,3e38\n"))


def test_labels_true_and_false_are_one_and_zero(write):
    loaded = load(write("a.csv", "user,item,clicked\n1,1,true\n1,2,false\n"))
    assert loaded.interactions.label.tolist() == [1.0, 0.0]
    assert loaded.columns["label"] == "clicked"


def test_labels_as_text_in_parquet_are_read(tmp_path):
    table = pa.table({"user": [1, 2], "item": [1, 2], "rating": ["+4", " 3.5"]})
    pa.parquet.write_table(table, tmp_path / "a.parquet")
    assert load(tmp_path / "a.parquet").interactions.label.tolist() == [4.0, 3.5]


@pytest.mark.parametrize(
    ("cells", "seconds"),
    [
        (["100", "200"], [100, 200]),
        (["100.9", "-0.5"], [100, -1]),
        (["1970-01-02", "1970-01-01"], [86400, 0]),
        (["1970-01-01 00:01:00", "1970-01-01T00:00:02.5"], [60, 2]),
        (["1970-01-01T02:00:00+01:00", "1970-01-01T00:00:01Z"], [3600, 1]),
    ],
)
def test_timestamps_become_seconds(write, cells, seconds):
    rows = "".join(f"1,{item},{cell}\n" for item, cell in enumerate(cells))
    loaded = load(write("a.csv", f"user,item,timestamp\n{rows}"))
    assert loaded.interactions.timestamp.tolist() == seconds
    assert loaded.interactions.timestamp.dtype == np.int64
    assert loaded.notes == ()


@pytest.mark.parametrize(
    ("factor", "unit"), [(10**3, "milliseconds"), (10**6, "microseconds"), (10**9, "nanoseconds")]
)
def test_timestamps_finer_than_seconds_are_divided_with_a_note(write, factor, unit):
    seconds = 1_600_000_000
    content = f"user,item,timestamp\n1,1,{seconds * factor + 7}\n"
    loaded = load(write("a.csv", content))
    assert loaded.interactions.timestamp.tolist() == [seconds]
    assert loaded.notes == (
        f"Column 'timestamp' was read as {unit} since 1970 and rounded down to seconds.",
    )


def test_milliseconds_before_1970_are_divided_too(write):
    content = "user,item,timestamp\n1,1,-315619200000\n1,2,-315619199001\n1,3,86400000\n"
    loaded = load(write("a.csv", content))
    assert loaded.interactions.timestamp.tolist() == [-315_619_200, -315_619_200, 86_400]
    assert "was read as milliseconds" in loaded.notes[0]


@pytest.mark.parametrize("kind", [pa.timestamp("ns"), pa.timestamp("ms", tz="UTC"), pa.date32()])
def test_timestamps_of_arrow_types_become_seconds(tmp_path, kind):
    days = pa.array([0, 1], pa.int32()).cast(pa.date32()).cast(kind)
    pa.parquet.write_table(
        pa.table({"user": [1, 2], "item": [1, 2], "date": days}), tmp_path / "a.parquet"
    )
    assert load(tmp_path / "a.parquet").interactions.timestamp.tolist() == [0, 86400]


def test_timestamps_that_are_missing_are_a_fault(write):
    with pytest.raises(DataError, match="1 of 2 times in column 'timestamp' are missing: row 2"):
        load(write("a.csv", "user,item,timestamp\n1,1,5\n1,2,\n"), timestamp="timestamp")


def test_timestamps_of_another_type_are_a_fault(tmp_path):
    pa.parquet.write_table(
        pa.table({"user": [1], "item": [1], "ts": [True]}), tmp_path / "a.parquet"
    )
    with pytest.raises(DataError, match="Column 'ts', row 1: 'True' cannot be read as a time"):
        load(tmp_path / "a.parquet", timestamp="ts")


def test_times_that_were_only_found_by_name_are_left_out_if_they_are_broken(write):
    loaded = load(write("a.csv", "user,item,date\n1,1,05/21/2014\n1,2,\n"))
    assert loaded.interactions.timestamp is None
    assert any(note.startswith("Column 'date' is not used as time: ") for note in loaded.notes)


def test_candidates_are_lists_in_file_order(write):
    train = load(write("train.csv", "user,item\n1,1\n2,2\n")).interactions
    content = "user,item,neg_00,neg_01,neg_02\n1,5,11,12,13\n2,6,21,22,\n"
    lists = load_candidates(write("lists.csv", content), USUAL, train)
    assert lists.user_id.to_pylist() == [1, 2]
    assert lists.item_id.to_pylist() == [5, 6]
    assert lists.num_negatives == 3
    assert lists.negative_ids.to_pylist() == [11, 12, 13, 21, 22, None]


def test_candidates_get_the_text_ids_of_the_training_part(write):
    train = load(write("train.csv", "user,item\n1,a\n2,b\n")).interactions
    lists = load_candidates(write("lists.csv", "user,item,n0,n1\n1,a,7,b\n"), USUAL, train)
    assert lists.negative_ids.to_pylist() == ["7", "b"]
    assert lists.negative_ids.type == train.item_id.type


def test_candidates_with_text_against_integer_ids_are_a_fault(write):
    train = load(write("train.csv", "user,item\n1,1\n")).interactions
    with pytest.raises(DataError, match="Column 'n1', row 1: the item id 'b' is text"):
        load_candidates(write("lists.csv", "user,item,n0,n1\n1,1,7,b\n"), USUAL, train)


def test_candidates_without_negatives_are_a_fault(write):
    train = load(write("train.csv", "user,item\n1,1\n")).interactions
    with pytest.raises(DataError, match=r"No column of negatives found.*has columns: user, item"):
        load_candidates(write("lists.csv", "user,item\n1,1\n"), USUAL, train)


@needs_real_data
def test_movielens_atomic_file_equals_its_parquet():
    atomic = load(REAL_DATA / "ml-100k" / "recbole-atomic" / "ml-100k.inter.gz").interactions
    parquet = load(REAL_DATA / "ml-100k" / "ratings.parquet").interactions
    order, other = [
        np.lexsort([part.item_id.to_numpy(), part.user_id.to_numpy()]) for part in (atomic, parquet)
    ]
    assert len(atomic) == len(parquet) == 100_000
    assert atomic.take(order).user_id.equals(parquet.take(other).user_id)
    assert atomic.take(order).item_id.equals(parquet.take(other).item_id)
    np.testing.assert_array_equal(atomic.label[order], parquet.label[other])
    np.testing.assert_array_equal(atomic.timestamp[order], parquet.timestamp[other])


@needs_real_data
def test_movietweetings_ids_keep_their_leading_zeros():
    items = load(REAL_DATA / "movietweetings-100k" / "ratings.parquet").interactions.item_id
    assert len(items.dictionary) == 10_506
    assert {len(name) for name in items.dictionary.to_pylist()} == {7}


@needs_real_data
def test_ncf_split_has_its_published_candidates():
    folder = REAL_DATA / "ml-1m" / "ncf"
    train = load(folder / "train.parquet").interactions
    lists = load_candidates(folder / "test_negatives.parquet", USUAL, train)
    assert len(train) == 994_169
    assert lists.num_negatives == 99
    assert len(lists.negative_ids) == 6040 * 99
    own = np.repeat(lists.item_id.to_numpy(), 99) == lists.negative_ids.to_numpy()
    assert own.reshape(6040, 99).any(axis=1).sum() == 156
